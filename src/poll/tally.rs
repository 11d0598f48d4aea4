//! The notes of a thread while it runs jobs: parts of its seat to write to, ids that it may give.

use crate::poll::live::LiveCounts;
use crate::poll::running::Running;
use crate::report::failure::TaskId;
use crate::scoped::{self, Place, Scoped};
use crate::sync::{LocalKey, process};
use std::cell::Cell;

/// The parts of its seat that this thread writes to.
#[derive(Clone, Copy)]
struct Tally<'a> {
    /// The record of the task that runs now, if that is published.
    running: Option<&'a Running>,
    /// The counts of tasks that end, and of members that are marked to be cut, in the jobs run
    /// here.
    counts: Option<&'a LiveCounts>,
}

/// A [`Tally`] is entered around the jobs.
struct Tallies;

impl Scoped for Tallies {
    type At<'a> = Tally<'a>;

    const NOTHING: Tally<'static> = Tally {
        running: None,
        counts: None,
    };

    const PLACE: &'static LocalKey<Place<Self>> = &TALLY;

    #[inline]
    fn shorten<'s, 'l>(tally: Tally<'l>) -> Tally<'s>
    where
        'l: 's,
    {
        tally
    }
}

/// Ids that a thread takes at once: one contended addition for each 1,024 spawns.
const ID_BLOCK: u64 = 1024;

crate::sync::thread_local! {
    static TALLY: Place<Tallies> = const { Place::new() };
    static IDS: Cell<u64> = const { Cell::new(0) };
}

/// A task number that no other task of the process has.
#[inline]
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
    scoped::enter::<Tallies, _>(Tally { running, counts }, f)
}

/// Calls `f` with the record in which this thread publishes the task that it runs.
#[inline]
pub(crate) fn with_record<R>(f: impl FnOnce(Option<&Running>) -> R) -> R {
    scoped::with::<Tallies, _>(|tally| f(tally.running))
}

/// Calls `f` with the counts for tasks that end in the jobs which this thread runs. They belong to
/// the runtime of those.
#[inline]
pub(crate) fn with_counts<R>(f: impl FnOnce(Option<&LiveCounts>) -> R) -> R {
    scoped::with::<Tallies, _>(|tally| f(tally.counts))
}
