//! The gate: how a handle that may outlive its group gets in (`GroupHandle`, `ServiceHandle`, the
//! timer of a deadline).
//!
//! # Protocol
//!
//! A handle locks the gate, clones the reference to the node that is there, unlocks, and enters.
//! The end of the group closes the join word first, and then takes the reference out of the gate.
//! So a handle either counted itself before the word closed, or finds the word closed, or finds
//! nothing.
//!
//! # The circle
//!
//! The node keeps its gate, and the gate the node, until the group ends: the end shuts the gate. An
//! owner gives its reference to the node up by an end alone, be it that of its last leaver. So a
//! group that never ends, as its future was forgotten or a child stays, is kept by that reference,
//! and the gate keeps no node that would be freed without it.
//!
//! A group with services or defers refuses new children through handles from the moment at which no
//! work is left. The closer seals its door then, under the node's lock and only while no work is
//! counted; a handle counts itself in first and looks at the door under the same lock afterwards.
//! So work is admitted before the seal, or refused. A group whose parent has ended is sealed by its
//! adoption, which the end of the parent brings about before the parent's owner answers.

use crate::sync::Mutex;

/// The door of one group, shared by its handles. `R` is a counted reference to the group's node.
pub(crate) struct Gate<R>(Mutex<Option<R>>);

impl<R: Clone> Gate<R> {
    /// A gate that leads to a node, which shuts it at its end.
    pub(crate) fn new(node: R) -> Self {
        Self(Mutex::new(Some(node)))
    }

    /// The gate of a group that has ended.
    pub(crate) fn closed() -> Self {
        Self(Mutex::new(None))
    }

    /// The node; `None` once the gate is shut.
    pub(crate) fn node(&self) -> Option<R> {
        self.0.lock().clone()
    }

    /// Shuts the gate for good. The join word is closed already. The caller drops the reference
    /// that the gate had while it holds no lock: it may be the last one.
    #[must_use]
    pub(crate) fn shut(&self) -> Option<R> {
        self.0.lock().take()
    }
}
