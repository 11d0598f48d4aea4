//! Which groups are open where: the list that a cut follows inside one task.
//!
//! A *host* is what polls a group's future: a task, the body of a group, or a blocked caller. A
//! host knows the groups that it polled last, because a cut waits for their joins: *a cut waits for
//! joins, never for polls*. A group's future may move: its next poll moves it to the new host.
//!
//! # Protocol
//!
//! Each list is protected by one of a fixed set of locks (`sync::process`), chosen by the address
//! of the host, so a mover can lock the list of a host that may be gone by now: the mover looks at
//! `Hosted::host` again under the lock, and an ending host changes that field, under the same lock,
//! of every group that is still in its list. A host whose list is empty ends without the lock: the
//! store by which a mover takes its last group away is the mover's last touch of the host.
//!
//! The lock of a list is taken before that of a node, and never while one is held.

#![expect(unsafe_code, reason = "hosts and groups point to each other")]

use crate::group::node::{Host, Node, NodeRef};
use crate::sync::atomic::Ordering;
use crate::sync::{MutexGuard, process};
use crate::unwind;
use std::pin::Pin;
use std::ptr;

fn lock(host: *const Host) -> MutexGuard<'static, ()> {
    process::lock_of(host.addr())
}

/// In place of a host that has ended: the group was not polled since. No host has this address.
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

impl Host {
    /// References to the groups that are open here.
    pub(crate) fn groups(&self, into: &mut Vec<NodeRef>) {
        if self.is_empty() {
            return;
        }
        let _lock = lock(self);
        // Relaxed: under the lock of this list.
        let mut at = self.first.load(Ordering::Relaxed).cast_const();
        // SAFETY: a group leaves the list, under the lock that is held, before it is freed.
        while let Some(node) = unsafe { at.as_ref() } {
            at = node.hosted.next.get();
            into.push(node.to_ref());
        }
    }
}

/// Whether the group is open in that host. Asked by the owner of the group's future, and by the
/// cutter of the host, which has passed through the node's lock since the owner may have moved the
/// group.
#[inline]
pub(crate) fn is_in(node: &Node, host: *const Host) -> bool {
    // Relaxed: only the owner of the future stores the address of a host or null; an ending host
    // stores `ENDED`, before its memory can become another host. So the owner reads no stale
    // address of the host in which it is polled.
    node.hosted.host.load(Ordering::Relaxed).cast_const() == host
}

/// Makes `host`, which polls right now, the host of `node`, which is in another one; `None` for a
/// poller that is none of ours. Called by the owner of the group's future.
pub(crate) fn enter(node: &Node, host: Option<Pin<&Host>>) -> Was {
    let was = exit(node);
    if let Some(host) = host {
        link(node, host);
    }
    was
}

fn link(node: &Node, list: Pin<&Host>) {
    let list = list.get_ref();
    let _lock = lock(list);
    // Relaxed: under the lock of the list.
    let next = list.first.load(Ordering::Relaxed).cast_const();
    // SAFETY: a group leaves the list, under the lock that is held, before it is freed.
    if let Some(next) = unsafe { next.as_ref() } {
        next.hosted.prev.set(node);
    }
    node.hosted.next.set(next);
    node.hosted.prev.set(ptr::null());
    // Relaxed: under the lock of the list.
    list.first
        .store(ptr::from_ref(node).cast_mut(), Ordering::Relaxed);
    // Relaxed: read by the owner of the future, or under the lock.
    node.hosted
        .host
        .store(ptr::from_ref(list).cast_mut(), Ordering::Relaxed);
}

/// Takes the group out of the list of its host. Called by the owner of the group's future.
pub(crate) fn exit(node: &Node) -> Was {
    loop {
        // Acquire: pairs with the Release in `take_all`.
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
        // SAFETY: neighbours in the list are alive under its lock, which is held.
        if let Some(prev) = unsafe { prev.as_ref() } {
            prev.hosted.next.set(next);
        } else {
            // SAFETY: the host still has this group in its list, so it has not ended.
            let list = unsafe { &*host };
            // Release: pairs with the Acquire in `is_empty` (`group::host`): a host that finds its
            // list empty, without the lock, may be gone after this.
            list.first.store(next.cast_mut(), Ordering::Release);
        }
        // Relaxed: the owner, which calls this, alone follows it; others compare it.
        node.hosted.host.store(ptr::null_mut(), Ordering::Relaxed);
        return Was::Moved;
    }
}

/// Takes all groups out of the list of a host that ends; `leave` is called with each, under the
/// lock of the list.
pub(crate) fn take_all(host: &Host, mut leave: impl FnMut(&Node)) {
    let _lock = lock(host);
    // Relaxed: under the lock of this list.
    let first = host.first.swap(ptr::null_mut(), Ordering::Relaxed);
    let mut at = first.cast_const();
    // SAFETY: a group leaves the list, under the lock that is held, before it is freed; it leaves
    // here by the store below, and a panic on the way there ends the process.
    while let Some(node) = unsafe { at.as_ref() } {
        at = node.hosted.next.replace(ptr::null());
        node.hosted.prev.set(ptr::null());
        unwind::never(|| leave(node));
        // Release: pairs with the Acquire in `exit`: a mover that reads it without the lock does
        // not touch this host any more, and may end the node after all that was done to it here.
        node.hosted.host.store(ENDED, Ordering::Release);
    }
}

/// The groups in a host and in the bodies of those, each after the one around it, whose index it
/// carries.
pub(crate) fn tree_in(host: &Host) -> Vec<(NodeRef, Option<usize>)> {
    let mut found = Vec::new();
    let mut inner = Vec::new();
    host.groups(&mut inner);
    found.extend(inner.drain(..).map(|node| (node, None)));
    let mut at = 0;
    while let Some((node, _)) = found.get(at) {
        node.body.groups(&mut inner);
        found.extend(inner.drain(..).map(|node| (node, Some(at))));
        at += 1;
    }
    found
}
