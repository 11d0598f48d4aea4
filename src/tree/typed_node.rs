//! The node with its error type, which only the group's future and its own children know.
//!
//! [`TypedRef`] is a counted reference that proves the error type, [`TypedGate`] a gate that does,
//! and [`Counted`] a count that was taken there. [`Spawner`] is the right to spawn: it proves for
//! how long children are good.

#![expect(unsafe_code, reason = "the node is the first field of its typed whole")]

use crate::group::node::Gate;
use crate::group::node::Spawn;
use crate::group::node::{Node, NodeRef, NodeTable, Opening};
use crate::report::errors::Errors;
use crate::report::reason::CancelKind;
use crate::report::reason::Origin;
use crate::tree::attach;
use crate::tree::cascade;
use crate::tree::leave;
use crate::tree::leave::end_services_node;
use crate::tree::service_node;

use crate::sync::{Arc, Mutex};
use crate::unwind;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::ptr::NonNull;
use std::time::Instant;

/// A node and the errors that it collects.
#[repr(C)]
pub(crate) struct Typed<E> {
    node: Node,
    errors: Mutex<Errors<E>>,
}

impl<E> Deref for Typed<E> {
    type Target = Node;

    #[inline]
    fn deref(&self) -> &Node {
        &self.node
    }
}

impl<E: Send + 'static> Typed<E> {
    /// Makes a node under a parent, attached.
    ///
    /// # Safety
    ///
    /// 1. `table` frees and reports as [`Typed::free`] and [`Typed::report`] of this type do.
    /// 2. Its other functions are made for the members that this node will have.
    pub(crate) unsafe fn open(
        table: &'static NodeTable,
        parent: NodeRef,
        opening: Opening,
    ) -> TypedRef<E> {
        let spawn = parent.spawn_ptr();
        let typed = Box::new(Self {
            node: Node::new(
                table,
                spawn,
                Opening {
                    parent: Some(parent),
                    ..opening
                },
            ),
            errors: Mutex::new(Errors::none()),
        });
        let raw: NonNull<Node> = NonNull::from(Box::leak(typed)).cast();
        // SAFETY: the new node is not shared yet, so this is the only access. Written through the
        // pointer that is kept, which a use of the box would end.
        unsafe { (*raw.as_ptr()).whole = raw };
        // SAFETY: a new node has one reference, made with it, and this takes it over.
        let node = unsafe { NodeRef::from_raw(raw) };
        attach::attach(&node);
        TypedRef {
            node,
            error: PhantomData,
        }
    }

    /// The typed whole of a node.
    ///
    /// # Safety
    ///
    /// 1. The node was made by `Typed::<E>::open` with this `E`, and the pointer is for its whole.
    /// 2. It is alive for `'a`.
    pub(crate) unsafe fn of<'a>(node: NonNull<Node>) -> &'a Self {
        // SAFETY: (1): the node is the first field of a `Typed<E>` (`#[repr(C)]`); (2).
        unsafe { node.cast::<Self>().as_ref() }
    }

    /// Records an error without cancelling.
    pub(crate) fn record(&self, error: E, origin: Origin) {
        let after_cancel = self.node.is_cancelled();
        self.node.slow.lock().ending.fail();
        let omitted = self.errors.lock().record(error, origin, after_cancel);
        if let Err((error, origin)) = omitted {
            self.node.report_error(error, origin);
        }
    }

    /// Records an error and cancels the group: fail-fast. An error of a service is that of the
    /// group that it serves.
    pub(crate) fn fail(&self, error: E, origin: Origin) {
        let kind = origin.failed();
        self.end(kind, error, origin);
    }

    /// As [`Typed::fail`], for a reason of its own.
    pub(crate) fn end(&self, kind: CancelKind, error: E, origin: Origin) {
        // SAFETY: (1): a group has the error type of its services, see `services`. (2): it is this
        // node, which is borrowed, or the group of a service that calls this, and a group ends
        // after its services.
        let receiver: &Self = unsafe { Self::of(self.node.receiver().whole) };
        receiver.node.note_reason(kind, origin.clone());
        receiver.record(error, origin);
        cascade::cancel(&receiver.node, 0);
    }

    /// Takes the errors that were recorded.
    pub(crate) fn take(&self) -> Errors<E> {
        std::mem::replace(&mut *self.errors.lock(), Errors::none())
    }

    /// The node of the group's services, made with the first of them.
    fn services(&self, location: &'static Location<'static>) -> TypedRef<E> {
        let known = || {
            let node = self.node.slow.lock().ending.services().cloned()?;
            // Only this function registers such a node, and it opens it with this error type.
            Some(TypedRef {
                node,
                error: PhantomData,
            })
        };
        if let Some(services) = known() {
            return services;
        }
        let opening = Opening {
            parent: None,
            name: Some(Cow::Borrowed("services")),
            location,
            shielded: true,
        };
        // SAFETY: (1), (2): the table is the one of this node, which has this type, and the
        // services are members of the same kind.
        let services = unsafe { Self::open(self.node.table, self.node.to_ref(), opening) };
        let new = service_node::begin(services.node.clone());
        let slower = {
            let mut slow = self.node.slow.lock();
            slow.ending.set_services(&self.node.word, new)
        };
        match slower {
            None => services,
            Some(slower) => {
                end_services_node(slower);
                known().unwrap_or(services)
            }
        }
    }

    /// Frees the whole: `NodeTable::free`.
    ///
    /// # Safety
    ///
    /// As [`Typed::of`], and there is no other reference to the node.
    pub(crate) unsafe fn free(node: NonNull<Node>) {
        // SAFETY: `of` (1): made by `open` as a box of this type. The last reference is gone, so
        // the box is taken back once.
        drop(unsafe { Box::from_raw(node.cast::<Self>().as_ptr()) });
    }

    /// Hands every recorded error to the hook: `NodeTable::report_errors`.
    ///
    /// # Safety
    ///
    /// As [`Typed::of`].
    pub(crate) unsafe fn report(node: NonNull<Node>) {
        // SAFETY: (1), (2): the same two are promised to this function.
        let typed = unsafe { Self::of(node) };
        for (error, origin) in typed.take().into_parts() {
            typed.node.report_error(error, origin);
        }
    }
}

