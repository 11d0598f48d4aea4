//! Cancels and stops, which cascade downwards.
//!
//! The cancel tree *is* the tree of groups: there is no second one.
//!
//! # Protocol
//!
//! *Cascade*: set the flag; lock; collect the inner nodes; unlock. *Attach* (`attach`): lock the
//! parent; link; read its flags; unlock. Of a cascade and an attach, the one that comes second
//! under the lock sees the other.
//!
//! *End of a shield*: clear the flag; pass through the node's lock and its parent's; read the
//! parent's flags.
//!
//! A cascade holds one lock at a time, and does not recurse.

use crate::group::node::{CANCELLED, Node, OUTER, SHIELDED, STOPPING};
use crate::poll::frame::{self, wake};
use crate::tree::hosts::tree_in;
use crate::tree::inner::each_inner;
use crate::tree::{leave, reaper};

/// Cancels a group and everything below it that is not shielded: marks, wakes, and queues reapers.
/// No destructor of a child runs here.
pub(crate) fn cancel(root: &Node, why: u32) {
    let mut work = vec![root.to_ref()];
    let mut unpolled = Vec::new();
    let mut why = why;
    while let Some(node) = work.pop() {
        let before = node.set_flags(CANCELLED | why);
        // The groups below are cancelled from outside.
        why = OUTER;
        if before & CANCELLED != 0 {
            continue;
        }
        let (owner, left, reap) = {
            let mut slow = node.slow.lock();
            each_inner(&slow, |inner| {
                if inner.flags() & SHIELDED == 0 {
                    work.push(inner.to_ref());
                }
            });
            let (owner, left) = slow.ending.cancel();
            (owner, left, !slow.members.is_empty())
        };
        if reap {
            reaper::queue(&node);
        }
        wake(owner);
        frame::outside(|| node.wake_stop_waiters());
        if left {
            unpolled.push(node);
        }
    }
    // Once all groups below are marked: a service that starts in one of them from now on is born
    // cancelled, or is cut by its starter.
    for node in unpolled {
        end_services(&node);
    }
}

/// Cancels a group from outside, because its owner is being cut.
pub(crate) fn cancel_with_owner(node: &Node) {
    node.note_owner_cut();
    cancel(node, OUTER);
}

/// Cancels the groups inside a node, and not the node.
pub(crate) fn cancel_inner(node: &Node) {
    let mut inner = Vec::new();
    each_inner(&node.slow.lock(), |group| {
        if group.flags() & SHIELDED == 0 {
            inner.push(group.to_ref());
        }
    });
    for group in inner {
        cancel(&group, OUTER);
    }
}

/// Asks a group and everything below it to stop.
pub(crate) fn stop(root: &Node) {
    let mut work = vec![root.to_ref()];
    while let Some(node) = work.pop() {
        if node.set_flags(STOPPING) & STOPPING != 0 {
            continue;
        }
        {
            let slow = node.slow.lock();
            each_inner(&slow, |inner| work.push(inner.to_ref()));
        }
        frame::outside(|| node.wake_stop_waiters());
    }
}

/// The owner polls a group outside the shield in which it polled it before. Answers whether the
/// parent is cancelled: then the caller cancels the group, too.
#[cold]
pub(crate) fn unshield(node: &Node) -> bool {
    node.clear_flags(SHIELDED);
    is_parent_cancelled(node)
}

/// Whether the parent of a group is cancelled that has just lost its shield.
pub(crate) fn is_parent_cancelled(node: &Node) -> bool {
    // As in Marking and Linking (`group::node`): the flag was cleared, then the locks are passed
    // through. A cascade or an adoption comes later under one of them, and sees no shield; or it
    // came before, and its mark is seen here.
    let marked = node.with_parent(|parent| {
        let _list = parent.slow.lock();
        parent.is_cancelled()
    });
    marked.unwrap_or(false)
}

/// Ends the services of a group that is being cancelled and whose future has no poller: it was
/// forgotten, or waits somewhere. The services of the groups in its body are ended as well. The
/// body is not dropped first, for it may never be; the groups around it must be able to end without
/// that.
#[cold]
pub(crate) fn end_services(node: &Node) {
    let inner = tree_in(&node.body);
    // A shield in a body without a poller holds nothing.
    for (inner, _) in inner
        .iter()
        .filter(|(inner, _)| inner.flags() & SHIELDED != 0)
    {
        inner.clear_flags(SHIELDED);
        cancel_with_owner(inner);
    }
    for node in std::iter::once(node).chain(inner.iter().map(|(inner, _)| &**inner)) {
        let serving = node.slow.lock().ending.wants_services_ended();
        if serving && node.flags() & SHIELDED == 0 {
            leave::start_closer(node);
        }
    }
}
