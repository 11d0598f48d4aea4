//! A child that tells somebody how it ended: sets, places, starters and restarts are built on it.

#![expect(unsafe_code, reason = "structural pinning of the watched future")]

use crate::unwind::{self, Payload};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Who is told. Dropped without being told: the child was cut, or never polled.
pub(crate) trait Report<O> {
    /// What the child returns in place of its own output.
    type Output;

    /// The child's future has been dropped; this is what it returned, or the payload of its panic.
    fn ended(self, end: Result<O, Payload>) -> Self::Output;
}

/// A future with its report, dropped in this order.
pub(crate) struct Watch<F, R> {
    /// Pinned.
    future: Option<F>,
    report: Option<R>,
}

impl<F, R> Watch<F, R> {
    pub(crate) fn new(future: F, report: R) -> Self {
        Self {
            future: Some(future),
            report: Some(report),
        }
    }
}

impl<F: Future, R: Report<F::Output>> Future for Watch<F, R> {
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
        let dropped = unwind::catch(|| this.future = None);
        let end = match (polled, dropped) {
            (Ok(output), Err(payload)) => {
                if let Err(second) = unwind::drop_quietly(output) {
                    unwind::discard(second);
                }
                Err(payload)
            }
            (Err(first), Err(second)) => {
                unwind::discard(second);
                Err(first)
            }
            (end, Ok(())) => end,
        };
        let report = this.report.take().expect("told once");
        Poll::Ready(report.ended(end))
    }
}
