//! Where a node hangs in the tree: attaching, the first child, adoption.
//!
//! # Protocol
//!
//! *Attach*: lock the parent; link; read its flags; unlock. A cascade (`cascade`) sets the flag and
//! then passes through that lock: a node that attaches while its parent is being cancelled ends
//! cancelled.
//!
//! *Unattached*: a group is opened unattached, and is attached when others can care: at the end of
//! its first poll, or when it is given its first child, a handle or a service, or the code in its
//! body opens another one, or asks what a cascade would tell it. So its parent is always attached.
//! Until then only its owner's first poll knows it, so it can end without a lock of its parent. A
//! cascade that it has missed is seen there: it is attached then, and ends like any other.
//!
//! *End*: close the word; pass through the lock; the nodes in the list are adopted by the nearest
//! ancestor that is open.
//!
//! *First child*: a node enters its parent before its own count leaves zero, from the nearest
//! counted ancestor down ([`enter_first`]). A parent that has closed refuses, and the node is
//! adopted by the nearest ancestor that is open, at last the root, which never closes. The whole
//! move is made under the node's own lock, through which an end passes between closing the word and
//! detaching: a node that has ended is not moved, and a node that was moved detaches from its new
//! parent.
//!
//! Locks are taken from child to parent, one node's list at a time.

use crate::group::node::{CANCELLED, Node, NodeRef, OUTER, SHIELDED, STOPPING};
use crate::group::word::Enter;
use crate::poll::frame;
use crate::tree::cascade::{cancel, stop};
use crate::tree::inner::{self, each_inner};
use crate::tree::leave::Counted;

impl Node {
    /// Counts one more child, which leaves by `leave::leave`; false if the group has ended.
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        self.count_in().map(Counted::keep).is_some()
    }

    /// Counts one more child, until the caller drops the count; `None` if the group has ended.
    #[inline]
    pub(crate) fn count_in(&self) -> Option<Counted> {
        match Counted::among_others(self) {
            Ok(counted) => Some(counted),
            Err(Enter::Zero) => enter_first(self),
            Err(_) => None,
        }
    }
}

/// Attaches a node that was opened unattached, unless that was done.
#[inline]
pub(crate) fn attach(node: &Node) {
    if !node.is_attached() {
        attach_late(node);
    }
}

/// Attaches the groups that are polled further down on this stack: the code that runs here looks at
/// the tree.
pub(crate) fn attach_here() {
    frame::each_group(attach);
}

#[cold]
fn attach_late(node: &Node) {
    if let Some(inherited) = inner::link_late(node, || node.pool().group_begins(node)) {
        inherit(node, inherited);
    }
}

/// Whether a group inside this one, which is attached now, is cancelled or stopped by that.
pub(crate) fn tells(node: &Node) -> bool {
    node.flags() & (CANCELLED | STOPPING) != 0
}

/// A cancel or a stop that had reached a new parent, when the node came into its list, goes for the
/// node as well.
pub(crate) fn inherit(node: &Node, flags: u32) {
    if flags & CANCELLED != 0 && node.flags() & SHIELDED == 0 {
        cancel(node, OUTER);
    } else if flags & STOPPING != 0 {
        stop(node);
    }
}

/// The groups inside a node that has ended, whose futures went elsewhere, are adopted: a cancel
/// from above reaches them also while nothing is counted in them, and a caller may be blocked in
/// one.
pub(crate) fn give_away(node: &Node) {
    let mut inner = Vec::new();
    each_inner(&node.slow.lock(), |group| inner.push(group.to_ref()));
    for group in inner {
        adopt(&group);
    }
}

/// The step from no child to one: counts one more child after the ancestors have been entered.
/// `None` if the group has ended.
#[cold]
fn enter_first(node: &Node) -> Option<Counted> {
    attach(node);
    // Ancestors in which no child is counted, the nearest one first. As a rule the parent is
    // counted, and there are none.
    let mut path: Vec<NodeRef> = Vec::new();
    loop {
        let at: &Node = path.last().map_or(node, |at| at);
        // Under the lock of `at`, which keeps its parent. A parent that could be entered does not
        // close while that count is held, so `at` is not adopted.
        let made = match at.with_parent(Counted::among_others) {
            Some(Err(Enter::Zero)) => {
                path.extend(at.parent());
                continue;
            }
            Some(Err(_)) => {
                if at.serves() {
                    // The node of services ends with its group, and is not adopted: the nodes below
                    // it are. No child is counted in it, for then its group would be counted, and
                    // no child can enter it any more.
                    at.word.close();
                }
                adopt(at);
                // A node that has ended itself is not adopted: the node below it is.
                if at.word.is_closed() && path.pop().is_none() {
                    return None;
                }
                continue;
            }
            Some(Ok(above)) => make_step(at, Some(above)),
            // A root has no parent to enter.
            None => make_step(at, None),
        };
        let entered = made.and_then(|counted| go_down(node, &mut path, counted));
        if entered.is_some() {
            return entered;
        }
        path.clear();
        match Counted::among_others(node) {
            Ok(counted) => return Some(counted),
            Err(Enter::Zero) => {}
            Err(_) => return None,
        }
    }
}

/// Enters from the last node of the path, on which one count is held, down to `node`: that count
/// becomes the entry of the node below, and so on. `None`, with nothing held: another entry was
/// faster on the way.
fn go_down(node: &Node, path: &mut Vec<NodeRef>, counted: Counted) -> Option<Counted> {
    let mut counted = counted;
    // A node of the path is kept by the one below it, whose parent it is.
    while path.pop().is_some() {
        let below: &Node = path.last().map_or(node, |below| below);
        counted = make_step(below, Some(counted))?;
    }
    Some(counted)
}

/// The step 0 -> 1 of a node, in whose parent one count is held. `None`, with nothing held: another
/// entry made it, with a count of its own in the parent; or the node has ended.
#[inline]
fn make_step(node: &Node, above: Option<Counted>) -> Option<Counted> {
    let counted = Counted::first(node, above)?;
    if node.serves() {
        if let Some(group) = counted.parent() {
            group.slow.lock().ending.serve();
        }
    }
    Some(counted)
}

/// Moves a node whose parent has closed to the nearest ancestor that is open.
fn adopt(node: &Node) {
    // An end closes its word, then passes through its lock and gives away the nodes in its list: it
    // met this node there, or is seen closed here.
    while step_up(node) && node.with_parent(|parent| parent.word.is_closed()) == Some(true) {}
}

/// One step of [`adopt`]; false if there was nothing to do.
fn step_up(node: &Node) -> bool {
    let moved = inner::move_up(node, |ending, passed| {
        // A shield around a group that has ended was around this one, too. The next poll says
        // whether there still is one.
        if passed & SHIELDED != 0 {
            node.set_flags(SHIELDED);
        }
        ending.seal();
    });
    let Some(moved) = moved else { return false };
    // It may be the last reference, and a node that is freed drops the values that it still has,
    // and its own reference on the node above.
    drop(moved.former);
    inherit(node, moved.inherited);
    true
}
