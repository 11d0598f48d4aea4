//! One way to write a fork-join program for all: what a side's `join` hands to its halves is handed on.

use crate::sides;

/// A library with a `join`.
pub(super) trait Fork: 'static {
    /// What it hands to the two halves.
    type Here<'h>;

    /// Comes in from a thread of the program.
    fn enter<R: Send>(program: impl FnOnce(&mut Self::Here<'_>) -> R + Send) -> R;

    fn join<A: Send, B: Send>(
        here: &mut Self::Here<'_>,
        a: impl FnOnce(&mut Self::Here<'_>) -> A + Send,
        b: impl FnOnce(&mut Self::Here<'_>) -> B + Send,
    ) -> (A, B);
}

/// Its `join` needs nothing, and its caller runs the program itself.
pub(super) struct Spinney;

impl Fork for Spinney {
    type Here<'h> = ();

    fn enter<R: Send>(program: impl FnOnce(&mut ()) -> R + Send) -> R {
        let _entered = sides::spinney().enter();
        program(&mut ())
    }

    fn join<A: Send, B: Send>(
        (): &mut (),
        a: impl FnOnce(&mut ()) -> A + Send,
        b: impl FnOnce(&mut ()) -> B + Send,
    ) -> (A, B) {
        spinney::join(|| a(&mut ()), || b(&mut ()))
    }
}

/// It has the program run by a worker.
pub(super) struct Rayon;

impl Fork for Rayon {
    type Here<'h> = ();

    fn enter<R: Send>(program: impl FnOnce(&mut ()) -> R + Send) -> R {
        sides::rayon().install(|| program(&mut ()))
    }

    fn join<A: Send, B: Send>(
        (): &mut (),
        a: impl FnOnce(&mut ()) -> A + Send,
        b: impl FnOnce(&mut ()) -> B + Send,
    ) -> (A, B) {
        rayon::join(|| a(&mut ()), || b(&mut ()))
    }
}

pub(super) struct Chili;

impl Fork for Chili {
    type Here<'h> = chili::Scope<'h>;

    fn enter<R: Send>(program: impl FnOnce(&mut chili::Scope<'_>) -> R + Send) -> R {
        program(&mut sides::chili().scope())
    }

    fn join<A: Send, B: Send>(
        here: &mut chili::Scope<'_>,
        a: impl FnOnce(&mut chili::Scope<'_>) -> A + Send,
        b: impl FnOnce(&mut chili::Scope<'_>) -> B + Send,
    ) -> (A, B) {
        here.join(a, b)
    }
}

pub(super) struct Forte;

impl Fork for Forte {
    type Here<'h> = &'h forte::Worker;

    fn enter<R: Send>(program: impl FnOnce(&mut &forte::Worker) -> R + Send) -> R {
        sides::forte().with_worker(|mut worker| program(&mut worker))
    }

    fn join<A: Send, B: Send>(
        here: &mut &forte::Worker,
        a: impl FnOnce(&mut &forte::Worker) -> A + Send,
        b: impl FnOnce(&mut &forte::Worker) -> B + Send,
    ) -> (A, B) {
        here.join(|mut worker| a(&mut worker), |mut worker| b(&mut worker))
    }
}

/// A bound: one thread, and two calls.
pub(super) struct Calls;

impl Fork for Calls {
    type Here<'h> = ();

    fn enter<R: Send>(program: impl FnOnce(&mut ()) -> R + Send) -> R {
        program(&mut ())
    }

    fn join<A: Send, B: Send>(
        here: &mut (),
        a: impl FnOnce(&mut ()) -> A + Send,
        b: impl FnOnce(&mut ()) -> B + Send,
    ) -> (A, B) {
        (a(here), b(here))
    }
}

/// The sides of a program that is generic over them, each of so many operations.
macro_rules! forks {
    ($program:ident, $operations:expr) => {
        &[
            $crate::workloads::cost_of("spinney", $program::<fork::Spinney>, $operations),
            $crate::workloads::cost_of("rayon", $program::<fork::Rayon>, $operations),
            $crate::workloads::cost_of("chili", $program::<fork::Chili>, $operations),
            $crate::workloads::cost_of("forte", $program::<fork::Forte>, $operations),
            $crate::workloads::cost_of("calls", $program::<fork::Calls>, $operations),
        ]
    };
}
pub(super) use forks;
