//! How the holder of a handle gets into its group: through the gate (`group::gate`).

#![expect(
    unsafe_code,
    reason = "a gate holds the only pointer to a node that is not counted"
)]

use crate::group::node::{Gate, Node, NodeRef};
use crate::tree::leave::leave;
use std::ptr::NonNull;

impl Gate {
    /// The group, until it has ended.
    pub(crate) fn node(&self) -> Option<NodeRef> {
        let pointer = self.0.lock();
        // SAFETY: the node is alive: the end of the group takes the pointer away under this lock,
        // before the owner's reference is given back.
        Some(unsafe { pointer.0?.as_ref() }.to_ref())
    }

    /// As [`Gate::enter`], for a child: the group is closed to handles when its parent has ended,
    /// and while services and defers end.
    pub(crate) fn admit(&self) -> Option<NonNull<Node>> {
        let entered = self.enter()?;
        // SAFETY: the count that `enter` took keeps the node alive.
        let admits = unsafe { entered.as_ref() }.slow.lock().ending.admits();
        if !admits {
            // SAFETY: (1): that count is given up. (2): the node is not used afterwards.
            unsafe { leave(entered) };
            return None;
        }
        Some(entered)
    }

    /// Counts the holder in, if the group has not ended; the count keeps the node from then on.
    pub(crate) fn enter(&self) -> Option<NonNull<Node>> {
        let node = self.node()?;
        // Outside the lock: an entry may have the group adopted by an ancestor that is cancelled,
        // which calls wakers.
        node.enter().then_some(node.as_ptr())
    }
}
