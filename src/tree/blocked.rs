//! The cut of one task reaches it where it is blocked, whatever its threads run meanwhile.

use crate::group::node::SHIELDED;
use crate::poll::frame;
use crate::poll::own_cancel::{Reach, take_waiters};
use crate::tree::cascade;
use crate::waiters;

/// After the task at this address was marked: cancels the groups that its blocked frames wait for,
/// as those would when they are polled next, and wakes them. A frame whose thread runs a child of
/// such a group is not polled before the child has returned, and the child may wait for this.
#[cold]
pub(crate) fn cut(task: usize) {
    let mut groups = Vec::new();
    let wakers = take_waiters(task, |reach| match reach {
        Reach::Nothing => {}
        Reach::Group(node) => groups.push(node.to_ref()),
        Reach::Host(host) => host.groups(&mut groups),
    });
    while let Some(node) = groups.pop() {
        // No cut from outside goes into a shield.
        if node.flags() & SHIELDED != 0 {
            continue;
        }
        cascade::cancel_with_owner(&node);
        node.body.groups(&mut groups);
    }
    frame::outside(|| wakers.into_iter().for_each(waiters::wake));
}
