//! Ancestors of a group, and its path by names.

use crate::group::node::{Node, NodeRef, SHIELDED};
use crate::report::failure::name_or_place;
use crate::tree::inner::each_inner;
use std::time::Instant;

impl Node {
    /// Whether the deadline of a group around this one, which reaches it through no shield, is not
    /// later than `at`.
    pub(crate) fn is_ended_by_outer(&self, at: Instant) -> bool {
        let mut node = self.to_ref();
        while node.flags() & SHIELDED == 0 {
            let Some(parent) = node.parent() else { break };
            // A group that has ended speaks no more; it is passed over until the groups inside it
            // are adopted.
            let speaks = |outer: Instant| outer <= at && !parent.word.is_closed();
            if parent.slow.lock().deadline().is_some_and(speaks) {
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

/// The path of the group at an address, which is compared and not followed; `None` if it is not in
/// the tree, or is moving.
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

/// The names from the root down, joined by `/`; a group without a name shows where it was opened.
/// Of a deep tree only the innermost groups are named, after `..`.
pub(crate) fn path(node: &Node) -> String {
    let mut names = Vec::new();
    let mut at = node.to_ref();
    while let Some(parent) = at.parent() {
        if names.len() == PATH_LIMIT {
            names.push("..".into());
            break;
        }
        names.push(name_or_place(at.name(), at.location));
        at = parent;
    }
    names.reverse();
    names.join("/")
}
