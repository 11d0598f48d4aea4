//! The gate: how a `GroupHandle`, which may outlive its group, gets in.
//!
//! # Protocol
//!
//! A handle locks the gate, makes a reference to the node while the pointer is there, unlocks, and enters. The end of the
//! group closes the join word first, then takes the pointer away under the gate's lock, and only then lets go of the
//! node. So a handle either counted itself before the word closed, or finds the word closed, or finds no pointer.
//!
//! A group with services or defers refuses new children through handles from the moment on in which no work is left. The
//! closer seals its door then, under the node's lock and only while no work is counted; a handle counts itself in first and
//! looks at the door under the same lock afterwards. So work is admitted before the seal, or refused. A group whose parent
//! has ended is sealed by its adoption, which the end of the parent brings about before the parent's owner answers.

#![expect(
    unsafe_code,
    reason = "a gate holds the only pointer to a node that is not counted"
)]

use crate::group::leaving;
use crate::group::node::{Node, NodeRef};
use crate::sync::Mutex;
use std::ptr::NonNull;

/// The door of one group, shared by its handles.
pub(crate) struct Gate(Mutex<Pointer>);

struct Pointer(Option<NonNull<Node>>);

// SAFETY: the node is `Send` and `Sync`, and the pointer is used under the gate's lock only.
unsafe impl Send for Pointer {}

impl Gate {
    pub(crate) fn new(node: &Node) -> Self {
        Self(Mutex::new(Pointer(Some(node.whole))))
    }

    /// Shuts the gate for good. The join word is closed already.
    pub(crate) fn shut(&self) {
        self.0.lock().0 = None;
    }

    /// The group, until it has ended.
    pub(crate) fn node(&self) -> Option<NodeRef> {
        let pointer = self.0.lock();
        // SAFETY: the pointer is taken away under this lock before the node's owner lets go of it.
        Some(unsafe { pointer.0?.as_ref() }.to_ref())
    }

    /// As [`Gate::enter`], for a child: the group is closed to handles when its parent has ended, and while services and
    /// defers end.
    pub(crate) fn admit(&self) -> Option<NonNull<Node>> {
        let entered = self.enter()?;
        // SAFETY: the count that `enter` took keeps the node alive.
        let admits = unsafe { entered.as_ref() }.slow.lock().ending.admits();
        if !admits {
            // SAFETY: that count is given back.
            unsafe { leaving::leave(entered) };
            return None;
        }
        Some(entered)
    }

    /// Counts one in, if the group has not ended; the count keeps the node from then on.
    pub(crate) fn enter(&self) -> Option<NonNull<Node>> {
        let node = self.node()?;
        // Outside the lock: an entry may have the group adopted by an ancestor that is cancelled, which calls wakers.
        node.enter().then_some(node.as_ptr())
    }
}
