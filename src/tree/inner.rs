//! The elements of a node's lists: the groups inside it, and its members; and how a group comes
//! into such a list, goes from one to another, and leaves it.
//!
//! # Invariant
//!
//! A node is in the list of its present parent, or in none. It enters and leaves the list under the
//! lock of that parent, and its parent changes under its own lock, which is taken first. The parent
//! of a node that is new, or has ended and passed its lock, is settled, and read without that lock.
//! A node that is in a list is not freed (`NodeRef::drop`).

#![expect(unsafe_code, reason = "the lists are intrusive")]

use crate::group::list::Links;
use crate::group::node::{Ending, Node, NodeRef, Slow, UNATTACHED};
use crate::job::Job;
use crate::report::dump::TaskDump;
use std::mem::offset_of;
use std::ptr::NonNull;

/// The node whose links these are.
///
/// # Safety
///
/// 1. `links` was made by `links_of`.
/// 2. The node is alive for `'a`.
unsafe fn node_of<'a>(links: NonNull<Links>) -> &'a Node {
    // SAFETY: (1): `links_of` added this offset to a pointer to a whole node, so the result is in
    // bounds.
    let node = unsafe { links.byte_sub(offset_of!(Node, links)) };
    // SAFETY: (2): the node is alive for `'a`; the pointer has the provenance of the whole.
    unsafe { node.cast::<Node>().as_ref() }
}

/// A pointer to the links that keeps the provenance of the whole node.
fn links_of(node: &Node) -> NonNull<Links> {
    // SAFETY: the offset of a field is in bounds of the node, to which this is the pointer that
    // keeps the provenance of the whole.
    unsafe { node.whole.byte_add(offset_of!(Node, links)) }.cast()
}

/// Puts a node into the list of a parent, whose flags are returned. The parent is settled.
fn push(node: &Node, parent: &Node) -> u32 {
    let slow = parent.slow.lock();
    assert!(
        !node.links.is_linked(),
        "a group is in the list of one parent"
    );
    // SAFETY: `push` (1): the lock is held, and the node is in no list. (2): nodes do not move, and
    // one that is linked is not freed (`NodeRef::drop`); the parent is kept by the node.
    unsafe { slow.inner.push(links_of(node)) };
    parent.flags()
}

/// Takes a node out of the list of its present parent, if it is there. The parent is settled.
fn take_out(node: &Node, parent: &Node) {
    let slow = parent.slow.lock();
    // SAFETY: `unlink` (1): a node is in the list of its present parent or in none, and the lock of
    // that parent is held. (2): a linked neighbour is not freed (`NodeRef::drop`).
    unsafe { node.links.unlink() };
    drop(slow);
}

/// Puts a new node into the list of its parent, and returns the parent's flags then; `None` for a
/// root.
///
/// # Safety
///
/// No other thread knows the node yet.
pub(crate) unsafe fn link(node: &Node) -> Option<u32> {
    // SAFETY: `settled_parent`: the node is not yet known to others, says the caller.
    unsafe { node.settled_parent() }.map(|parent| push(node, parent))
}

/// Puts a node into the list of its parent that was opened unattached, and returns the parent's
/// flags then; `None` if it was there already. `begins` is called before others can find it.
pub(crate) fn link_late(node: &Node, begins: impl FnOnce()) -> Option<u32> {
    // The list of the parent is locked after the node, as in every move.
    let _lock = node.slow.lock();
    let (false, Some(parent)) = (node.is_attached(), node.parent_ptr()) else {
        return None;
    };
    // SAFETY: alive: the node holds a reference on its parent, which does not change while the lock
    // is held.
    let parent = unsafe { parent.as_ref() };
    debug_assert!(parent.is_attached(), "before a group is opened in it");
    begins();
    let inherited = push(node, parent);
    node.clear_flags(UNATTACHED);
    Some(inherited)
}

