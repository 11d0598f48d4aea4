//! The notes of a thread while it runs jobs: parts of its seat to write to, ids that it may give,
//! operations that the poll may spend.

#![expect(unsafe_code, reason = "the parts of a seat are borrowed around a job")]

use crate::poll::live::LiveCounts;
use crate::poll::running::Running;
use crate::report::failure::TaskId;
use crate::sync::process;
use std::cell::Cell;
use std::ptr;

/// The parts of its seat that this thread writes to, or null.
#[derive(Clone, Copy)]
struct Tally {
    /// The record of the task that runs now, if that is published.
    running: *const Running,
    /// The counts of tasks that end, and of members that are marked to be cut, in the jobs run
    /// here.
    counts: *const LiveCounts,
}

const NO_TALLY: Tally = Tally {
    running: ptr::null(),
    counts: ptr::null(),
};

/// Ids that a thread takes at once: one contended addition for each 1,024 spawns.
const ID_BLOCK: u64 = 1024;

crate::sync::thread_local! {
    static TALLY: Cell<Tally> = const { Cell::new(NO_TALLY) };
    static IDS: Cell<u64> = const { Cell::new(0) };
    static BUDGET: Cell<u8> = const { Cell::new(BUDGET_OF_A_POLL) };
}

/// Operations on our own leaves that may succeed in one poll of a task before it must yield. tokio
/// uses 128 for the same purpose; at 1-2 us for a read or write it bounds a poll to about 0.2 ms.
const BUDGET_OF_A_POLL: u8 = 128;

/// A poll of a task begins.
#[inline]
pub(crate) fn new_budget() {
    BUDGET.set(BUDGET_OF_A_POLL);
}

/// Takes one operation from the budget of this poll; false if there is none left: the leaf wakes
/// itself and is pending.
pub(crate) fn spend_budget() -> bool {
    let left = BUDGET.get();
    if left == 0 {
        BUDGET.set(BUDGET_OF_A_POLL);
        return false;
    }
    BUDGET.set(left - 1);
    true
}

/// A task number that no other task of the process has.
pub(crate) fn next_id() -> TaskId {
    let next = IDS.get();
    let id = if next % ID_BLOCK == 0 {
        process::next_number() * ID_BLOCK
    } else {
        next
    };
    IDS.set(id + 1);
    TaskId(id)
}

/// Runs `f`, which runs jobs of one runtime. The tasks that they poll are published in `running`,
/// and those that end in them are counted in `counts`: both belong to a seat of that runtime which
/// this thread holds.
#[inline]
pub(crate) fn with_tally<R>(
    running: Option<&Running>,
    counts: Option<&LiveCounts>,
    f: impl FnOnce() -> R,
) -> R {
    struct Restore(Tally);
    impl Drop for Restore {
        fn drop(&mut self) {
            TALLY.set(self.0);
        }
    }
    let _restore = Restore(TALLY.replace(Tally {
        running: running.map_or(ptr::null(), ptr::from_ref),
        counts: counts.map_or(ptr::null(), ptr::from_ref),
    }));
    f()
}

/// The record in which this thread publishes the task that it runs.
///
/// # Safety
///
/// The reference is used within one job.
pub(crate) unsafe fn record<'a>() -> Option<&'a Running> {
    // SAFETY: null, or borrowed by `with_tally` around the job, within which the caller uses it.
    unsafe { TALLY.get().running.as_ref() }
}

/// The counts for tasks that end in the jobs which this thread runs. They belong to the runtime of
/// those.
///
/// # Safety
///
/// The reference is used within one job.
pub(crate) unsafe fn counts<'a>() -> Option<&'a LiveCounts> {
    // SAFETY: null, or borrowed by `with_tally` around the job, within which the caller uses it.
    unsafe { TALLY.get().counts.as_ref() }
}
