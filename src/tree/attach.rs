//! Where a node hangs in the tree: attaching, the first child, adoption.
//!
//! # Protocol
//!
//! *Attach*: lock the parent; link; read its flags; unlock. A cascade (`cascade`) sets the flag and
//! then passes through that lock: a node that attaches while its parent is being cancelled ends
//! cancelled.
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

#![expect(unsafe_code, reason = "an entry is given back by its count")]

use crate::group::node::{CANCELLED, Node, NodeRef, SHIELDED, STOPPING};
use crate::group::word::Enter;
use crate::sync::atomic::Ordering;
use crate::tree::cascade::{cancel, stop};
use crate::tree::inner::{each_inner, links_of};
use crate::tree::leave::leave;
use std::ptr::NonNull;

impl Node {
    /// Counts one more child; false if the group has ended.
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        match self.word.enter_nonzero() {
            Enter::Entered => true,
            Enter::Zero => enter_first(self),
            Enter::Closed => false,
        }
    }
}

/// Attaches a new node to its parent. If the parent is cancelled or stopping, so is the node.
pub(crate) fn attach(node: &NodeRef) {
    // SAFETY: the node is new: no other thread knows it yet, and it is not adopted.
    let Some(parent) = (unsafe { node.settled_parent() }) else {
        return;
    };
    let inherited = link(node, parent);
    inherit(node, inherited);
}

/// Puts a node into its parent's list, and returns the parent's flags.
fn link(node: &NodeRef, parent: &Node) -> u32 {
    let slow = parent.slow.lock();
    // SAFETY: (1): the lock is held, and the node is in no list. (2): nodes do not move, and it
    // detaches before it is freed (`end` detaches, and a node that is never ended is never freed).
    unsafe { slow.inner.push(links_of(node)) };
    parent.flags()
}

/// A cancel or a stop that had reached a new parent goes for the node as well.
fn inherit(node: &Node, flags: u32) {
    if flags & CANCELLED != 0 && node.flags() & SHIELDED == 0 {
        cancel(node, crate::group::node::OUTER);
    } else if flags & STOPPING != 0 {
        stop(node);
    }
}