/// Takes a node that has ended out of the list of its parent.
///
/// # Safety
///
/// The word of the node is closed, and the caller has passed through the node's lock since.
pub(crate) unsafe fn unlink(node: &Node) {
    // SAFETY: `settled_parent`: the node is closed, and the lock was passed, says the caller.
    if let Some(parent) = unsafe { node.settled_parent() } {
        take_out(node, parent);
    }
}

/// What a node finds that was moved.
pub(crate) struct Moved {
    /// The flags of the new parent, once the node was in its list.
    pub(crate) inherited: u32,
    /// The reference on the former parent. It may be the last one: it is dropped with no lock held.
    pub(crate) former: Option<NodeRef>,
}

/// Moves a node whose parent has ended to the nearest ancestor that is open; `None` if its parent
/// is open, or the node itself has ended.
///
/// `arrive` is called under the node's lock just before it is moved, with the flags of the
/// ancestors that are passed; those of nodes of services do not go for what comes out of them.
pub(crate) fn move_up(node: &Node, arrive: impl FnOnce(&mut Ending, u32)) -> Option<Moved> {
    let mut slow = node.slow.lock();
    // A node that ends closes its word, passes through this lock, and then leaves its list. So this
    // mover sees it closed, or the end finds it in the list of its new parent: the move is complete
    // before the lock is given back.
    if node.word.is_closed() {
        return None;
    }
    // SAFETY: the node holds a reference on its present parent, which cannot change while the lock
    // is held.
    let old = unsafe { node.parent_ptr()?.as_ref() };
    if !old.word.is_closed() {
        return None; // another mover was faster
    }
    let mut new = old.to_ref();
    let mut passed = 0;
    while new.word.is_closed() {
        if !new.serves() {
            passed |= new.flags();
        }
        new = new.parent().expect("a root never closes");
    }
    arrive(&mut slow.ending, passed);
    take_out(node, old);
    let inherited = push(node, &new);
    // SAFETY: `set_parent` (1): `slow` is the guard. (2): the word of the parent is closed, and
    // stays so. (3): `new` was found on the way up.
    let former = unsafe { node.set_parent(new) };
    Some(Moved { inherited, former })
}

/// Calls `f` with each inner node. `slow` is borrowed from the guard of their parent's lock, so
/// that lock is held.
pub(crate) fn each_inner(slow: &Slow, mut f: impl FnMut(&Node)) {
    let mut visit = |links| {
        // SAFETY: (1): links of inner nodes are made by `links_of`. (2): linked nodes are alive
        // while the lock is held.
        f(unsafe { node_of(links) });
    };
    // SAFETY: the lock of the list is held, as `slow` shows.
    unsafe { slow.inner.for_each(&mut visit) };
}

/// Marks members that no reaper has seen, as many as there are places in `claimed`, and puts the
/// right to cut those that were idle there. Answers whether members are left.
pub(crate) fn mark_members(node: &Node, claimed: &mut [Option<Job>]) -> bool {
    let slow = node.slow.lock();
    for place in claimed {
        let Some(member) = slow.members.first() else {
            return false;
        };
        // SAFETY: a linked member is alive: it unlinks under the lock, which is held, before it is
        // freed.
        let links = unsafe { member.as_ref() };
        // SAFETY: `unlink` (1): the lock is held. (2): the neighbours are linked, and so alive.
        unsafe { links.unlink() };
        // SAFETY: `push` (1): the lock is held, and the member was just unlinked. (2): the member
        // stays where it is until it unlinks, and the list is in the node, which does not move.
        unsafe { slow.marked.push(member) };
        // SAFETY: (1): the member is linked, and alive. (2): the lock is held, so that it can
        // neither unlink nor end; and the table is that of its group.
        *place = unsafe { (node.table.mark_member)(member) };
    }
    !slow.members.is_empty()
}

/// Members that a [`Walk`] describes while it holds the lock of their node: some microseconds.
pub(crate) const AT_ONCE: usize = 128;

/// The last ones of these, which the walk keeps: it goes on behind one that has not ended.
const KEPT: usize = 8;

