//! The handle of an open group: what its body and its children do with it, but for spawning and for
//! opening inner groups.

use crate::api::group::lifetime::Alive;
use crate::api::here::current::Stopping;
use crate::api::here::local::{self, Carrying};
use crate::group::node::Node;
use crate::report::reason::{CancelKind, Origin};
use crate::tree::typed_node::{Spawner, Typed, TypedGate};
use crate::tree::{attach, cascade};
use std::fmt;
use std::panic::Location;

/// The error of a group that cannot fail.
///
/// # Examples
///
/// ```
/// use spinney::{Group, Never, block_on, group};
///
/// async fn answer(g: Group<'_, '_, Never>) -> u32 {
///     g.spawn(async { Ok(42) }).await
/// }
///
/// assert_eq!(block_on(group(async |g| answer(g).await)), 42);
/// ```
pub type Never = std::convert::Infallible;

/// An open group: where children are spawned and values kept.
///
/// It is `Copy`, one pointer, and can be used by the body and by every child. Children may borrow
/// whatever outlives `'s`: what the group keeps, and what encloses it (`'p`). Nothing that mentions
/// `'s` can leave the group.
///
/// # Examples
///
/// ```
/// use spinney::{Group, block_on, group};
///
/// async fn sum(g: Group<'_, '_>, numbers: Vec<u32>) -> u32 {
///     let numbers = g.keep(numbers);
///     let (left, right) = numbers.split_at(numbers.len() / 2);
///     let left = g.spawn(async { Ok(left.iter().sum::<u32>()) });
///     let right = g.spawn(async { Ok(right.iter().sum::<u32>()) });
///     left.await + right.await
/// }
///
/// assert_eq!(block_on(group(async |g| sum(g, vec![1, 2, 3]).await)), 6);
/// ```
pub struct Group<'s, 'p: 's, E = Never>(Alive<'s, 'p, E>);

impl<E> Clone for Group<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Group<'_, '_, E> {}

impl<E> fmt::Debug for Group<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node_as_it_is().fmt(f)
    }
}

impl<'s, E> Group<'s, '_, E> {
    /// The node of the group, which is attached from now on: see `tree::attach`.
    #[inline]
    pub(crate) fn node(self) -> &'s Node {
        attach::attach(self.0.node());
        self.0.node()
    }

    /// The node of the group, for what a cascade has nothing to do with.
    #[inline]
    pub(crate) fn node_as_it_is(self) -> &'s Node {
        self.0.node()
    }
}

impl<'s, 'p, E: Send + 'static> Group<'s, 'p, E> {
    /// The handle of a group that is open.
    pub(crate) fn new(alive: Alive<'s, 'p, E>) -> Self {
        Self(alive)
    }

    #[inline]
    pub(crate) fn typed(self) -> &'s Typed<E> {
        attach::attach(self.0.node());
        self.0.typed()
    }

    /// The right to spawn into this group.
    #[inline]
    pub(crate) fn spawner(self) -> Spawner<'s, 's, E> {
        self.0.spawner()
    }

    /// Gives a value to the group, which drops it after the last child, newest first. Children
    /// borrow it.
    ///
    /// # Examples
    ///
    /// ```
    /// let length = spinney::block_on(spinney::group(async |g| {
    ///     let text = g.keep(String::from("borrowed by a child"));
    ///     g.spawn(async { Ok(text.len()) }).await
    /// }));
    /// assert_eq!(length, 19);
    /// ```
    ///
    /// # Panics
    ///
    /// Never. What the destructor of the value throws is a panic of the group.
    pub fn keep<T: Send + 'p>(self, value: T) -> &'s T {
        self.keep_mut(value)
    }

    /// As [`keep`](Group::keep), for one borrower that may change the value.
    ///
    /// # Examples
    ///
    /// ```
    /// let sum = spinney::block_on(spinney::group(async |g| {
    ///     let numbers = g.keep_mut([1, 2, 3]);
    ///     let numbers = g.spawn(async {
    ///         numbers[0] = 10;
    ///         Ok(numbers)
    ///     });
    ///     numbers.await.iter().sum::<u32>()
    /// }));
    /// assert_eq!(sum, 15);
    /// ```
    pub fn keep_mut<T: Send + 'p>(self, value: T) -> &'s mut T {
        self.0.keep(Box::new(value))
    }

    /// Asks the group, and all groups inside it, to stop: a flag for loops, and nothing else.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let child = g.spawn(async move {
    ///         while !g.is_stopping() {
    ///             spinney::yield_now().await;
    ///         }
    ///     });
    ///     g.stop();
    ///     child.await;
    /// }));
    /// ```
    pub fn stop(self) {
        cascade::stop(self.node());
    }

    /// Whether the group was asked to stop, or is being cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     assert!(!g.is_stopping());
    ///     g.stop();
    ///     assert!(g.is_stopping());
    /// }));
    /// ```
    #[must_use]
    pub fn is_stopping(self) -> bool {
        self.node().is_stopping()
    }

    /// Waits until the group is asked to stop, or is being cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let child = g.spawn(async move { Ok(g.stopping().await) });
    ///     g.stop();
    ///     child.await;
    /// }));
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub fn stopping(self) -> impl Future<Output = ()> + Send {
        Stopping::of(self.node())
    }

    /// Ends the group with this error: children and body are cut and joined.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, block_on, try_group};
    /// use std::future::pending;
    ///
    /// let result = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    ///     g.spawn(pending::<()>());
    ///     g.cancel("enough");
    ///     Ok(())
    /// }));
    /// assert_eq!(result.unwrap_err().into_first(), "enough");
    /// ```
    ///
    /// # Blocking
    ///
    /// Never blocks: the group is joined by its owner.
    #[track_caller]
    pub fn cancel(self, error: E) {
        let origin = Origin::call(Location::caller());
        self.typed().cancel(CancelKind::Cancelled, error, origin);
    }

    /// Registers async cleanup: it runs after the last child, newest first, in every ending, and
    /// cannot be cut.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    ///
    /// let clean = Arc::new(AtomicBool::new(false));
    /// let seen = Arc::clone(&clean);
    /// spinney::block_on(spinney::group(async |g| {
    ///     g.defer(async move { seen.store(true, Relaxed) });
    ///     assert!(!clean.load(Relaxed)); // it runs when the children have ended
    /// }));
    /// assert!(clean.load(Relaxed));
    /// ```
    ///
    /// # Panics
    ///
    /// Never. A panic of the cleanup is the group's, and the other ones run all the same.
    pub fn defer<F>(self, cleanup: F)
    where
        F: Future<Output = ()> + Send + 's,
    {
        let locals = local::around();
        self.0.defer(match locals.is_none() {
            true => Box::pin(cleanup),
            false => Box::pin(Carrying::new(cleanup, locals)),
        });
    }

    /// The gate of the group, for handles that may outlive it.
    pub(crate) fn gate(self) -> TypedGate<E> {
        TypedGate::of(self.typed())
    }
}
