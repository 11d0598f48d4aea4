//! The node with its error type, which only the group's future and its own children know.
//!
//! [`TypedRef`] is a counted reference that proves the error type, [`TypedGate`] a gate that does,
//! and [`TypedCounted`] a count that does. [`Spawner`] is the right to spawn: it proves
//! for how long children are good.

#![expect(
    unsafe_code,
    reason = "a reference to a node is proof of its error type"
)]

use crate::group::name::Name;
use crate::group::node::{Gate, Node, NodeRef, NodeTable, Opening};
use crate::group::pool::Pool;
use crate::group::whole::Whole;
use crate::report::errors::Errors;
use crate::report::reason::{CancelKind, Origin};
use crate::sync::{Arc, Mutex};
use crate::tree::leave::{Counted, end_services_node};
use crate::tree::{attach, cascade, inner, service_node};
use crate::unwind;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::ptr::NonNull;
use std::time::Instant;

/// A node and the errors that it collects.
pub(crate) type Typed<E> = Whole<Mutex<Errors<E>>>;

impl<E: Send + 'static> Typed<E> {
    /// Makes a node under a parent, which is attached at once, unless it is opened otherwise.
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
        if !opening.unattached {
            attach::attach(&parent);
        }
        let errors = Mutex::new(Errors::none());
        // SAFETY: (1): that of this function. (2): both of this function.
        let node = unsafe { Self::make(table, parent, opening, errors) };
        if node.is_attached() {
            // SAFETY: `link`: the node was made here, and is given to no other thread before.
            if let Some(inherited) = unsafe { inner::link(&node) } {
                attach::inherit(&node, inherited);
            }
        }
        TypedRef {
            node,
            error: PhantomData,
        }
    }

    /// Records an error without cancelling.
    pub(crate) fn record(&self, error: E, origin: Origin) {
        let after_cancel = self.is_cancelled();
        self.slow.lock().ending.fail();
        let omitted = self.rest.lock().record(error, origin, after_cancel);
        if let Err((error, origin)) = omitted {
            self.report_error(error, origin);
        }
    }

    /// Records an error and cancels the group: fail-fast. An error of a service is that of the
    /// group that it serves.
    pub(crate) fn fail(&self, error: E, origin: Origin) {
        let kind = origin.failed();
        self.cancel(kind, error, origin);
    }

    /// As [`Typed::fail`], for a reason of its own.
    pub(crate) fn cancel(&self, kind: CancelKind, error: E, origin: Origin) {
        // SAFETY: (1): a group has the error type of its services, see `services`. (2): it is this
        // node, which is borrowed, or the group of a service that calls this, and a group ends
        // after its services.
        let receiver: &Self = unsafe { Self::of(self.receiver().whole) };
        receiver.note_reason(kind, origin.clone());
        receiver.record(error, origin);
        cascade::cancel(receiver, 0);
    }

    /// Takes the errors that were recorded.
    pub(crate) fn take(&self) -> Errors<E> {
        std::mem::replace(&mut *self.rest.lock(), Errors::none())
    }

    /// The node of the group's services, made with the first of them.
    fn services(&self, location: &'static Location<'static>) -> TypedRef<E> {
        let known = || {
            let node = self.slow.lock().ending.services().cloned()?;
            // Only this function registers such a node, and it opens it with this error type.
            Some(TypedRef {
                node,
                error: PhantomData,
            })
        };
        if let Some(services) = known() {
            return services;
        }
        let name = Name {
            text: Cow::Borrowed("services"),
            counted: None,
        };
        let opening = Opening {
            name: Some(Box::new(name)),
            location,
            shielded: true,
            unattached: false,
            span: self.span.shared(),
        };
        // SAFETY: (1), (2): the table is the one of this node, which has this type, and the
        // services are members of the same kind.
        let services = unsafe { Self::open(self.table, self.to_ref(), opening) };
        let new = service_node::begin(services.node.clone());
        let slower = {
            let mut slow = self.slow.lock();
            slow.ending.set_services(&self.word, new)
        };
        match slower {
            None => services,
            Some(slower) => {
                end_services_node(slower);
                known().unwrap_or(services)
            }
        }
    }

    /// Starts the closer: `NodeTable::start_closer`.
    ///
    /// # Safety
    ///
    /// 1. The node is of error type `E`.
    /// 2. One count on it is handed over.
    pub(crate) unsafe fn start_closer<C: Closing<E>>(node: &Node) {
        // SAFETY: (2): the count that this function was given.
        let count = unsafe { Counted::take_over(node) };
        // Of this error type, says (1).
        C::start(TypedCounted::new(count));
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
            typed.report_error(error, origin);
        }
    }
}

/// A closer of groups of error type `E`.
pub(crate) trait Closing<E> {
    /// Starts it in the group of this count, which it gives back when it has ended.
    fn start(count: TypedCounted<E>);
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
        let known = slow.known().and_then(|rare| rare.gate.as_ref());
        let gate = match known {
            Some(gate) => Arc::clone(gate),
            // The end of the group, after it closes the word, passes through the lock that is held,
            // and shuts the gate that it finds there. If it may have passed, none is left there.
            None if node.word.is_closed() => Arc::new(Gate::closed()),
            None => {
                let gate = Arc::new(Gate::new(node.to_ref()));
                slow.rare().gate = Some(Arc::clone(&gate));
                gate
            }
        };
        Self {
            gate,
            error: PhantomData,
        }
    }

    /// The group, until it has ended.
    pub(crate) fn node(&self) -> Option<NodeRef> {
        self.gate.node()
    }

    /// Counts one in for a child: see [`Gate::admit`].
    pub(crate) fn admit(&self) -> Option<TypedCounted<E>> {
        self.gate.admit().map(TypedCounted::new)
    }

    /// Ends the group with an error at the instant `at`, if it has not ended. Of deadlines at one
    /// instant the outermost speaks: it cancels the groups inside, too. A panic from the destructor
    /// of an error that is not used goes to the hook.
    pub(crate) fn cancel_late(
        &self,
        pool: &dyn Pool,
        at: Instant,
        kind: CancelKind,
        error: E,
        origin: Origin,
    ) {
        let Some(group) = self.gate.enter().map(TypedCounted::<E>::new) else {
            // The group ended while its timer fired.
            if let Err(payload) = unwind::drop_quietly(error) {
                pool.unobserved(origin.lost_panic(payload, String::new()));
            }
            return;
        };
        let outer_speaks = kind == CancelKind::Deadline && group.is_ended_by_outer(at);
        if !outer_speaks {
            group.cancel(kind, error, origin);
        } else if let Err(payload) = unwind::drop_quietly(error) {
            group.report_panic(payload, origin);
        }
    }
}

/// A count on a group whose error type is `E`: the group does not end before this is dropped.
pub(crate) struct TypedCounted<E> {
    count: Counted,
    error: PhantomData<fn(E) -> E>,
}

impl<E> TypedCounted<E> {
    /// Of a count on a node of this error type: the [`Gate`] of a [`TypedGate`] has given it, or a
    /// caller that promises it.
    fn new(count: Counted) -> Self {
        Self {
            count,
            error: PhantomData,
        }
    }
}

impl<E: Send + 'static> Deref for TypedCounted<E> {
    type Target = Typed<E>;

    fn deref(&self) -> &Typed<E> {
        // SAFETY: (1): `new` has counts on nodes of this type alone. (2): the count keeps the node
        // for as long as `self` is there.
        unsafe { Typed::of(self.count.whole) }
    }
}
