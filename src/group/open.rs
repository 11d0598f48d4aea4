//! Which groups are open where: the list that a cut follows inside one task.
//!
//! A *host* is what polls a group's future: a task, the body of a group, or a blocked caller. A host knows the groups
//! that it polled last, because a cut waits for their joins: *a cut waits for joins, never for polls*. A group's future
//! may move: its next poll moves it to the new host.
//!
//! # Protocol
//!
//! Each list is protected by one of a fixed set of locks (`sync::process`), chosen by the address of the host, so a mover
//! can lock the list of a host that may be gone by now: it looks at `Hosted::host` again under the lock, and an ending host clears that
//! field, under the same lock, of every group that is still in its list.

#![expect(unsafe_code, reason = "hosts and groups point to each other")]

use crate::group::node::{
    BUSY, CANCELLED, DEFERS, FAILED, HEARD, LEFT, Node, NodeRef, OUTER, SHIELDED,
};
use crate::group::tree;
use crate::sync::atomic::{AtomicPtr, Ordering};
use crate::sync::cell::Cell;
use crate::sync::{MutexGuard, process};
use std::ptr;
use std::task::Waker;

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
        let mut at = Some(group);
        for _ in 0..LEVELS {
            let Some(node) = at else { return false };
            let found = match self {
                // Relaxed: addresses are compared; a group that moves at this moment may count as either.
                Self::In(host) => node.hosted.host.load(Ordering::Relaxed).cast_const() == host,
                Self::Group(awaited) => ptr::eq(node, awaited),
                Self::Nothing => return false,
            };
            if found {
                return true;
            }
            at = node.parent();
        }
        false
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
            self.clear_slow();
        }
    }

    #[cold]
    fn clear_slow(&self) {
        let mut cancelled = Vec::new();
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
            // As in a cascade: each sets its flag first and then looks at the other's.
            if node.set_flags(LEFT) & CANCELLED != 0 {
                cancelled.push(node.to_ref());
            }
            // Release: a mover that reads null without the lock must not touch this host any more, and may end the node.
            node.hosted.host.store(ptr::null_mut(), Ordering::Release);
        }
        drop(locked);
        for node in cancelled {
            end_services(&node);
        }
    }

    /// References to the groups that are open here.
    fn groups(&self, into: &mut Vec<NodeRef>) {
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

/// Makes `host` the host of `node`; null for a poller that is none of ours. Called by the owner of the group's future.
#[inline]
pub(crate) fn enter(node: &Node, host: *const Host) {
    if !is_in(node, host) {
        exit(node);
        if node.flags() & LEFT != 0 {
            node.clear_flags(LEFT);
        }
        if !host.is_null() {
            link(node, host);
        }
    }
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
pub(crate) fn exit(node: &Node) {
    loop {
        // Acquire: pairs with the Release in `clear_slow`.
        let host = node.hosted.host.load(Ordering::Acquire).cast_const();
        if host.is_null() {
            return;
        }
        let _lock = lock(host);
        // Relaxed: under the lock; an ending host clears the field under it.
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
        return;
    }
}

/// Cancels every group that is open in a host that is being cut, also those in their bodies. Groups that were polled
/// last inside a shield are passed over, unless nothing holds the shield any more (`shields_fell`, after a poll).
pub(crate) fn cut(host: &Host, waker: &Waker, shields_fell: bool) {
    if host.is_empty() {
        return;
    }
    let mut work = Vec::new();
    host.groups(&mut work);
    while let Some(node) = work.pop() {
        if node.flags() & SHIELDED != 0 {
            if !shields_fell {
                continue;
            }
            node.clear_flags(SHIELDED);
        }
        // Whoever takes the last count of the group wakes the host, which may have stopped to poll the group.
        // Wakers are user code where a group is polled by a foreign combinator: cloned and dropped outside the lock.
        let new = waker.clone();
        let old = {
            let mut slow = node.slow.lock();
            let old = slow.host_waker.replace(new);
            // A count of zero needs no wake: the host looks at it after this.
            let _ = node.word.watch();
            old
        };
        if let Err(payload) = crate::unwind::drop_quietly(old) {
            crate::unwind::discard(payload);
        }
        node.note_owner_cut();
        tree::cancel(&node, OUTER);
        node.body.groups(&mut work);
    }
}

/// The groups in a host and in the bodies of those, each after the one around it, whose index it carries.
fn tree_in(host: &Host) -> Vec<(NodeRef, Option<usize>)> {
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

/// Whether a host that is being cut needs no poll: all groups in it have joined (no child, no pending defer, also in the
/// bodies of those groups), and none of them has failed. Nothing is started: before a poll, bodies that it reaches are to
/// be dropped before their defers run; and a failure comes out of its group, if the poll reaches it.
pub(crate) fn settled_before_poll(host: &Host) -> bool {
    let joined = |node: &Node| {
        // The count first: a child fails, or registers defers, before it leaves, so who reads zero sees the flags.
        let empty = node.word.count() == 0;
        let flags = node.flags();
        empty && flags & FAILED == 0 && (flags & DEFERS == 0 || no_defers(node))
    };
    host.is_empty() || tree_in(host).iter().all(|(node, _)| joined(node))
}

fn no_defers(node: &Node) -> bool {
    node.slow.lock().defers.is_empty()
}

/// The same after a poll that knew of the cut. Pending defers are started, from the inside out, of groups that the poll
/// did not reach: nobody else will. The owner of a group that it did reach starts them when its body is gone.
///
/// `outermost`: no host around this one is being cut. That one alone decides that a group which has failed was polled
/// often enough: what it decided inside the same poll would let the hosts around it drop what has yet to answer.
pub(crate) fn settled(host: &Host, waker: &Waker, outermost: bool) -> bool {
    if host.is_empty() {
        return true;
    }
    let found = tree_in(host);
    let mut unsettled_inside = vec![false; found.len()];
    let mut all = true;
    for (at, (node, outer)) in found.iter().enumerate().rev() {
        // The count first, as in `settled_before_poll`.
        let empty = node.word.count() == 0;
        let waits = unsettled_inside[at]
            || match node.flags() & BUSY {
                0 => start_defers(node),
                _ => !no_defers(node),
            }
            || !empty;
        if waits {
            all = false;
            if let Some(outer) = outer {
                unsettled_inside[*outer] = true;
            }
        }
    }
    // One that failed after it was polled has not answered: another poll lets the failure come out of it, if it is reached.
    let unheard = |node: &Node| node.flags() & (FAILED | HEARD) == FAILED;
    if all && found.iter().any(|(node, _)| unheard(node)) {
        if outermost {
            for (node, _) in found.iter().filter(|(node, _)| unheard(node)) {
                node.set_flags(HEARD);
            }
            crate::waiters::wake(waker.clone());
        }
        return false;
    }
    all
}

/// Starts the task that ends the services of a group and runs its pending defers, if there are any and it does not exist.
/// Whether it exists afterwards.
pub(crate) fn start_defers(node: &Node) -> bool {
    {
        let mut slow = node.slow.lock();
        slow.services_only = false;
        if slow.deferring {
            return true;
        }
        if !slow.has_tail() {
            return false;
        }
    }
    start_tail(node, false)
}

/// Ends the services of a group that is being cancelled and whose future nobody polls: it was forgotten, or waits
/// somewhere. The same for the groups in its body. That is not dropped first, for it may never be; what counts is that
/// the groups around it can end.
#[cold]
pub(crate) fn end_services(node: &Node) {
    let inner = tree_in(&node.body);
    for node in std::iter::once(node).chain(inner.iter().map(|(inner, _)| &**inner)) {
        let idle = {
            let slow = node.slow.lock();
            !slow.deferring && slow.served() > 0
        };
        if idle && node.flags() & SHIELDED == 0 {
            start_tail(node, true);
        }
    }
}

fn start_tail(node: &Node, services_only: bool) -> bool {
    if !node.enter() {
        return false;
    }
    let first = {
        let mut slow = node.slow.lock();
        let first = !std::mem::replace(&mut slow.deferring, true);
        slow.services_only = services_only && (first || slow.services_only);
        first
    };
    if first {
        // SAFETY: one count is handed over.
        unsafe { (node.table.start_defers)(node) };
    } else {
        // SAFETY: the count that was just taken is given back.
        unsafe { crate::group::leaving::leave(node.whole) };
    }
    true
}