/// A counted reference to a node whose error type is `E`: made where the node is.
pub(crate) struct TypedRef<E> {
    node: NodeRef,
    error: PhantomData<fn(E) -> E>,
}

impl<E> TypedRef<E> {
    /// The node, for as long as this reference or another one is there.
    #[inline]
    pub(crate) fn as_ptr(&self) -> NonNull<Node> {
        self.node.as_ptr()
    }

    /// The reference without the error type.
    #[inline]
    pub(crate) fn into_untyped(self) -> NodeRef {
        self.node
    }
}

impl<E: Send + 'static> Deref for TypedRef<E> {
    type Target = Typed<E>;

    #[inline]
    fn deref(&self) -> &Typed<E> {
        // SAFETY: (1): such a reference is made for nodes of this type alone. (2): it keeps the
        // node for as long as it is borrowed.
        unsafe { Typed::of(self.node.as_ptr()) }
    }
}

impl<E> Clone for TypedRef<E> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            error: PhantomData,
        }
    }
}

impl<E> fmt::Debug for TypedRef<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

/// The right to spawn into a group: its children, and those of its services, end before `'s` does.
pub(crate) struct Spawner<'a, 's, E> {
    group: &'a Typed<E>,
    children: PhantomData<fn(&'s ()) -> &'s ()>,
}

impl<E> Clone for Spawner<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Spawner<'_, '_, E> {}

impl<'a, E> Spawner<'a, 'static, E> {
    /// For children that borrow nothing.
    #[inline]
    pub(crate) fn of_static(group: &'a Typed<E>) -> Self {
        Self {
            group,
            children: PhantomData,
        }
    }
}

