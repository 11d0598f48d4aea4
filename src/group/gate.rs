//! The gate: how a handle that may outlive its group gets in (`GroupHandle`, `ServiceHandle`, the
//! timer of a deadline).
//!
//! # Protocol
//!
//! A handle locks the gate, makes a reference to the node while the pointer is there, unlocks, and
//! enters. The end of the group closes the join word first, then takes the pointer away under the
//! gate's lock, and only then gives up its reference to the node. So a handle either counted itself
//! before the word closed, or finds the word closed, or finds no pointer.
//!
//! A group with services or defers refuses new children through handles from the moment at which no
//! work is left. The closer seals its door then, under the node's lock and only while no work is
//! counted; a handle counts itself in first and looks at the door under the same lock afterwards.
//! So work is admitted before the seal, or refused. A group whose parent has ended is sealed by its
//! adoption, which the end of the parent brings about before the parent's owner answers.

#![expect(
    unsafe_code,
    reason = "a gate holds the only pointer to a node that is not counted"
)]

use crate::sync::Mutex;
use std::ptr::NonNull;

/// The door of one group, shared by its handles.
pub(crate) struct Gate<N>(Mutex<Pointer<N>>);

struct Pointer<N>(Option<NonNull<N>>);

// SAFETY: the pointer is followed under the gate's lock only, while the node is there; and a node
// that is `Sync` may be reached from any thread.
unsafe impl<N: Sync> Send for Pointer<N> {}

impl<N> Gate<N> {
    /// A gate that leads to `node`.
    ///
    /// # Safety
    ///
    /// The gate is shut before the node is freed.
    pub(crate) unsafe fn new(node: NonNull<N>) -> Self {
        Self(Mutex::new(Pointer(Some(node))))
    }

    /// Calls `f` with the node, under the lock of the gate; `None` once it is shut.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&N) -> R) -> Option<R> {
        let pointer = self.0.lock();
        // SAFETY: `new`: the node is alive: its end takes the pointer away first, under the lock
        // that is held.
        let node = unsafe { pointer.0?.as_ref() };
        Some(f(node))
    }

    /// Shuts the gate for good. The join word is closed already.
    pub(crate) fn shut(&self) {
        self.0.lock().0 = None;
    }
}
