//! For which groups a blocked caller waits, and which groups are below them.

use crate::group::node::{Host, Node};
use crate::sync::atomic::Ordering;
use std::ptr;

/// The groups for which a blocked caller waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    /// The groups that its future opens: those that are open in this host.
    In(*const Host),
    /// One group.
    Group(*const Node),
    /// No group.
    Nothing,
}

/// Levels that a look upwards takes at most, so that a look is cheap in a deep tree. A group that
/// is deeper below the awaited one counts as a stranger: the workers run its jobs.
pub(crate) const LEVELS: usize = 8;

impl Awaited {
    /// Whether that is the same, by addresses.
    pub(crate) fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::In(host), Self::In(other)) => ptr::eq(host, other),
            (Self::Group(group), Self::Group(other)) => ptr::eq(group, other),
            _ => false,
        }
    }

    /// Whether a group is the awaited one, or is below it: what the join waits for. Services, and
    /// what is in their groups, end after the body that starts them, and after the join: one that
    /// blocked on the stack of either would wait for ever.
    pub(crate) fn contains(self, group: &Node) -> bool {
        let is_it = |node: &Node| match self {
            // Relaxed: addresses are compared; a group that moves at this moment may count as
            // either.
            Self::In(host) => node.hosted.host.load(Ordering::Relaxed).cast_const() == host,
            Self::Group(awaited) => ptr::eq(node, awaited),
            Self::Nothing => false,
        };
        if matches!(self, Self::Nothing) || group.serves() {
            return false;
        }
        // As a rule it is the group itself, and no reference is made.
        if is_it(group) {
            return true;
        }
        let mut above = group.ancestors().take(LEVELS).skip(1);
        let at = above.find(|node| is_it(node) || node.serves());
        at.is_some_and(|node| is_it(&node))
    }
}
