//! A host: a task, a body, a blocked caller or a half of a `join`. It polls the futures of groups,
//! and so knows which groups are open in it.
//!
//! Here are its parts: the head of a list, and a group's place in that list. `tree::hosts` works on
//! them, and `tree::host_end` ends a host. `N` is the node of a group.
//!
//! Groups come into a host that is pinned: it stays where it is until it is dropped, and one that
//! is dropped with a group in it ends the process.

use crate::sync::atomic::{AtomicPtr, Ordering};
use crate::sync::cell::Cell;
use crate::unwind;
use std::marker::PhantomPinned;
use std::ptr;

/// The list of the groups that are open in a host. One word.
#[derive(Debug)]
pub(crate) struct Host<N> {
    pub(crate) first: AtomicPtr<N>,
    _stays: PhantomPinned,
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
            _stays: PhantomPinned,
        }
    }

    /// Whether no group is open here. Exact for the thread that polls in this host: other threads
    /// only take groups away.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Acquire: pairs with the Release in `tree::hosts::exit`: a host that is empty may go
        // without the lock, and a mover that took the last group away does not touch it any more.
        // Links are made by the host's own polls, so the caller sees them by program order.
        self.first.load(Ordering::Acquire).is_null()
    }
}

impl<N> Drop for Host<N> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_empty() {
            dropped_early();
        }
    }
}

/// A bug of ours: groups would point to what is gone. `extern`, so that the compiler knows that
/// nothing unwinds from here: else all that holds a host would pay for it when it is dropped.
#[cold]
extern "C" fn dropped_early() -> ! {
    unwind::abort("a host of groups was dropped before its end")
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