impl<'a, E> Spawner<'a, '_, E> {
    /// For children that borrow for `'s`.
    ///
    /// # Safety
    ///
    /// The children of the group, and those of its services, end before `'s` does.
    #[inline]
    pub(crate) unsafe fn new(group: &'a Typed<E>) -> Self {
        Self {
            group,
            children: PhantomData,
        }
    }
}

impl<'a, E> Spawner<'a, '_, E> {
    #[inline]
    pub(crate) fn group(self) -> &'a Typed<E> {
        self.group
    }
}

impl<'s, E: Send + 'static> Spawner<'_, 's, E> {
    /// Calls `f` with the right to spawn services of the group.
    pub(crate) fn with_services<R>(
        self,
        location: &'static Location<'static>,
        f: impl FnOnce(Spawner<'_, 's, E>) -> R,
    ) -> R {
        let services = self.group.services(location);
        // SAFETY: the services of this group end before `'s` does: `new` demands it of the group's
        // own spawner, and `of_static` admits only children that borrow nothing. Services have no
        // services.
        f(unsafe { Spawner::new(&services) })
    }
}

/// The gate of a group whose error type is `E`, for handles that may outlive the group.
pub(crate) struct TypedGate<E> {
    gate: Arc<Gate>,
    error: PhantomData<fn(E) -> E>,
}

impl<E> Clone for TypedGate<E> {
    fn clone(&self) -> Self {
        Self {
            gate: Arc::clone(&self.gate),
            error: PhantomData,
        }
    }
}

impl<E: Send + 'static> TypedGate<E> {
    /// The gate of this group.
    pub(crate) fn of(group: &Typed<E>) -> Self {
        let node: &Node = group;
        let mut slow = node.slow.lock();
        let gate = slow
            .gate
            .get_or_insert_with(|| Arc::new(Gate::new(node.whole)));
        Self {
            gate: Arc::clone(gate),
            error: PhantomData,
        }
    }

    /// The group, until it has ended.
    pub(crate) fn node(&self) -> Option<NodeRef> {
        self.gate.node()
    }

    /// Counts one in for a child: see [`Gate::admit`].
    pub(crate) fn admit(&self) -> Option<Counted<E>> {
        self.gate.admit().map(Counted::new)
    }

    /// Ends the group with an error at the instant `at`, if it has not ended. Of deadlines at one
    /// instant the outermost speaks: it cancels the groups inside, too. A panic from the destructor
    /// of an error that is not used goes to the hook.
    pub(crate) fn cancel_late(
        &self,
        pool: &dyn Spawn,
        at: Instant,
        kind: CancelKind,
        error: E,
        origin: Origin,
    ) {
        let Some(group) = self.gate.enter().map(Counted::<E>::new) else {
            // The group ended while its timer fired.
            if let Err(payload) = unwind::drop_quietly(error) {
                pool.unobserved(origin.lost_panic(payload, String::new()));
            }
            return;
        };
        let outer_speaks = kind == CancelKind::Deadline && group.is_ended_by_outer(at);
        if !outer_speaks {
            group.end(kind, error, origin);
        } else if let Err(payload) = unwind::drop_quietly(error) {
            group.report_panic(payload, origin);
        }
    }
}

/// A count that was taken at the gate: the group does not end before this is dropped.
pub(crate) struct Counted<E> {
    node: NonNull<Node>,
    error: PhantomData<fn(E) -> E>,
}

impl<E> Counted<E> {
    /// Of a node to which a [`TypedGate`] of this error type has given one count.
    fn new(node: NonNull<Node>) -> Self {
        Self {
            node,
            error: PhantomData,
        }
    }
}

impl<E: Send + 'static> Deref for Counted<E> {
    type Target = Typed<E>;

    fn deref(&self) -> &Typed<E> {
        // SAFETY: (1): a `TypedGate` is that of a group of this type. (2): the count keeps the node
        // for as long as `self` is there.
        unsafe { Typed::of(self.node) }
    }
}

impl<E> Drop for Counted<E> {
    fn drop(&mut self) {
        // SAFETY: (1): the one count is given up. (2): the node is not used afterwards.
        unsafe { leave::leave(self.node) };
    }
}
