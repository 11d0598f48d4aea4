//! The groups and tasks of the tree at about one moment, for dumps and shutdowns.
//!
//! It is taken from the links that are there anyhow, under one node's lock at a time, without
//! stopping any thread, and in parts where a node has many members. So it is not one moment for all
//! of the tree, and it costs nothing until it is asked for. Its cost is linear in the groups and
//! tasks that it shows, and it does not recurse.

use crate::group::node::{CANCELLED, Node, NodeRef, SHIELDED, STOPPING};
use crate::report::dump::GroupDump;
use crate::report::failure::Straggler;
use crate::tree::inner::{self, Walk, each_inner, each_member};
use crate::tree::paths::path;

/// The groups below a root.
pub(crate) fn groups(root: &NodeRef) -> Vec<GroupDump> {
    let mut found = Vec::new();
    // Depths are one more than the depth that is shown, because the root is not shown.
    let mut work = vec![(root.clone(), 0)];
    while let Some((node, depth)) = work.pop() {
        let shown = one(&node, depth, &mut work);
        if depth > 0 {
            found.push(shown);
        }
    }
    found
}

/// One group; those inside it are added to `work`.
fn one(node: &Node, depth: usize, work: &mut Vec<(NodeRef, usize)>) -> GroupDump {
    let count = node.word.count();
    let flags = node.flags();
    let mut tasks = Vec::with_capacity(count.min(inner::AT_ONCE));
    let mut walk = Walk::new(node);
    let slow = node.slow.lock();
    let mut more = walk.go_on(&slow, &mut tasks);
    each_inner(&slow, |inner| work.push((inner.to_ref(), depth + 1)));
    let mut awaited_by = Vec::new();
    slow.ending
        .each_wait(|waker| awaited_by.push(waker.data().addr()));
    let (why, deadline) = slow.known().map_or((None, None), |rare| {
        (
            rare.reason.as_ref().map(|reason| reason.kind),
            rare.deadline,
        )
    });
    let lines = slow.known().map_or(Vec::new(), |rare| {
        rare.lines.iter().filter_map(|find| find()).collect()
    });
    drop(slow);
    // Its memory grows without the lock.
    let mut part = Vec::new();
    while more {
        walk.rest();
        tasks.append(&mut part);
        part.reserve(inner::AT_ONCE);
        let slow = node.slow.lock();
        more = walk.go_on(&slow, &mut part);
        drop(slow);
    }
    drop(walk);
    tasks.append(&mut part);
    let lines = lines.iter().map(|line| {
        let mut wakers = Vec::new();
        let limit = line.each_wait(&mut |waker| wakers.push(waker.data().addr()));
        (limit, wakers)
    });
    let lines = lines.collect();
    // Oldest first, as the groups inside are.
    tasks.sort_by_key(|task| task.id);
    tasks.dedup_by_key(|task| task.id);
    GroupDump {
        depth: depth.saturating_sub(1),
        name: node.name().map(ToString::to_string),
        location: node.location,
        is_stopping: flags & STOPPING != 0,
        is_cancelled: flags & CANCELLED != 0,
        why,
        is_shielded: flags & SHIELDED != 0,
        deadline,
        count,
        tasks,
        tokio_tasks: Vec::new(),
        address: node.whole.addr().get(),
        awaited_by,
        lines,
    }
}

/// The tasks that are left below a node and linked: each has pended at least once, or waits in the
/// queue for threads that may block.
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