/// Takes a node that has ended out of its parent's list. Its word is closed, and the caller has
/// passed through its lock since.
pub(crate) fn detach(node: &Node) {
    // SAFETY: the node is closed, and the caller has passed through its lock since: it is not
    // adopted any more.
    if let Some(parent) = unsafe { node.settled_parent() } {
        let slow = parent.slow.lock();
        // SAFETY: (1): a closed node is not adopted any more, so this is its parent, whose lock is
        // held. (2): linked neighbours detach, under this lock, before they are freed.
        unsafe { node.links.unlink() };
        drop(slow);
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
/// False if the group has ended.
#[cold]
pub(crate) fn enter_first(node: &Node) -> bool {
    // Ancestors in which no child is counted, the nearest one first. As a rule the parent is
    // counted, and there are none.
    let mut path: Vec<NodeRef> = Vec::new();
    loop {
        let at: &Node = path.last().map_or(node, |at| at);
        // Under the lock of `at`, which keeps its parent. A parent that could be entered does not
        // close while that count is held, so `at` is not adopted.
        let made = match at.with_parent(|parent| parent.word.enter_nonzero()) {
            Some(Enter::Zero) => {
                path.extend(at.parent());
                continue;
            }
            Some(Enter::Closed) => {
                if at.serves() {
                    // The node of services ends with its group, and is not adopted: the nodes below
                    // it are. No child is counted in it, for then its group would be counted, and
                    // no child can enter it any more.
                    at.word.close();
                }
                adopt(at);
                // A node that has ended itself is not adopted: the node below it is.
                if at.word.is_closed() && path.pop().is_none() {
                    return false;
                }
                continue;
            }
            Some(Enter::Entered) => {
                make_step(at) || {
                    // Another entry made that step, with a count of its own in the parent; or the
                    // node has ended.
                    if let Some(parent) = at.parent() {
                        // SAFETY: (1): the count on the parent that was just taken is given up.
                        // (2): only `parent` is dropped afterwards, which keeps the memory by
                        // itself.
                        unsafe { leave(parent.whole) };
                    }
                    false
                }
            }
            // A root has no parent to enter.
            None => {
                at.word.enter_first() && {
                    // After the end of a runtime only the nodes below keep the root, and the last
                    // of them may be freed while its last leaver is on the way up: see
                    // `leave::leave`.
                    at.to_ref().into_raw();
                    true
                }
            }
        };
        if made && go_down(node, &mut path) {
            return true;
        }
        path.clear();
        match node.word.enter_nonzero() {
            Enter::Entered => return true,
            Enter::Closed => return false,
            Enter::Zero => {}
        }
    }
}

/// Enters from the last node of the path, on which one count is held, down to `node`: that count
/// becomes the entry of the node below, and so on. False, with nothing held: another entry was
/// faster on the way.
fn go_down(node: &Node, path: &mut Vec<NodeRef>) -> bool {
    while let Some(at) = path.pop() {
        let below: &Node = path.last().map_or(node, |below| below);
        if !make_step(below) {
            // SAFETY: (1): the one count that is held on `at` is given up. (2): only `at` is
            // dropped afterwards, which keeps the memory by itself.
            unsafe { leave(at.whole) };
            return false;
        }
    }
    true
}

/// The step 0 -> 1 of a node in whose parent a count is held. False if another entry made it, or
/// the node has ended.
fn make_step(node: &Node) -> bool {
    let made = node.word.enter_first();
    if made && node.serves() {
        // SAFETY: the node is counted, by the step that was just made, so it is not adopted.
        if let Some(group) = unsafe { node.settled_parent() } {
            group.slow.lock().ending.serve();
        }
    }
    made
}

/// Moves a node whose parent has closed to the nearest ancestor that is open.
fn adopt(node: &Node) {
    // An end closes its word, then passes through its lock and gives away the nodes in its list: it
    // met this node there, or is seen closed here.
    while move_up(node) && node.with_parent(|parent| parent.word.is_closed()) == Some(true) {}
}

/// One step of [`adopt`]; false if there was nothing to do.
fn move_up(node: &Node) -> bool {
    let handle = node.to_ref();
    let (inherited, former) = {
        let mut slow = node.slow.lock();
        // A node that ends closes its word, passes through this lock, and then detaches. So this
        // mover sees it closed, or the end finds it in the list of its new parent: the move is
        // complete before the lock is given back.
        if node.word.is_closed() {
            return false;
        }
        // Relaxed: it changes under the lock that is held.
        let old = node.parent.load(Ordering::Relaxed);
        // SAFETY: the node holds a reference on its present parent, which cannot change while the
        // lock is held, so the parent is alive.
        let Some(old) = (unsafe { old.as_ref() }) else {
            return false;
        };
        if !old.word.is_closed() {
            return false; // another thread was faster
        }
        let mut new = old.to_ref();
        let mut passed = 0;
        while new.word.is_closed() {
            // The node of services is shielded so that cascades pass it by, and shields nothing
            // that comes out of it.
            if !new.serves() {
                passed |= new.flags();
            }
            new = new.parent().expect("a root never closes");
        }
        // A shield around a group that has ended was around this one, too. The next poll says
        // whether there still is one.
        if passed & SHIELDED != 0 {
            node.set_flags(SHIELDED);
        }
        {
            let _list = old.slow.lock();
            // SAFETY: (1): the node is in the list of its old parent, whose lock is held. (2):
            // linked neighbours are alive.
            unsafe { node.links.unlink() };
        }
        slow.ending.seal();
        let inherited = link(&handle, &new);
        // Relaxed: it changes under the lock of the node, which is held; readers are counted, or
        // come through that lock.
        let former = node.parent.swap(new.into_raw(), Ordering::Relaxed);
        let former = NonNull::new(former).expect("a node with a parent");
        // SAFETY: the node owned one reference on its former parent, made by `into_raw`, and gives
        // it up: its parent is now another.
        (inherited, unsafe { NodeRef::from_raw(former) })
    };
    // Outside the lock: it may be the last reference, and a node that is freed drops the values
    // that it still has, and its own reference on the node above.
    drop(former);
    inherit(node, inherited);
    true
}
