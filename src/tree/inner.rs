//! What hangs in a node's lists: the groups inside it, and its members.

#![expect(unsafe_code, reason = "the lists are intrusive")]

use crate::group::list::Links;
use crate::group::node::{Node, NodeRef, Slow};
use crate::report::dump::TaskDump;
use std::mem::offset_of;
use std::ptr::NonNull;

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
pub(crate) fn links_of(node: &NodeRef) -> NonNull<Links> {
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
