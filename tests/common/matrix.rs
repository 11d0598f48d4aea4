//! What the matrices share: running every combination, naming the one that fails or hangs, gates,
//! scripted failures.

use crate::common::panics::text;
use crate::common::runtimes::{Seen, noting_as};
use async_channel::{Receiver, Sender};
use spinney::{Errors, Runtime, RuntimeBuilder};
use std::any::Any;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// A combination that takes longer hangs. It is no measure of speed: one takes less than a
/// millisecond.
const HANGS: Duration = Duration::from_secs(60);

/// Failing combinations that are named in full.
const NAMED: usize = 20;

/// Runs every combination on a thread of its own, and names those that fail, or the one that hangs.
pub(crate) fn each<C: Debug + Copy + Send + 'static>(
    cases: Vec<C>,
    run: impl Fn(C) + Send + 'static,
) {
    assert!(!cases.is_empty(), "a matrix without a combination");
    let total = cases.len();
    let (at, seen) = mpsc::channel();
    let runner = thread::spawn(move || {
        let mut failed = Vec::new();
        for case in cases {
            let _ = at.send(case);
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| run(case))) {
                failed.push(format!("{case:?}: {}", text(&*payload)));
            }
        }
        failed
    });
    let mut last = None;
    loop {
        match seen.recv_timeout(HANGS) {
            Ok(case) => last = Some(case),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("it hangs: {last:?}"),
        }
    }
    let failed = runner.join().unwrap();
    let named = failed.iter().take(NAMED).cloned().collect::<Vec<_>>();
    assert!(
        failed.is_empty(),
        "{} of {total} combinations fail:\n{}",
        failed.len(),
        named.join("\n")
    );
}

/// A scripted panic. No hook prints it: there are thousands.
pub(crate) fn throw(text: &'static str) -> ! {
    resume_unwind(Box::new(text))
}

/// A runtime whose hook notes what it is given, as `error x` and `panic x`.
pub(crate) fn noting(builder: RuntimeBuilder) -> (Runtime, Seen) {
    noting_as(builder, |failure| {
        let kind = if failure.is_panic { "panic" } else { "error" };
        format!("{kind} {}", text(&*failure.payload))
    })
}

/// What came out of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It never answered.
    #[default]
    None,
    Value,
    /// Sorted.
    Errors(Vec<&'static str>),
    Panic(String),
}

impl Answer {
    pub(crate) fn of(
        caught: Result<Result<(), Errors<&'static str>>, Box<dyn Any + Send>>,
    ) -> Self {
        match caught {
            Ok(Ok(())) => Self::Value,
            Ok(Err(errors)) => {
                let before = errors.entries().filter(|entry| !entry.after_cancel);
                assert!(before.count() <= 1, "more than one error is the cause");
                let mut errors: Vec<_> = errors.iter().copied().collect();
                errors.sort_unstable();
                Self::Errors(errors)
            }
            Err(payload) => Self::Panic(text(&*payload).to_owned()),
        }
    }
}

/// A gate that opens once, for tasks and threads: no waiter spins at it.
pub(crate) struct Gate(Sender<()>, Receiver<()>);

impl Default for Gate {
    fn default() -> Self {
        let (sender, receiver) = async_channel::bounded(1);
        Self(sender, receiver)
    }
}

impl Gate {
    pub(crate) fn open(&self) {
        self.0.close();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.is_closed()
    }

    pub(crate) async fn pass(&self) {
        let _ = self.1.recv().await;
    }

    pub(crate) fn block(&self) {
        let _ = self.1.recv_blocking();
    }
}

/// An enum that knows its values.
macro_rules! dimension {
    ($(#[$doc:meta])* $name:ident { $($value:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($value,)* }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$value,)*];
        }
    };
}
pub(crate) use dimension;
