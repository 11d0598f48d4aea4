//! A child that hands its end to a completion: sets, places, starters and restarts are built on it.

use crate::api::child::outcome::Outcome;
use crate::api::here::current;
use crate::poll::frame;
use crate::pool::global;
use crate::unwind::{self, Payload};
use pin_project_lite::pin_project;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// What gets the end of a child. Dropped without it: the child was cut, or never polled.
pub(crate) trait Completion<O> {
    /// What the child returns in place of its own output.
    type Output;

    /// The child's future has been dropped; this is what it returned, or the payload of its panic.
    fn complete(self, end: Result<O, Payload>) -> Self::Output;
}

pin_project! {
    /// A future with its completion, dropped in this order.
    pub(crate) struct Completing<F, C, E> {
        #[pin]
        future: Option<F>,
        completion: Option<C>,
        error: PhantomData<fn() -> E>,
    }
}

impl<F, C, E> Completing<F, C, E> {
    pub(crate) fn new(future: F, completion: C) -> Self {
        Self {
            future: Some(future),
            completion: Some(completion),
            error: PhantomData,
        }
    }
}

impl<F, C, E> Future for Completing<F, C, E>
where
    F: Future<Output: Outcome<E>>,
    C: Completion<F::Output>,
    E: Send + 'static,
{
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("polled after it was ready");
        let polled = match unwind::catch(|| future.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        let dropped = unwind::catch(|| frame::drop_shielded(|| this.future.set(None)));
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
        let completion = this.completion.take().expect("completed once");
        Poll::Ready(completion.complete(end))
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

/// Hands a panic of the task that runs here, which has no receiver, to the runtime's hook.
fn unobserved(payload: Payload) {
    match current::origin() {
        Some(origin) if !unwind::is_cut(&*payload) => {
            global::runtime().report(origin.lost_panic(payload, current::path()));
        }
        _ => unwind::discard(payload),
    }
}

/// Calls a waker out of the poll of a task. A foreign waker may poll in place: that is no part of
/// the task.
pub(crate) fn wake(waker: Waker) {
    frame::outside(|| crate::waiters::wake(waker));
}
