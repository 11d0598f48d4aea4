//! The tree of groups: attaching, the first child, adoption, and what cascades downwards.
//!
//! The cancel tree *is* this tree: there is no second one.
//!
//! # Protocol
//!
//! *Attach*: lock the parent; link; read its flags; unlock. *Cascade*: set the flag; lock; collect the inner nodes;
//! unlock. Whichever comes second under the lock sees the other: a node that attaches while its parent is being
//! cancelled ends cancelled.
//!
//! *End*: close the word; pass through the lock; what is in the list is adopted by the nearest ancestor that is open.
//!
//! *First child*: a node enters its parent before its own count leaves zero, from the nearest counted ancestor down
//! ([`enter_first`]). A parent that has closed refuses, and the node is adopted by the nearest ancestor that is open,
//! at last the root, which never closes. The whole move is made under the node's own lock, through which an end passes
//! between closing the word and detaching: a node that has ended is not moved, and one that was moved detaches from
//! where it is.
//!
//! *End of a shield*: clear the flag; pass through the node's lock and its parent's; read the parent's flags.
//!
//! Locks are taken from child to parent, one node's list at a time; a cascade holds one lock at a time.

#![expect(unsafe_code, reason = "lists of inner nodes are intrusive")]

use crate::group::cut;
use crate::group::dump::TaskDump;
use crate::group::frame;
use crate::group::leaving::leave;
use crate::group::list::Links;
use crate::group::node::{CANCELLED, Node, NodeRef, OUTER, SHIELDED, STOPPING, Slow, wake};
use crate::group::reaper;
use crate::group::report::Straggler;
use crate::group::word::Enter;
use crate::sync::atomic::Ordering;
use std::mem::offset_of;
use std::ptr::NonNull;
use std::time::Instant;

/// The node whose links these are.
///
/// # Safety
///
/// `links` was made by `links_of`, and the node is alive.
unsafe fn node_of<'a>(links: NonNull<Links>) -> &'a Node {
    // SAFETY: `links_of` added this offset to a pointer to a whole node.
    let node = unsafe { links.byte_sub(offset_of!(Node, links)) };
    // SAFETY: alive, says the caller.
    unsafe { node.cast::<Node>().as_ref() }
}

/// A pointer to the links that keeps the provenance of the whole node.
fn links_of(node: &NodeRef) -> NonNull<Links> {
    // SAFETY: in bounds of the node.
    unsafe { node.as_ptr().byte_add(offset_of!(Node, links)) }.cast()
}

/// Calls `f` with each inner node. `slow` is what the lock of their parent protects, so the lock is held.
pub(crate) fn each_inner(slow: &Slow, mut f: impl FnMut(&Node)) {
    let mut visit = |links| {
        // SAFETY: linked nodes are alive, and their links were made by `links_of`.
        f(unsafe { node_of(links) });
    };
    // SAFETY: the lock is held.
    unsafe { slow.inner.for_each(&mut visit) };
}

/// Calls `f` with a description of each member of a node, whose lock is held: `slow` is what it protects.
pub(crate) fn each_member(node: &Node, slow: &Slow, mut f: impl FnMut(TaskDump)) {
    let mut describe = |links| {
        // SAFETY: linked members are alive, and the table is that of their group.
        f(unsafe { (node.table.describe_member)(links) });
    };
    // SAFETY: the lock is held.
    unsafe { slow.members.for_each(&mut describe) };
    // SAFETY: the lock is held.
    unsafe { slow.marked.for_each(&mut describe) };
}

/// Attaches a new node to its parent. If the parent is cancelled or stopping, so is the node.
pub(crate) fn attach(node: &NodeRef) {
    // SAFETY: the node is new.
    let Some(parent) = (unsafe { node.settled_parent() }) else {
        return;
    };
    let inherited = link(node, parent);
    inherit(node, inherited);
}

/// Puts a node into its parent's list, and returns the parent's flags.
fn link(node: &NodeRef, parent: &Node) -> u32 {
    let slow = parent.slow.lock();
    // SAFETY: the lock is held and the node is in no list; it detaches before it is freed (`end` detaches, and a
    // node that is never ended is never freed).
    unsafe { slow.inner.push(links_of(node)) };
    parent.flags()
}

/// What a new parent had been asked to do goes for the node as well.
fn inherit(node: &Node, flags: u32) {
    if flags & CANCELLED != 0 && node.flags() & SHIELDED == 0 {
        cancel(node, OUTER);
    } else if flags & STOPPING != 0 {
        stop(node);
    }
}

/// The owner polls a group outside the shield in which it polled it before. Whether the parent is cancelled: then so is
/// the group, from now on.
#[cold]
pub(crate) fn unshield(node: &Node) -> bool {
    node.clear_flags(SHIELDED);
    is_parent_cancelled(node)
}