/// A walk over the members of a node that gives its lock back again and again, so that members
/// which come and go meanwhile never wait for long.
pub(crate) struct Walk<'a> {
    node: &'a Node,
    last: Vec<Kept<'a>>,
    /// Those of the time before, which are given back without the lock.
    former: Vec<Kept<'a>>,
}

/// A reference that keeps the memory of a member, as a waker does.
struct Kept<'a> {
    node: &'a Node,
    member: NonNull<Links>,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        // SAFETY: the reference was taken by the table of this node, and no lock is held: see
        // `Walk`.
        unsafe { (self.node.table.release_member)(self.member) };
    }
}

impl<'a> Walk<'a> {
    pub(crate) fn new(node: &'a Node) -> Self {
        Self {
            node,
            last: Vec::with_capacity(KEPT),
            former: Vec::with_capacity(KEPT),
        }
    }

    /// Describes the next members to `part`, which has room for them; whether there are more. One
    /// may be described twice. `slow` is borrowed from the guard of the lock of the node; before
    /// the next call, without it, comes [`Walk::rest`].
    pub(crate) fn go_on(&mut self, slow: &Slow, part: &mut Vec<TaskDump>) -> bool {
        let begins = self.last.is_empty();
        let mut at = match begins {
            true => slow.members.first(),
            false => self.behind(slow),
        };
        // The walk has lost its place: all of it once more, under this one lock.
        let lost = !begins && at.is_none();
        if lost {
            at = slow.members.first();
        }
        std::mem::swap(&mut self.former, &mut self.last);
        let mut count = 0;
        while let Some(member) = at {
            if !lost && count == AT_ONCE {
                return true;
            }
            if count + KEPT >= AT_ONCE && !lost {
                // SAFETY: (1): the member is linked, and alive. (2): the lock is held; the table is
                // that of its group.
                unsafe { (self.node.table.keep_member)(member) };
                let node = self.node;
                self.last.push(Kept { node, member });
            }
            // SAFETY: as above.
            part.push(unsafe { (self.node.table.describe_member)(member) });
            count += 1;
            // SAFETY: the lock of the list is held, and the member is in it.
            at = unsafe { slow.members.after(member) };
        }
        let describe = |member| {
            // SAFETY: as above.
            part.push(unsafe { (self.node.table.describe_member)(member) });
        };
        // SAFETY: the lock of the list is held, as `slow` shows.
        unsafe { slow.marked.for_each(describe) };
        false
    }

    /// The lock was given back.
    pub(crate) fn rest(&mut self) {
        self.former.clear();
    }

    /// The member behind the last one that is still in the list. None if a reaper has begun to move
    /// members, or none of those that are kept is there; or if it was the last, of which nothing is
    /// lost.
    fn behind(&self, slow: &Slow) -> Option<NonNull<Links>> {
        if !slow.marked.is_empty() {
            return None;
        }
        let linked = self.last.iter().rev().find(|kept| {
            // SAFETY: the reference keeps it.
            let links = unsafe { kept.member.as_ref() };
            links.is_linked()
        })?;
        // SAFETY: the lock is held, and the member is in this list: it is in one of the two of its
        // node, and the other one is empty.
        unsafe { slow.members.after(linked.member) }
    }
}

/// Calls `f` with a description of each member of a node. `slow` is borrowed from the guard of its
/// lock, so that lock is held.
pub(crate) fn each_member(node: &Node, slow: &Slow, mut f: impl FnMut(TaskDump)) {
    let mut describe = |links| {
        // SAFETY: linked members are alive while the lock of their group is held, and the table is
        // that of their group.
        f(unsafe { (node.table.describe_member)(links) });
    };
    // SAFETY: the lock of the list is held, as `slow` shows.
    unsafe { slow.members.for_each(&mut describe) };
    // SAFETY: the lock of the list is held, as `slow` shows.
    unsafe { slow.marked.for_each(&mut describe) };
}
