//! Polls by hand, and waits that poll.

use spinney::cooperative;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// Polls once, with the waker of the caller.
pub(crate) async fn once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Polls once, outside everything.
pub(crate) fn poll_alone<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets the next polls of this thread, outside everything, find a whole budget: that is so after a
/// poll that gave way.
pub(crate) fn with_a_whole_budget() {
    while poll_alone(pin!(cooperative(ready(())))).is_ready() {}
}

/// Is ready when the cell has a value: polled again and again.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        spinney::yield_now().await;
    }
}

/// Waits on a thread: others need a moment to get there.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Count(pub(crate) AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}