/// Whether the parent of a group is cancelled that has just lost its shield.
pub(crate) fn is_parent_cancelled(node: &Node) -> bool {
    // As in Marking and Linking (`node`): the flag was cleared, then the locks are passed through. A cascade or an
    // adoption comes later under one of them, and sees no shield; or it came before, and its mark is seen here.
    let marked = node.with_parent(|parent| {
        let _list = parent.slow.lock();
        parent.is_cancelled()
    });
    marked.unwrap_or(false)
}

/// Takes a node that has ended out of its parent's list. Its word is closed, and the caller has passed through its lock since.
pub(crate) fn detach(node: &Node) {
    // SAFETY: closed, and passed through the lock, says the caller.
    if let Some(parent) = unsafe { node.settled_parent() } {
        let slow = parent.slow.lock();
        // SAFETY: the lock of the parent is held; a closed node is not adopted any more, so this is its parent.
        unsafe { node.links.unlink() };
        drop(slow);
    }
}

/// The groups inside a node that has ended, whose futures went elsewhere, are adopted: a cancel from above reaches them
/// also while nothing is counted in them, and somebody may be blocked in one.
pub(crate) fn give_away(node: &Node) {
    let mut inner = Vec::new();
    each_inner(&node.slow.lock(), |group| inner.push(group.to_ref()));
    for group in inner {
        adopt(&group);
    }
}

