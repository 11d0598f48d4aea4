//! Futures and streams of other libraries that give way like ours.

use crate::poll::budget;
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Makes a future or a stream of another library give way as those of this one do.
///
/// What is ready each time that it is polled, such as a channel that is never empty, keeps a loop
/// over it from ever suspending: the loop is not cut, and its worker is lost to other tasks. The
/// futures of this crate share a budget of 128 operations in each poll of a task; after that they
/// are pending once. What this returns takes part in that. Without any budget left it does not poll
/// what is inside, so nothing gets lost.
///
/// # Examples
///
/// ```
/// use spinney::{GroupBuilder, block_on, cooperative, sleep};
/// use std::{future::ready, time::Duration};
///
/// let group = GroupBuilder::new().run(async |g| {
///     g.spawn(async {
///         loop {
///             cooperative(ready(1)).await; // always ready, and cut all the same
///         }
///     });
///     sleep(Duration::from_millis(1)).await;
///     Err::<(), _>("enough")
/// });
/// assert_eq!(block_on(group).unwrap_err().into_first(), "enough");
/// ```
///
/// # Cancellation
///
/// That of what is inside; and a cut of the task may land here also if that is ready.
pub fn cooperative<X>(inner: X) -> Cooperative<X> {
    Cooperative { inner }
}

pin_project! {
    /// The future, or the stream, of [`cooperative`].
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::{StreamExt, stream::{Iter, iter}};
    /// use spinney::{block_on, cooperative, future::Cooperative};
    ///
    /// fn numbers() -> Cooperative<Iter<std::ops::Range<u32>>> {
    ///     cooperative(iter(0..1000)) // gives way now and then
    /// }
    ///
    /// assert_eq!(block_on(numbers().count()), 1000);
    /// ```
    #[must_use = "futures and streams do nothing unless polled"]
    pub struct Cooperative<X> {
        #[pin]
        inner: X,
    }
}

impl<F: Future> Future for Cooperative<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        budget::poll(cx, |cx| self.project().inner.poll(cx))
    }
}

impl<S: Stream> Stream for Cooperative<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        budget::poll(cx, |cx| self.project().inner.poll_next(cx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<X> fmt::Debug for Cooperative<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cooperative").finish_non_exhaustive()
    }
}
