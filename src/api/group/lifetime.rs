//! The lifetimes of a group: it is open for `'s`, and ends before `'p` does. [`Alive`] is the
//! pointer behind every handle; the unsafe code that those lifetimes stand for is here.
//!
//! # Soundness
//!
//! The closure of a group is checked for every `'s`, so what it returns, spawns and keeps cannot
//! tell `'s` from the time until the group ends; lifetimes are erased, so the one body serves that
//! time. Nothing that mentions `'s` leaves the group, because nothing outside can name it.

#![expect(
    unsafe_code,
    reason = "the lifetime `'s` stands for a node that is alive"
)]

use crate::group::node::{Node, NodeRef, NodeTable, Opening};
use crate::task::closer::Closer;
use crate::task::header;
use crate::tree::owner::{Failed, Owner};
use crate::tree::typed_node::{Spawner, Typed, TypedRef};
use crate::unwind;
use std::marker::PhantomData;
use std::pin::Pin;
use std::process::abort;
use std::ptr::NonNull;
use std::task::{Context, Poll};

struct Table<E>(PhantomData<E>);

impl<E: Send + 'static> Table<E> {
    const TABLE: NodeTable = NodeTable {
        reaper: &crate::tree::reaper::TABLE,
        free: Typed::<E>::free,
        report_errors: Typed::<E>::report,
        start_closer: Typed::<E>::start_closer::<Closer>,
        mark_member: header::mark_member,
        describe_member: header::describe_member,
        keep_member: header::keep_member,
        release_member: header::release_member,
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

/// Cleanup that a group runs when its children have ended.
pub(crate) type Cleanup<'s> = Pin<Box<dyn Future<Output = ()> + Send + 's>>;

/// A group of error type `E` that does not end before `'s` does, and ends before `'p` does: see
/// [`Alive::new`].
pub(crate) struct Alive<'s, 'p: 's, E> {
    node: NonNull<Node>,
    lifetimes: PhantomData<(Invariant<'s>, Invariant<'p>)>,
    error: PhantomData<fn(E) -> E>,
}

impl<E> Clone for Alive<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Alive<'_, '_, E> {}

// SAFETY: the node is `Send` and `Sync`; `'s` keeps it alive; an `E` is only ever moved in, and
// must be `Send` then.
unsafe impl<E> Send for Alive<'_, '_, E> {}
// SAFETY: all that a shared handle allows it allows by value, as it is `Copy`: see `Send`.
unsafe impl<E> Sync for Alive<'_, '_, E> {}

impl<'s, E> Alive<'s, '_, E> {
    /// The node of the group.
    #[inline]
    pub(crate) fn node(self) -> &'s Node {
        // SAFETY: the group does not end before `'s` does, and its owner, or the last child after
        // an early drop, keeps the node until then.
        unsafe { self.node.as_ref() }
    }
}

impl<'s, 'p, E: Send + 'static> Alive<'s, 'p, E> {
    /// Of a group that its owner has opened, for the one call of the closure that is its body.
    ///
    /// # Safety
    ///
    /// 1. The handle is given to code that was checked for every `'s` within `'p`, and to no other;
    ///    and what that code returns is dropped before the group ends.
    /// 2. The owner ends the group, or leaves that to the last child, before `'p` ends.
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

    /// Gives a value to the group, which drops it after the last child.
    pub(crate) fn keep<T: Send + 'p>(self, value: Box<T>) -> &'s mut T {
        // SAFETY: `keep`: the arena is cleared when the group ends, within `'p`, or is forgotten
        // with it, and `T` outlives `'p`.
        let mut place = unsafe { self.node().slow.lock().arena.keep(value) };
        // SAFETY: the arena drops the value when body and children are gone, and so after `'s`;
        // this is the one reference.
        unsafe { place.as_mut() }
    }

    /// Registers cleanup.
    pub(crate) fn defer(self, cleanup: Cleanup<'s>) {
        // SAFETY: only the lifetime changes. The future is run, or dropped, before the group ends,
        // and so within `'s`.
        let cleanup = unsafe { std::mem::transmute::<Cleanup<'s>, Cleanup<'static>>(cleanup) };
        let node = self.node();
        node.slow.lock().ending.defer(&node.word, cleanup);
    }
}

/// Runs a body on this stack, and joins: `wait` blocks until its argument is ready. Answers with
/// the value, unless the body failed, and with what has failed.
pub(crate) fn scoped<'p, E: Send + 'static, T>(
    owner: &mut Owner<E>,
    body: impl for<'s> FnOnce(Alive<'s, 'p, E>) -> Result<T, E>,
    wait: impl FnOnce(&Node, &mut dyn FnMut(&mut Context<'_>) -> Poll<Failed>) -> Failed,
) -> (Option<T>, Failed) {
    // SAFETY: (1): `body` was checked for every `'s`, so what it returns does not mention it. (2):
    // this function does not return before the owner has ended the group, and so within `'p`: it
    // looks, and to unwind would end the process.
    let group = unsafe { Alive::new(&owner.node) };
    unwind::never(|| {
        let value = match owner.poll_body(false, || Poll::Ready(body(group))) {
            Ok(Poll::Ready(Ok(value))) => Some(value),
            Ok(Poll::Ready(Err(error))) => {
                owner.node.fail(error, owner.origin());
                None
            }
            Ok(Poll::Pending) => None,
            Err(payload) => {
                owner.fail_with_panic(payload);
                None
            }
        };
        // Groups that the body polled, and that went elsewhere or were forgotten, are polled here
        // no more.
        owner.node.body.clear();
        let mut has_ended = false;
        let owner = &*owner;
        let failed = wait(&owner.node, &mut |cx| {
            let polled = owner.poll_end(cx.waker());
            has_ended = polled.is_ready();
            polled
        });
        if !has_ended {
            abort();
        }
        (value, failed)
    })
}
