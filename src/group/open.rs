//! Which groups are open where: the list that a cut follows inside one task.
//!
//! A *host* is what polls a group's future: a task, the body of a group, or a blocked caller. A host knows the groups
//! that it polled last, because a cut waits for their joins: *a cut waits for joins, never for polls*. A group's future
//! may move: its next poll moves it to the new host.
//!
//! # Protocol
//!
//! Each list is protected by one of a fixed set of locks (`sync::process`), chosen by the address of the host, so a mover
//! can lock the list of a host that may be gone by now: it looks at `Hosted::host` again under the lock, and an ending host
//! changes that field, under the same lock, of every group that is still in its list.
//!
//! The lock of a list is taken before that of a node, and never while one is held.

#![expect(unsafe_code, reason = "hosts and groups point to each other")]

use crate::group::cut;
use crate::group::node::{Node, NodeRef, OUTER, SHIELDED};
use crate::group::tree;
use crate::sync::atomic::{AtomicPtr, Ordering};
use crate::sync::cell::Cell;
use crate::sync::{MutexGuard, process};
use std::ptr;

fn lock(host: *const Host) -> MutexGuard<'static, ()> {
    process::lock_of(host.addr())
}

/// The list of the groups that are open in a host. One word.
#[derive(Debug)]
pub(crate) struct Host {
    first: AtomicPtr<Node>,
}

/// A group's place in the list of its host.
pub(crate) struct Hosted {
    host: AtomicPtr<Host>,
    next: Cell<*const Node>,
    prev: Cell<*const Node>,
}

/// In place of a host that has ended: nobody has polled the group since. No host has this address.
const ENDED: *mut Host = ptr::without_provenance_mut(1);

/// Where a group was until its poller took it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    /// In no host of ours, or in this one.
    Elsewhere,
    /// In another host, which may be waiting for it.
    Moved,
    /// In a host that has ended.
    Left,
}

impl Hosted {
    pub(crate) fn new() -> Self {
        Self {
            host: AtomicPtr::new(ptr::null_mut()),
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
        }
    }
}

/// What a blocked caller waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    /// The groups that its future opens: those that are open in this host.
    In(*const Host),
    /// One group.
    Group(*const Node),
    /// No group.
    Nothing,
}

/// Levels that a look upwards takes at most. Source: the design; who is deeper counts as a stranger.
pub(crate) const LEVELS: usize = 8;

impl Awaited {
    /// Whether a group is, or is below, what is awaited.
    pub(crate) fn contains(self, group: &Node) -> bool {
        let is_it = |node: &Node| match self {
            // Relaxed: addresses are compared; a group that moves at this moment may count as either.
            Self::In(host) => node.hosted.host.load(Ordering::Relaxed).cast_const() == host,
            Self::Group(awaited) => ptr::eq(node, awaited),
            Self::Nothing => false,
        };
        if matches!(self, Self::Nothing) {
            return false;
        }
        // As a rule it is the group itself, and no reference is made.
        is_it(group)
            || group
                .ancestors()
                .take(LEVELS)
                .skip(1)
                .any(|node| is_it(&node))
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            first: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Whether no group is open here. Exact for the thread that polls in this host: others only take groups away.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed: links are made by this host's own polls, so the caller sees them by program order.
        self.first.load(Ordering::Relaxed).is_null()
    }

    /// Forgets all groups: the host ends. They may be polled elsewhere later.
    #[inline]
    pub(crate) fn clear(&self) {
        if !self.is_empty() {
            self.clear_slow(false);
        }
    }

    /// As [`Host::clear`], for a host that is inside a shield, which goes on: so do those of its groups.
    pub(crate) fn clear_in_shield(&self) {
        if !self.is_empty() {
            self.clear_slow(true);
        }
    }

