//! A child that tells somebody how it ended: sets, places, starters and restarts are built on it.

#![expect(unsafe_code, reason = "structural pinning of the watched future")]

use crate::group::frame;
use crate::pool::global;
use crate::surface::current;
use crate::surface::outcome::Outcome;
use crate::unwind::{self, Payload};

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Who is told. Dropped without being told: the child was cut, or never polled.
pub(crate) trait Report<O> {
    /// What the child returns in place of its own output.
    type Output;

    /// The child's future has been dropped; this is what it returned, or the payload of its panic.
    fn ended(self, end: Result<O, Payload>) -> Self::Output;
}

/// A future with its report, dropped in this order.
pub(crate) struct Watch<F, R, E> {
    /// Pinned.
    future: Option<F>,
    report: Option<R>,
    error: PhantomData<fn() -> E>,
}

impl<F, R, E> Watch<F, R, E> {
    pub(crate) fn new(future: F, report: R) -> Self {
        Self {
            future: Some(future),
            report: Some(report),
            error: PhantomData,
        }
    }
}

impl<F, R, E> Future for Watch<F, R, E>
where
    F: Future<Output: Outcome<E>>,
    R: Report<F::Output>,
    E: Send + 'static,
{
    type Output = R::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Output> {
        // SAFETY: `future` is polled and dropped in place, and nothing else is pinned.
        let this = unsafe { self.get_unchecked_mut() };
        let future = this.future.as_mut().expect("polled after it was ready");
        // SAFETY: as above.
        let future = unsafe { Pin::new_unchecked(future) };
        let polled = match unwind::catch(|| future.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        let dropped = unwind::catch(|| frame::drop_shielded(|| this.future = None));
        let end = match (polled, dropped) {
            (end, Ok(())) => end,
            (Ok(output), Err(payload)) => {
                outranked(output);
                Err(payload)
            }
            (Err(first), Err(second)) => {
                unobserved(second);
                Err(first)
            }
        };
        let report = this.report.take().expect("told once");
        Poll::Ready(report.ended(end))
    }
}

/// The future panicked in its destructor after it had returned this: an error goes to the hook.
fn outranked<E: Send + 'static>(output: impl Outcome<E>) {
    let second = unwind::catch(|| match output.into_result() {
        Ok(value) => drop(value),
        Err(error) => match current::origin() {
            Some(origin) => global::runtime().report(origin.lost_error(error, current::path())),
            None => drop(error),
        },
    });
    if let Err(payload) = second {
        unobserved(payload);
    }
}

/// Hands a panic of the task that runs here, which nobody can be given, to the runtime's hook.
fn unobserved(payload: Payload) {
    match current::origin() {
        Some(origin) if !unwind::is_cut(&*payload) => {
            global::runtime().report(origin.lost_panic(payload, current::path()));
        }
        _ => unwind::discard(payload),
    }
}

/// Wakes somebody out of the poll of a task. A foreign waker may poll in place: that is no part of the task.
pub(crate) fn wake(waker: Waker) {
    frame::outside(|| crate::waiters::wake(waker));
}
