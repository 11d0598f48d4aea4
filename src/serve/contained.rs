//! A future whose panic ends nothing around it, and the hook that is told instead.

use crate::api::here::current;
use crate::pool::global;
use crate::report::failure::Unobserved;
use crate::report::reason::Origin;
use crate::unwind::{self, Payload};
use pin_project_lite::pin_project;
use std::panic::{Location, resume_unwind};
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

/// Tells the hook of the runtime what panicked, or failed: a client gets a status at most.
#[track_caller]
pub(super) fn report(name: String, payload: Payload, is_panic: bool) {
    let origin = Origin {
        task: current::task_id(),
        name: Some(name.into()),
        location: Location::caller(),
    };
    let group = current::group_path().map_or_else(String::new, |path| path.to_string());
    global::runtime().report(Unobserved {
        is_panic,
        ..origin.lost_panic(payload, group)
    });
}
