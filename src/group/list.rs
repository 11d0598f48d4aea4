//! The intrusive list that members and inner groups hang in: doubly linked, no sentinel, unlinked
//! without its head.
//!
//! An element carries [`Links`]: the next element, and the address of the pointer that points to it
//! (the form of Linux's `hlist`). So a member can move between the two lists of its node, and leave
//! either of them, without knowing in which one it is. All access is under the lock of the node
//! that owns the lists; elements never move in memory while they are linked.

#![expect(unsafe_code, reason = "an intrusive list is made of raw pointers")]

use crate::sync::cell::Cell;
use std::ptr::{self, NonNull};

/// The place of an element in a list. Two words.
#[derive(Debug)]
pub(crate) struct Links {
    next: Cell<*const Links>,
    /// The `next` of the element before, or the head of the list; null while in no list.
    slot: Cell<*const Cell<*const Links>>,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self {
            next: Cell::new(ptr::null()),
            slot: Cell::new(ptr::null()),
        }
    }

    /// Whether the element is in a list. Asked under the lock of the lists that it may be in, or by
    /// the last holder of the element.
    pub(crate) fn is_linked(&self) -> bool {
        !self.slot.get().is_null()
    }

    /// Takes the element out of the list that it is in, if it is in one.
    ///
    /// # Safety
    ///
    /// 1. The lock of the lists that it may be in is held.
    /// 2. Its neighbours are alive (they are: elements unlink before they die).
    pub(crate) unsafe fn unlink(&self) {
        let slot = self.slot.replace(ptr::null());
        if slot.is_null() {
            return;
        }
        let next = self.next.replace(ptr::null());
        // SAFETY: (1) and (2): the slot is a live neighbour's field or the head of a list of the
        // locked node.
        unsafe { &*slot }.set(next);
        // SAFETY: (1) and (2): the next element, if any, is alive and in the same list.
        if let Some(next) = unsafe { next.as_ref() } {
            next.slot.set(slot);
        }
    }
}

/// A list of elements that carry [`Links`]. It must not move while it is not empty.
#[derive(Debug)]
pub(crate) struct List {
    head: Cell<*const Links>,
}

// SAFETY: a list belongs to the part of a node that its lock protects, and its elements are reached
// under that lock only.
unsafe impl Send for List {}

impl List {
    pub(crate) fn new() -> Self {
        Self {
            head: Cell::new(ptr::null()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.get().is_null()
    }

    /// The newest element.
    pub(crate) fn first(&self) -> Option<NonNull<Links>> {
        NonNull::new(self.head.get().cast_mut())
    }

    /// Puts an element in front.
    ///
    /// # Safety
    ///
    /// 1. The lock of the list is held, and `element` is in no list.
    /// 2. `element` stays where it is, alive, until it is unlinked; so does the list while it is
    ///    not empty.
    pub(crate) unsafe fn push(&self, element: NonNull<Links>) {
        // SAFETY: (2): the element is alive.
        let links = unsafe { element.as_ref() };
        let next = self.head.get();
        links.next.set(next);
        links.slot.set(&raw const self.head);
        // SAFETY: (2), of the push of that element: it is alive until it is unlinked.
        if let Some(next) = unsafe { next.as_ref() } {
            next.slot.set(&raw const links.next);
        }
        self.head.set(element.as_ptr());
    }

    /// The element behind this one, the next older.
    ///
    /// # Safety
    ///
    /// The lock of the list is held, and `element` is in it.
    pub(crate) unsafe fn after(&self, element: NonNull<Links>) -> Option<NonNull<Links>> {
        // SAFETY: `push` (2): an element is alive until it is unlinked.
        let next = unsafe { element.as_ref() }.next.get();
        NonNull::new(next.cast_mut())
    }

    /// Calls `f` with each element, newest first. `f` must not unlink any.
    ///
    /// # Safety
    ///
    /// The lock of the list is held.
    pub(crate) unsafe fn for_each(&self, mut f: impl FnMut(NonNull<Links>)) {
        let mut at = self.head.get();
        while let Some(element) = NonNull::new(at.cast_mut()) {
            // SAFETY: `push` (2): an element is alive until it is unlinked, which takes the lock
            // that is held.
            at = unsafe { element.as_ref() }.next.get();
            f(element);
        }
    }
}
