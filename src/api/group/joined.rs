//! The join of an open group: its body goes on when the children so far have ended.

use crate::api::group::handle::Group;
use crate::poll::{budget, frame};
use crate::tree::joiner::{self, Joiner};
use crate::tree::unresolvable::{Asked, pend_until_dropped, poller_is_cut};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

impl<'s, E: Send + 'static> Group<'s, '_, E> {
    /// Waits until the children so far have ended, and goes on in the open group.
    ///
    /// A body's own lines do not wait for its children: a sum that they add up is complete after
    /// this, or outside the group. See the [guide](crate::guide::after_the_children).
    ///
    /// It is ready at a moment at which the group has no child: those that children started
    /// meanwhile have ended, too, and so has what groups inside it have started. Services and
    /// defers do not count; they come with the end of the group. More children may be spawned
    /// afterwards, and joined again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    ///
    /// let sum = spinney::block_on(spinney::group(async |g| {
    ///     let sum = g.keep(AtomicU32::new(0));
    ///     for number in 1..=10 {
    ///         g.spawn(async move { _ = sum.fetch_add(number, Relaxed) });
    ///     }
    ///     g.joined().await; // without it: any number up to 55
    ///     sum.load(Relaxed)
    /// }));
    /// assert_eq!(sum, 55);
    /// ```
    ///
    /// # Panics
    ///
    /// Awaited by a child of the group, or by one of a group inside it, which it would have to wait
    /// for.
    ///
    /// # Cancellation
    ///
    /// After a failure, or in a cut, it is not ready: the body is being dropped. In a shield it
    /// waits until all children are gone. Dropping the future loses nothing.
    #[doc(alias = "wait")]
    #[doc(alias = "join_all")]
    #[doc(alias = "wait_group")]
    pub fn joined(self) -> Joined<'s> {
        Joined {
            joiner: Joiner::of(self.node()),
            asked: Asked::default(),
        }
    }
}

/// The future of [`Group::joined`].
///
/// # Examples
///
/// ```
/// use spinney::{Group, future::Joined};
///
/// fn all<'s>(g: Group<'s, '_>) -> Joined<'s> {
///     g.joined()
/// }
///
/// spinney::block_on(spinney::group(async |g| {
///     let child = g.spawn(async { Ok(1) });
///     all(g).await;
///     assert!(child.is_finished());
/// }));
/// ```
#[must_use = "it waits when it is awaited"]
pub struct Joined<'s> {
    joiner: Joiner<'s>,
    asked: Asked,
}

impl Future for Joined<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        budget::poll(cx, |cx| {
            let this = &mut *self;
            if this.joiner.poll(cx.waker()).is_pending() {
                joiner::refuse_own_child(this.joiner.node());
                frame::note_child();
                return Poll::Pending;
            }
            // A child that failed has cancelled the group before it left.
            let is_cancelled = this.joiner.node().is_cancelled();
            match is_cancelled && !frame::is_sheltered() && poller_is_cut() {
                true => pend_until_dropped(&mut this.asked, cx),
                false => Poll::Ready(()),
            }
        })
    }
}

impl fmt::Debug for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined")
            .field("group", self.joiner.node())
            .finish()
    }
}
