//! The reaper: the job that cuts the members of a cancelled group, at the bottom of a worker's
//! loop.
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

use crate::group::node::{NodeJob, NodeJobTable, NodeRef};
use crate::job::Job;
use crate::tree::inner;

/// Members for each hold of the lock, and for each job: about 3 us of cutting at 50 ns each, so
/// that a spawner is not held up longer, and 100,000 members make about 1,600 jobs to share.
/// Cutting one member was measured at 30 to 40 ns.
const CHUNK: usize = 64;

pub(crate) static TABLE: NodeJobTable = NodeJobTable::of::<Reaper>();

struct Reaper;

/// Queues a reaper for a node.
pub(crate) fn queue(node: &NodeRef) {
    node.pool().wake(node.clone().into_job());
}

impl NodeJob for Reaper {
    fn run(node: NodeRef) {
        let mut claimed: [Option<Job>; CHUNK] = [const { None }; CHUNK];
        let more = inner::mark_members(&node, &mut claimed);
        if more {
            queue(&node);
        }
        for job in claimed.into_iter().flatten() {
            job.run();
        }
    }
}
