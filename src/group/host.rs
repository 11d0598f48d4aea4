//! A host: a task, a body, a blocked caller or a half of a `join`. It polls the futures of groups,
//! and so knows which groups are open in it.
//!
//! Here are its parts: the head of a list, and a group's place in that list. `tree::hosts` works on
//! them, and `tree::host_end` ends a host. `N` is the node of a group.

use crate::sync::atomic::AtomicPtr;
use crate::sync::cell::Cell;
use std::ptr;

/// The list of the groups that are open in a host. One word.
#[derive(Debug)]
pub(crate) struct Host<N> {
    pub(crate) first: AtomicPtr<N>,
}

/// A group's place in the list of its host.
pub(crate) struct Hosted<N> {
    pub(crate) host: AtomicPtr<Host<N>>,
    pub(crate) next: Cell<*const N>,
    pub(crate) prev: Cell<*const N>,
}

impl<N> Host<N> {
    pub(crate) fn new() -> Self {
        Self {
            first: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

impl<N> Hosted<N> {
    pub(crate) fn new() -> Self {
        Self {
            host: AtomicPtr::new(ptr::null_mut()),
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
        }
    }
}
