//! `join`: two closures that may run at the same time.

use crate::poll::frame;
use crate::pool::thread_ctx::{self, ThreadCtx};
use crate::pool::{global, join};
use crate::report::reason::Origin;
use crate::tree::awaited::Awaited;
use crate::unwind::{self, Payload};
use std::panic::{Location, resume_unwind};

/// Runs two closures, perhaps at the same time on two threads, and returns both values.
///
/// `a` runs on this thread. `b` runs on a worker that is idle, if there is one, else on this thread
/// afterwards; nothing may count on their running at once. Both borrow the caller's stack. `b` runs
/// in the context of the caller: its group, task, task-locals and deadline. It works on any thread,
/// allocates nothing as a rule, and costs little more than two calls, so recursion needs no
/// threshold.
///
/// # Examples
///
/// ```
/// fn sum(numbers: &[u64]) -> u64 {
///     match numbers {
///         [] => 0,
///         [one] => *one,
///         _ => {
///             let (left, right) = numbers.split_at(numbers.len() / 2);
///             let (left, right) = spinney::join(|| sum(left), || sum(right));
///             left + right
///         }
///     }
/// }
///
/// assert_eq!(sum(&(1..=1000).collect::<Vec<_>>()), 500_500);
/// ```
///
/// # Panics
///
/// If a closure panics, both are run to their end all the same, and then the panic comes out: that
/// of `a` first. The other one goes to the runtime's hook.
///
/// # Cancellation
///
/// A cut of the task or group around does not stop a closure; it unwinds one that waits
/// (`future.wait()`), and that comes out here, unless the other one panicked.
///
/// # Blocking
///
/// While another thread runs `b`, this one helps with what `b` forks, and then sleeps; a worker is
/// replaced meanwhile. Where no thread can be had for that, it runs other tasks until then.
#[inline]
#[track_caller]
pub fn join<A: Send, B: Send>(
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    let location = Location::caller();
    thread_ctx::of_free_functions(|ctx| match ctx {
        Some(ctx) if ctx.offers_enough() => {
            let first = unwind::catch(a);
            values(first, unwind::catch(b), location)
        }
        Some(ctx) => {
            let (first, second) = join::both(ctx, a, b);
            values(first, second, location)
        }
        None => {
            let (first, second) = from_outside(|ctx| join::both(ctx, a, b));
            values(first, second, location)
        }
    })
}

#[inline]
fn values<A, B>(
    a: Result<A, Payload>,
    b: Result<B, Payload>,
    location: &'static Location<'static>,
) -> (A, B) {
    match (a, b) {
        (Ok(a), Ok(b)) => (a, b),
        (a, b) => fail(a, b, location),
    }
}

/// Makes a context in the runtime of this thread first. `both` does not unwind.
#[cold]
fn from_outside<R>(both: impl FnOnce(&ThreadCtx<'_>) -> R) -> R {
    global::with_runtime(|runtime| {
        let ctx = ThreadCtx::blocked(runtime, Awaited::Nothing);
        ctx.occupy(|| {
            runtime.guest_came();
            let results = both(&ctx);
            runtime.guest_leaves();
            results
        })
    })
}

/// One panic comes out: the first, unless it is only that of a cut. Everything else goes to the
/// hook.
#[cold]
fn fail<A, B>(
    a: Result<A, Payload>,
    b: Result<B, Payload>,
    location: &'static Location<'static>,
) -> ! {
    let mut payloads = Vec::new();
    let mut dropped = Vec::new();
    match a {
        Ok(value) => dropped.extend(unwind::drop_quietly(value).err()),
        Err(payload) => payloads.push(payload),
    }
    match b {
        Ok(value) => dropped.extend(unwind::drop_quietly(value).err()),
        Err(payload) => payloads.push(payload),
    }
    payloads.sort_by_key(|payload| unwind::is_cut(&**payload));
    let first = payloads.remove(0);
    for payload in payloads.into_iter().chain(dropped) {
        if !unwind::is_cut(&*payload) {
            report(payload, location);
        }
    }
    resume_unwind(first)
}

/// Hands a panic that cannot come out to the hook.
fn report(payload: Payload, location: &'static Location<'static>) {
    frame::current(|frame| {
        let task = frame.and_then(|frame| frame.task_view());
        let origin = Origin {
            task: task.map(|task| task.id),
            name: task.and_then(|task| task.name.cloned()),
            location,
        };
        match frame {
            Some(frame) => frame.group().report_panic(payload, origin),
            None => global::runtime().report(origin.lost_panic(payload, String::new())),
        }
    });
}
