//! Giving way once.

use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets other tasks run: the caller goes to the end of its worker's queue of woken tasks.
///
/// # Examples
///
/// ```
/// spinney::block_on(async {
///     for _ in 0..3 {
///         // .. a part of a long computation, and then:
///         spinney::yield_now().await;
///     }
/// });
/// ```
///
/// # Cancellation
///
/// A cut of the task may land here.
pub async fn yield_now() {
    YieldNow(false).await;
}

struct YieldNow(bool);

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
