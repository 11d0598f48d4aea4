//! A future whose panic ends nothing around it.

use crate::unwind::{self, Payload};
use pin_project_lite::pin_project;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The future of [`contained`].
    pub(super) struct Contained<F> {
        #[pin]
        future: F,
    }
}

/// Awaits `future`, or the payload of its panic. What unwinds a task that is being cut goes on.
pub(super) fn contained<F: Future>(future: F) -> Contained<F> {
    Contained { future }
}

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, Payload>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        match unwind::catch(|| future.poll(cx)) {
            Ok(polled) => polled.map(Ok),
            Err(payload) if unwind::is_cut(&*payload) => resume_unwind(payload),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    }
}