    #[cold]
    fn clear_slow(&self, in_shield: bool) {
        let mut left = Vec::new();
        let locked = lock(self);
        // Relaxed: under the lock of this list, here and below.
        let mut at = self
            .first
            .swap(ptr::null_mut(), Ordering::Relaxed)
            .cast_const();
        // SAFETY: groups leave the list before they are freed, under the lock that is held.
        while let Some(node) = unsafe { at.as_ref() } {
            at = node.hosted.next.replace(ptr::null());
            node.hosted.prev.set(ptr::null());
            // As in Marking and Linking (`node`): a canceller marks and then asks under the node's lock whether the group
            // was left; here the group is left under that lock, and then the mark is read.
            node.slow.lock().ending.lose_host();
            // With the host the shields in it have ended.
            let shielded = !in_shield && node.flags() & SHIELDED != 0;
            if shielded {
                node.clear_flags(SHIELDED);
            }
            if shielded || node.is_cancelled() {
                left.push(node.to_ref());
            }
            // Release: a mover that reads it without the lock must not touch this host any more, and may end the node.
            node.hosted.host.store(ENDED, Ordering::Release);
        }
        drop(locked);
        for node in left {
            if node.is_cancelled() {
                cut::end_services(&node);
            } else if tree::is_parent_cancelled(&node) && node.flags() & SHIELDED == 0 {
                node.note_owner_cut();
                tree::cancel(&node, OUTER);
            }
        }
    }

    /// References to the groups that are open here.
    pub(crate) fn groups(&self, into: &mut Vec<NodeRef>) {
        if self.is_empty() {
            return;
        }
        let _lock = lock(self);
        // Relaxed: under the lock of this list.
        let mut at = self.first.load(Ordering::Relaxed).cast_const();
        // SAFETY: as in `clear_slow`.
        while let Some(node) = unsafe { at.as_ref() } {
            at = node.hosted.next.get();
            into.push(node.to_ref());
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Whether the group is open in that host. Asked by the owner of the group's future.
#[inline]
pub(crate) fn is_in(node: &Node, host: *const Host) -> bool {
    // Relaxed: only the owner of the future sets it to something else than null; a stale value is looked at again
    // under the lock.
    node.hosted.host.load(Ordering::Relaxed).cast_const() == host
}

/// Makes `host` the host of `node`, which is in another one; null for a poller that is none of ours. Called by the owner of the
/// group's future.
pub(crate) fn enter(node: &Node, host: *const Host) -> Was {
    let was = exit(node);
    if !host.is_null() {
        link(node, host);
    }
    was
}

fn link(node: &Node, host: *const Host) {
    let _lock = lock(host);
    // SAFETY: the host is the one that polls right now: it is alive.
    let list = unsafe { &*host };
    // Relaxed: under the lock of the list, here and below.
    let next = list.first.load(Ordering::Relaxed).cast_const();
    // SAFETY: groups leave the list before they are freed, under the lock that is held.
    if let Some(next) = unsafe { next.as_ref() } {
        next.hosted.prev.set(node);
    }
    node.hosted.next.set(next);
    node.hosted.prev.set(ptr::null());
    // Relaxed: under the lock of the list.
    list.first
        .store(ptr::from_ref(node).cast_mut(), Ordering::Relaxed);
    // Relaxed: read by the owner of the future, or under the lock.
    node.hosted.host.store(host.cast_mut(), Ordering::Relaxed);
}

/// Takes the group out of the list of its host. Called by the owner of the group's future.
pub(crate) fn exit(node: &Node) -> Was {
    loop {
        // Acquire: pairs with the Release in `clear_slow`.
        let host = node.hosted.host.load(Ordering::Acquire).cast_const();
        if host.is_null() {
            return Was::Elsewhere;
        }
        if host == ENDED.cast_const() {
            // Relaxed: only the owner of the future, which calls this, changes it from now on.
            node.hosted.host.store(ptr::null_mut(), Ordering::Relaxed);
            return Was::Left;
        }
        let _lock = lock(host);
        // Relaxed: under the lock; an ending host changes the field under it.
        if node.hosted.host.load(Ordering::Relaxed).cast_const() != host {
            continue;
        }
        let next = node.hosted.next.replace(ptr::null());
        let prev = node.hosted.prev.replace(ptr::null());
        // SAFETY: neighbours in the list are alive under its lock.
        if let Some(next) = unsafe { next.as_ref() } {
            next.hosted.prev.set(prev);
        }
        // SAFETY: as above.
        if let Some(prev) = unsafe { prev.as_ref() } {
            prev.hosted.next.set(next);
        } else {
            // SAFETY: the host still has this group in its list, so it has not ended.
            let list = unsafe { &*host };
            // Relaxed: under the lock of the list.
            list.first.store(next.cast_mut(), Ordering::Relaxed);
        }
        // Relaxed: under the lock.
        node.hosted.host.store(ptr::null_mut(), Ordering::Relaxed);
        return Was::Moved;
    }
}
