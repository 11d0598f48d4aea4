//! The reaper: the job that cuts the members of a cancelled group, at the bottom of a worker's
//! loop, or in the wait of a caller that blocks in the group.
//!
//! A canceller only marks (see `cascade::cancel`) and queues one reaper for each group that has
//! members. So no destructor of a child runs on the canceller's stack, where it might find a lock
//! held that it wants, and nothing recurses.
//!
//! # Protocol
//!
//! 1. Lock; move up to [`CHUNK`] members to the list of marked ones; mark each, and claim those
//!    that are idle; unlock.
//! 2. If members are left, queue the reaper again first, so that an idle worker can take the rest.
//! 3. Cut the members that were claimed. The runner of a member that runs or is queued sees the
//!    mark itself.

#![expect(unsafe_code, reason = "a reaper is a job inside its node")]

use crate::group::node::{Node, NodeRef};
use crate::job::{Job, JobHeader, JobTable};
use std::mem::offset_of;
use std::ptr::NonNull;

/// Members for each hold of the lock, and for each job: about 3 us of cutting at 50 ns each, so
/// that a spawner is not held up longer, and 100,000 members make about 1,600 jobs to share.
/// Cutting one member was measured at 30 to 40 ns.
const CHUNK: usize = 64;

pub(crate) static TABLE: JobTable = JobTable {
    run: reap,
    group: |_| std::ptr::null(),
    on_stack: false,
};

/// Queues a reaper for a node.
pub(crate) fn queue(node: NodeRef) {
    let raw = NonNull::new(node.into_raw()).expect("a reference is not null");
    // SAFETY: the reference that was just given up keeps the node alive until `reap` takes it back,
    // and `reap` has not run: its job is made below.
    let node = unsafe { raw.as_ref() };
    // SAFETY: in bounds of the node; the pointer keeps the provenance of the whole node.
    let header = unsafe { raw.byte_add(offset_of!(Node, reaper)) };
    // SAFETY: (1): the reference keeps the node until `reap` runs, which takes it over. (2): nodes
    // are `Send` and `Sync`, so any thread may run it. (3): there may be a second job for this
    // node, but each owns a reference of its own, and two that run at once are sound, because
    // `reap` works under the node's lock.
    let job = unsafe { Job::new(header.cast()) };
    node.spawn().wake(job, node);
}

unsafe fn reap(header: NonNull<JobHeader>) {
    // SAFETY: `JobTable::run` (1): the pointer is the one that `queue` made from a whole node by
    // adding this offset.
    let node = unsafe { header.byte_sub(offset_of!(Node, reaper)) };
    // SAFETY: `queue` gave one reference up to this job, by `into_raw`, and `run` is called once
    // for each job.
    let node = unsafe { NodeRef::from_raw(node.cast::<Node>()) };
    let mut claimed: [Option<Job>; CHUNK] = [const { None }; CHUNK];
    let more = {
        let slow = node.slow.lock();
        for slot in &mut claimed {
            let Some(member) = slow.members.first() else {
                break;
            };
            // SAFETY: a linked member is alive: it unlinks under the lock, which is held, before it
            // is freed.
            let links = unsafe { member.as_ref() };
            // SAFETY: (1): the lock is held. (2): the neighbours are linked, and so alive.
            unsafe { links.unlink() };
            // SAFETY: (1): the lock is held, and the member was just unlinked. (2): the member
            // stays where it is until it unlinks, and the list is in the node, which does not move.
            unsafe { slow.marked.push(member) };
            // SAFETY: the member is linked and alive: it cannot unlink, and so not end, while the
            // lock is held, and the table is that of its group.
            *slot = unsafe { (node.table.mark_member)(member) };
        }
        !slow.members.is_empty()
    };
    if more {
        queue(node.clone());
    }
    for job in claimed.into_iter().flatten() {
        job.run();
    }
}
