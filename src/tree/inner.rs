//! The elements of a node's lists: the groups inside it, and its members.

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
pub(crate) fn links_of(node: &NodeRef) -> NonNull<Links> {
    // SAFETY: the offset of a field is in bounds of the node, which the reference keeps.
    unsafe { node.as_ptr().byte_add(offset_of!(Node, links)) }.cast()
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
