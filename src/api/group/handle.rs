//! The handle of an open group: what its body and its children do with it, but for spawning and for
//! opening inner groups.

#![expect(
    unsafe_code,
    reason = "the lifetime `'s` stands for a node that is alive"
)]

use crate::api::here::current::Stopping;
use crate::api::here::local::{self, Carrying};
use crate::group::node::{Node, NodeRef, NodeTable, Opening};
use crate::report::reason::{CancelKind, Origin};
use crate::task::closer::Closer;
use crate::task::header;
use crate::tree::cascade;
use crate::tree::typed_node::{Spawner, Typed, TypedGate, TypedRef};
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;

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

struct Table<E>(PhantomData<E>);

impl<E: Send + 'static> Table<E> {
    const TABLE: NodeTable = NodeTable {
        reaper: &crate::tree::reaper::TABLE,
        free: Typed::<E>::free,
        report_errors: Typed::<E>::report,
        start_closer: Typed::<E>::start_closer::<Closer>,
        mark_member: header::mark_member,
        describe_member: header::describe_member,
    };
}

/// Makes the node of a group whose members are tasks, attached to its parent.
pub(crate) fn open<E: Send + 'static>(parent: NodeRef, opening: Opening) -> TypedRef<E> {
    // SAFETY: (1): the table frees and reports as `Typed<E>` does. (2): members of such a node are
    // tasks: they come by `spawn::spawn_into` and by the closer.
    unsafe { Typed::open(&Table::<E>::TABLE, parent, opening) }
}

/// Can be neither shortened nor lengthened.
pub(crate) type Invariant<'a> = fn(&'a ()) -> &'a ();

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
// Invariant: the node is of error type `E`, and the group does not end before `'s` does: see
// `Group::new`.
pub struct Group<'s, 'p: 's, E = Never> {
    node: NonNull<Node>,
    lifetimes: PhantomData<(Invariant<'s>, Invariant<'p>)>,
    error: PhantomData<fn(E) -> E>,
}

impl<E> Clone for Group<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Group<'_, '_, E> {}

// SAFETY: the node is `Send` and `Sync`; `'s` keeps it alive; an `E` is only ever moved in, and
// must be `Send` then.
unsafe impl<E> Send for Group<'_, '_, E> {}
// SAFETY: all that a shared handle allows it allows by value, as it is `Copy`: see `Send`.
unsafe impl<E> Sync for Group<'_, '_, E> {}

impl<E> fmt::Debug for Group<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node().fmt(f)
    }
}

impl<'s, E> Group<'s, '_, E> {
    /// The node of the group.
    #[inline]
    pub(crate) fn node(self) -> &'s Node {
        // SAFETY: the group does not end before `'s` does, and its owner, or the last child after
        // an early drop, keeps the node until then.
        unsafe { self.node.as_ref() }
    }
}

impl<'s, 'p, E: Send + 'static> Group<'s, 'p, E> {
    /// The handle of a group that its owner has opened, for the one call of the closure that is its
    /// body.
    ///
    /// # Safety
    ///
    /// The handle is given to code that was checked for every `'s` within `'p`, and to no other.
    /// The owner ends the group, or leaves that to the last child, before `'p` ends.
    pub(crate) unsafe fn new(node: &TypedRef<E>) -> Self {
        Self {
            node: node.as_ptr(),
            lifetimes: PhantomData,
            error: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn typed(self) -> &'s Typed<E> {
        // SAFETY: (1): made from a `TypedRef<E>`. (2): the group does not end before `'s` does.
        unsafe { Typed::of(self.node) }
    }

    /// The right to spawn into this group.
    #[inline]
    pub(crate) fn spawner(self) -> Spawner<'s, 's, E> {
        // SAFETY: children and services of a group end before it does, and it does not end before
        // `'s`: code that was checked for every `'s` cannot tell `'s` from the time until then.
        unsafe { Spawner::new(self.typed()) }
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
        let value = Box::new(value);
        // SAFETY: `keep`: the arena is cleared when the group ends, within `'p`, or is forgotten
        // with it, and `T` outlives `'p`.
        let mut place = unsafe { self.node().slow.lock().arena.keep(value) };
        // SAFETY: the arena drops the value when body and children are gone, and so after `'s`;
        // this is the one reference.
        unsafe { place.as_mut() }
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
        self.typed().end(CancelKind::Cancelled, error, origin);
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
        let boxed: Pin<Box<dyn Future<Output = ()> + Send + 's>> = match locals.is_none() {
            true => Box::pin(cleanup),
            false => Box::pin(Carrying::new(cleanup, locals)),
        };
        // SAFETY: only the lifetime changes. The future is run, or dropped, before the group ends,
        // and so within `'s`.
        let boxed = unsafe {
            std::mem::transmute::<
                Pin<Box<dyn Future<Output = ()> + Send + 's>>,
                Pin<Box<dyn Future<Output = ()> + Send + 'static>>,
            >(boxed)
        };
        let node = self.node();
        node.slow.lock().ending.defer(&node.word, boxed);
    }

    /// The gate of the group, for handles that may outlive it.
    pub(crate) fn gate(self) -> TypedGate<E> {
        TypedGate::of(self.typed())
    }
}
