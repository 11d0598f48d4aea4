//! A future that is given up when its group is asked to stop.

use crate::api::group::handle::Group;
use crate::api::here::current::Stopping;
use crate::poll::budget;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

impl<E: Send + 'static> Group<'_, '_, E> {
    /// Waits for `future`, and gives it up when the group is asked to stop or is being cancelled:
    /// `None` then.
    ///
    /// In a group that is stopping already the future is not polled, so a loop over what is always
    /// ready ends. Later a value that is ready wins. It is for the loops of services: accept,
    /// receive, tick.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let (sender, orders) = async_channel::bounded(1);
    ///     let served = g.spawn(async move {
    ///         let mut served = 0;
    ///         while let Some(Ok(order)) = g.unless_stopping(orders.recv()).await {
    ///             served += order;
    ///         }
    ///         Ok(served)
    ///     });
    ///     sender.send(1).await.unwrap();
    ///     sender.send(2).await.unwrap(); // the first one was taken
    ///     while !sender.is_empty() {
    ///         spinney::yield_now().await;
    ///     }
    ///     g.stop(); // the channel stays open
    ///     assert_eq!(served.await, 3);
    /// }));
    /// ```
    ///
    /// # Cancellation
    ///
    /// A stop drops the future, as a cut would, before this resolves: it has to be one that loses
    /// nothing by that.
    pub fn unless_stopping<F: Future>(self, future: F) -> UnlessStopping<F> {
        UnlessStopping {
            future: Some(future),
            stopping: Stopping::of(self.node()),
            begun: false,
        }
    }
}

pin_project! {
    /// The future of [`Group::unless_stopping`].
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, future::UnlessStopping};
    /// use std::future::{Ready, ready};
    ///
    /// fn soon(g: Group<'_, '_>) -> UnlessStopping<Ready<u8>> {
    ///     g.unless_stopping(ready(1))
    /// }
    ///
    /// spinney::block_on(spinney::group(async |g| {
    ///     assert_eq!(soon(g).await, Some(1));
    ///     g.stop();
    ///     assert_eq!(soon(g).await, None);
    /// }));
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct UnlessStopping<F> {
        // `None` once it was given up.
        #[pin]
        future: Option<F>,
        stopping: Stopping,
        begun: bool,
    }
}

impl<F: Future> Future for UnlessStopping<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("polled after it was ready");
        if !*this.begun {
            ready!(budget::spend(cx));
        }
        let is_refused = !*this.begun && this.stopping.is_over();
        *this.begun = true;
        if !is_refused {
            if let Poll::Ready(value) = future.poll(cx) {
                return Poll::Ready(Some(value));
            }
            // Without a unit: a future that has taken the last one is not to outlive the stop.
            ready!(this.stopping.poll_over(cx));
        }
        this.future.set(None);
        Poll::Ready(None)
    }
}

impl<F> fmt::Debug for UnlessStopping<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnlessStopping")
            .field("stopping", &self.stopping.is_over())
            .finish_non_exhaustive()
    }
}
