//! How many tasks and groups began, and how many have ended, so that any thread may ask how many
//! are alive.
//!
//! Each seat has counts, which the thread on it writes; the runtime has counts for threads without
//! a seat. A task that begins in those of one seat may end in those of another, so only the sums
//! over all of them mean something.
//!
//! # Protocol
//!
//! Writing: 1. a beginning is written before another thread can know the task or group; 2. an end
//! is written (Release) before the join word, or the answer, by which others learn of it.
//! Reading: 1. add up the ends (Acquire) of all counts; 2. add up the beginnings of all of them.
//!
//! # Why no reading is too low
//!
//! A reader that sees an end sees all that came before it, so also the beginning of the same task
//! or group. Hence one that is alive from before a reading until after it is counted there, and one
//! that others learnt to have ended is not. One that began or ended meanwhile may be counted or
//! not.
//!
//! # Roads not taken
//!
//! One counter for all that are alive would be a locked instruction for each task, on a cache line
//! that all threads want. One difference for each seat would be half the size; but a reader that
//! met an end without its beginning would lose another task or group that is alive.

use crate::sync::atomic::{AtomicU64, Ordering};

/// The counts of a seat, or those of a runtime.
#[derive(Debug)]
pub(crate) struct LiveCounts {
    pub(crate) tasks: Counts,
    pub(crate) groups: Counts,
    marks: AtomicU64,
}

/// Those of one kind: of tasks, or of groups.
#[derive(Debug)]
pub(crate) struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl LiveCounts {
    pub(crate) fn new() -> Self {
        Self {
            tasks: Counts::new(),
            groups: Counts::new(),
            marks: AtomicU64::new(0),
        }
    }

    /// Counts a member that was marked here to be cut. Only the thread on the seat calls it.
    pub(crate) fn mark(&self) {
        // Relaxed: a statistic, and this thread is its only writer.
        let marks = self.marks.load(Ordering::Relaxed);
        // Relaxed: a statistic, and this thread is its only writer.
        self.marks.store(marks + 1, Ordering::Relaxed);
    }

    /// Steps towards the end of a tree: tasks that have ended, and marks. Each task makes at most
    /// two.
    pub(crate) fn steps(&self) -> u64 {
        // Relaxed: a statistic: a look at progress, which comes again.
        let ended = self.tasks.ended.load(Ordering::Relaxed);
        // Relaxed: a statistic: a look at progress, which comes again.
        ended + self.marks.load(Ordering::Relaxed)
    }
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self {
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// Counts a beginning. Only the thread on the seat calls it.
    #[inline]
    pub(crate) fn begin(&self) {
        // Relaxed: this thread is the only writer.
        let begun = self.begun.load(Ordering::Relaxed);
        // Relaxed: the task or group is handed on after this, and its end publishes both (see
        // `end`).
        self.begun.store(begun + 1, Ordering::Relaxed);
    }

    /// Counts an end. Only the thread on the seat calls it.
    #[inline]
    pub(crate) fn end(&self) {
        // Relaxed: this thread is the only writer.
        let ended = self.ended.load(Ordering::Relaxed);
        // Release: pairs with the Acquire in `alive`: a reader that sees the end sees the
        // beginning.
        self.ended.store(ended + 1, Ordering::Release);
    }

    /// As [`Counts::begin`], for any thread.
    pub(crate) fn begin_shared(&self) {
        // Relaxed: the task or group is handed on after this, and its end publishes both (see
        // `end`).
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// As [`Counts::end`], for any thread.
    pub(crate) fn end_shared(&self) {
        // Release: pairs with the Acquire in `alive`: a reader that sees the end sees the
        // beginning; a later addition by another thread continues the release sequence.
        self.ended.fetch_add(1, Ordering::Release);
    }
}

/// How many tasks or groups are alive, by all counts of their kind.
pub(crate) fn alive<'a, I: Iterator<Item = &'a Counts> + Clone>(accounts: I) -> u64 {
    // Acquire: pairs with the Release in `end` and `end_shared`: the beginning of each that ended
    // is seen below.
    let ended = |account: &Counts| account.ended.load(Ordering::Acquire);
    let ended: u64 = accounts.clone().map(ended).sum();
    // Relaxed: read after all ends, which is all that matters.
    let begun = |account: &Counts| account.begun.load(Ordering::Relaxed);
    let begun: u64 = accounts.map(begun).sum();
    // Never negative, by the protocol.
    begun.saturating_sub(ended)
}