/// The step from no child to one: counts one more child after the ancestors have been entered. False if the group has
/// ended.
#[cold]
pub(crate) fn enter_first(node: &Node) -> bool {
    // Ancestors in which nobody is counted, the nearest one first. As a rule the parent is counted, and there are none.
    let mut path: Vec<NodeRef> = Vec::new();
    loop {
        let at: &Node = path.last().map_or(node, |at| at);
        // Under the lock of `at`, which keeps its parent. One that could be entered does not close, and keeps `at`.
        let made = match at.with_parent(|parent| parent.word.enter_nonzero()) {
            Some(Enter::Zero) => {
                path.extend(at.parent());
                continue;
            }
            Some(Enter::Closed) => {
                if at.serves() {
                    // The node of services ends with its group, and is not adopted: what is below it is. Nobody is counted in
                    // it, for then its group would be counted, and nobody can enter it any more.
                    at.word.close();
                }
                adopt(at);
                // One that has ended itself is not adopted: the node below it is.
                if at.word.is_closed() && path.pop().is_none() {
                    return false;
                }
                continue;
            }
            Some(Enter::Entered) => {
                make_step(at) || {
                    // Somebody else made that step, with an entry of its own; or the node has ended.
                    if let Some(parent) = at.parent() {
                        // SAFETY: one count on the parent is held and not used.
                        unsafe { leave(parent.whole) };
                    }
                    false
                }
            }
            // A root has nobody to enter.
            None => {
                at.word.enter_first() && {
                    // After the end of a runtime only the nodes below keep the root, and the last of them may be freed while
                    // whoever left it is on the way up: see `leaving::leave`.
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

/// Enters from the last node of the path, on which one count is held, down to `node`: that count becomes the entry of the node
/// below, and so on. False, with nothing held: somebody else was faster on the way.
fn go_down(node: &Node, path: &mut Vec<NodeRef>) -> bool {
    while let Some(at) = path.pop() {
        let below: &Node = path.last().map_or(node, |below| below);
        if !make_step(below) {
            // SAFETY: one count on `at` is held and not used.
            unsafe { leave(at.whole) };
            return false;
        }
    }
    true
}

/// The step 0 -> 1 of a node in whose parent a count is held. False if somebody else made it, or the node has ended.
fn make_step(node: &Node) -> bool {
    let made = node.word.enter_first();
    if made && node.serves() {
        // SAFETY: the node is counted.
        if let Some(group) = unsafe { node.settled_parent() } {
            group.slow.lock().ending.serve();
        }
    }
    made
}

/// Moves a node whose parent has closed to the nearest ancestor that is open.
fn adopt(node: &Node) {
    // An end closes its word, then passes through its lock and gives away what is in its list: it met this node there,
    // or is seen closed here.
    while move_up(node) && node.with_parent(|parent| parent.word.is_closed()) == Some(true) {}
}

/// One step of [`adopt`]; false if there was nothing to do.
fn move_up(node: &Node) -> bool {
    let handle = node.to_ref();
    let (inherited, former) = {
        let mut slow = node.slow.lock();
        // A node that ends closes its word, passes through this lock, and then detaches. So it is either seen closed
        // here, or finds itself in the list of its new parent there: the move is complete before the lock is given back.
        if node.word.is_closed() {
            return false;
        }
        // Relaxed: it changes under the lock that is held.
        let old = node.parent.load(Ordering::Relaxed);
        // SAFETY: alive: the node holds a reference on its present parent, which cannot change while the lock is held.
        let Some(old) = (unsafe { old.as_ref() }) else {
            return false;
        };
        if !old.word.is_closed() {
            return false; // another thread was faster
        }
        let mut new = old.to_ref();
        let mut passed = 0;
        while new.word.is_closed() {
            // The node of services is shielded so that cascades pass it by, and shields nothing that comes out of it.
            if !new.serves() {
                passed |= new.flags();
            }
            new = new.parent().expect("a root never closes");
        }
        // A shield around a group that has ended was around this one. Its next poll says whether there still is one.
        if passed & SHIELDED != 0 {
            node.set_flags(SHIELDED);
        }
        {
            let _list = old.slow.lock();
            // SAFETY: the lock of the old parent is held.
            unsafe { node.links.unlink() };
        }
        slow.ending.seal();
        let inherited = link(&handle, &new);
        // Relaxed: see the head of `node`.
        let former = node.parent.swap(new.into_raw(), Ordering::Relaxed);
        let former = NonNull::new(former).expect("a node with a parent");
        // SAFETY: the node owned one reference on its parent, and its parent is now another.
        (inherited, unsafe { NodeRef::from_raw(former) })
    };
    // Outside the lock: it may be the last reference, and others free what they keep.
    drop(former);
    inherit(node, inherited);
    true
}

/// Cancels a group and everything below it that is not shielded: marks, wakes, and queues reapers. No destructor of a
/// child runs here.
pub(crate) fn cancel(root: &Node, why: u32) {
    let mut work = vec![root.to_ref()];
    let mut unpolled = Vec::new();
    let mut why = why;
    while let Some(node) = work.pop() {
        let before = node.set_flags(CANCELLED | why);
        // What is below was cancelled from outside.
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
            reaper::queue(node.clone());
        }
        wake(owner);
        frame::outside(|| node.stop_waiters.wake_all());
        if left {
            unpolled.push(node);
        }
    }
    // Once all below are marked: a service that starts in one of them from now on cuts itself.
    for node in unpolled {
        cut::end_services(&node);
    }
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
        frame::outside(|| node.stop_waiters.wake_all());
    }
}

/// What is left below a node, as far as it has pended at least once.
pub(crate) fn stragglers(root: &Node) -> Vec<Straggler> {
    let mut found = Vec::new();
    let mut work = vec![root.to_ref()];
    while let Some(node) = work.pop() {
        let path = path(&node);
        let slow = node.slow.lock();
        each_member(&node, &slow, |task| {
            found.push(task.straggler(path.clone()));
        });
        each_inner(&slow, |inner| work.push(inner.to_ref()));
    }
    found
}

impl Node {
    /// Whether the deadline of a group around this one, which reaches it through no shield, is not later than `at`.
    pub(crate) fn is_ended_by_outer(&self, at: Instant) -> bool {
        let mut node = self.to_ref();
        while node.flags() & SHIELDED == 0 {
            let Some(parent) = node.parent() else { break };
            // A group that has ended speaks no more, until what was inside it is adopted.
            let speaks = |outer: Instant| outer <= at && !parent.word.is_closed();
            if parent.slow.lock().deadline.is_some_and(speaks) {
                return true;
            }
            node = parent;
        }
        false
    }

    /// This node and those around it, from the inside out.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = NodeRef> {
        std::iter::successors(Some(self.to_ref()), |node| node.parent())
    }
}

/// Groups that a path names at most, so that a dump of a deep tree stays linear.
const PATH_LIMIT: usize = 16;

/// The path of the group at an address, which is compared and not followed; `None` if it is not in the tree, or is moving.
pub(crate) fn path_at(root: &Node, address: usize) -> Option<String> {
    let mut work = vec![root.to_ref()];
    while let Some(node) = work.pop() {
        if node.as_ptr().addr().get() == address {
            return Some(path(&node));
        }
        each_inner(&node.slow.lock(), |inner| work.push(inner.to_ref()));
    }
    None
}

/// The names from the root down, joined by `/`; a group without a name shows where it was opened. Of a deep tree only
/// the innermost groups are named, after `..`.
pub(crate) fn path(node: &Node) -> String {
    let mut names = Vec::new();
    let mut at = node.to_ref();
    while let Some(parent) = at.parent() {
        if names.len() == PATH_LIMIT {
            names.push("..".into());
            break;
        }
        names.push(frame::name_or_place(at.name.as_ref(), at.location));
        at = parent;
    }
    names.reverse();
    names.join("/")
}
