//! A node in its allocation, with the fields that its kind adds: how nodes are made and freed.

#![expect(unsafe_code, reason = "the memory of nodes is managed here")]

use crate::group::node::{Node, NodeJob, NodeJobTable, NodeRef, NodeTable, Opening};
use crate::group::pool::Pool;
use crate::recycle;
use crate::spans::GroupSpan;
use crate::sync::{Arc, RECYCLES};
use std::ops::Deref;
use std::panic::Location;
use std::ptr::{self, NonNull};

/// The job of a root, which has no members of its own.
struct Memberless;

impl NodeJob for Memberless {
    fn run(_: NodeRef) {
        unreachable!("a root has no members of its own");
    }
}

/// A node and the fields that its kind adds, in one allocation.
#[repr(C)]
pub(crate) struct Whole<T> {
    node: Node,
    pub(crate) rest: T,
}

impl<T> Deref for Whole<T> {
    type Target = Node;

    #[inline]
    fn deref(&self) -> &Node {
        &self.node
    }
}

impl<T> Whole<T> {
    /// The table of the root of a runtime, which has inner groups alone.
    const ROOT: NodeTable = NodeTable {
        reaper: &NodeJobTable::of::<Memberless>(),
        free: Self::free,
        report_errors: |_| {},
        start_closer: |_| unreachable!("a root has neither services nor defers"),
        mark_member: |_| unreachable!("a root has no members of its own"),
        describe_member: |_| unreachable!("a root has no members of its own"),
        keep_member: |_| unreachable!("a root has no members of its own"),
        release_member: |_| unreachable!("a root has no members of its own"),
    };

    /// Allocates a node, which is made in place, and returns the one reference that it has.
    #[inline]
    fn allocate(node: impl FnOnce() -> Node, rest: T) -> NodeRef {
        let place = recycle::allocate::<Self>();
        // SAFETY: new memory for a whole: valid and aligned for a write, and empty.
        unsafe { place.write(Self { node: node(), rest }) };
        let whole: NonNull<Node> = place.cast();
        // SAFETY: no other thread has the new node.
        unsafe { (*whole.as_ptr()).whole = whole };
        // SAFETY: `from_raw`: the reference that the node was made with.
        unsafe { NodeRef::from_raw(whole) }
    }

    /// Makes a node under a parent, not linked to it.
    ///
    /// # Safety
    ///
    /// 1. `table` frees as [`Whole::free`] of this type does.
    /// 2. Its other functions may be called with this node, and the members that it will have.
    pub(crate) unsafe fn make(
        table: &'static NodeTable,
        parent: NodeRef,
        opening: Opening,
        rest: T,
    ) -> NodeRef {
        let pool = parent.pool_ptr();
        let node = || Node::new(table, pool, parent.into_raw(), opening);
        Self::allocate(node, rest)
    }

    /// The whole of a node.
    ///
    /// # Safety
    ///
    /// 1. The node was made by a function of this type.
    /// 2. It is alive for `'a`.
    #[inline]
    pub(crate) unsafe fn of<'a>(node: NonNull<Node>) -> &'a Self {
        // SAFETY: (1): the node is the first field of such a whole (`#[repr(C)]`), and a pointer to
        // a node is one to the whole: see `allocate`. (2).
        unsafe { node.cast::<Self>().as_ref() }
    }

    /// Frees the whole: `NodeTable::free`.
    ///
    /// # Safety
    ///
    /// 1. The node was made by a function of this type.
    /// 2. The last reference to it is gone.
    pub(crate) unsafe fn free(node: NonNull<Node>) {
        let mut place = node.cast::<Self>();
        // SAFETY: (1): it is a whole of this type. (2): so no other reference to it is there.
        let whole = unsafe { place.as_mut() };
        if RECYCLES && whole.node.is_bare() {
            // SAFETY: (1), (2): it is dropped once, and the node has nothing to drop.
            unsafe { ptr::from_mut(&mut whole.rest).drop_in_place() };
        } else {
            // SAFETY: (1), (2): it is dropped once.
            unsafe { place.drop_in_place() };
        }
        // SAFETY: (1): `allocate` made it as this type. (2): it was just dropped.
        unsafe { recycle::free(place) };
    }
}

impl NodeRef {
    /// Makes the root of a runtime, which keeps the pool that every node of its tree points to. The
    /// pool drops its `NodeRef` to break the circle.
    pub(crate) fn root(pool: Arc<dyn Pool>) -> Self {
        let opening = Opening {
            name: None,
            location: Location::caller(),
            shielded: false,
            unattached: false,
            span: GroupSpan::none(),
        };
        let address = NonNull::from(&*pool);
        let table = &Whole::<Arc<dyn Pool>>::ROOT;
        let node = || Node::new(table, address, ptr::null_mut(), opening);
        Whole::allocate(node, pool)
    }
}
