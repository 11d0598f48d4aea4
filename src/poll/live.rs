//! What began and what has ended, so that anybody may ask how many tasks and groups are alive.
//!
//! Each seat has a counts, which the thread on it writes; the runtime has one for threads without a seat. What begins in
//! one counts may end in another, so only the sums over all of them mean something.
//!
//! # Protocol
//!
//! Writing: 1. a beginning is written before anybody else can know what begins; 2. an end is written (Release) before
//! the count, or the answer, by which others learn of it. Reading: 1. add up the ends (Acquire) of all all_counts; 2. add up
//! the beginnings of all of them.
//!
//! # Why no reading is too low
//!
//! Who reads an end sees all that came before it, so also the beginning of what ended. Hence what is alive from before
//! a reading until after it is counted there, and what others learnt to have ended is not. What began or ended
//! meanwhile may be counted or not.
//!
//! # Roads not taken
//!
//! One counter for what is alive would be a locked instruction for each task, on a line that all threads want. One
//! difference for each counts would be half the size; but a reader that met an end without its beginning would lose
//! somebody else.

use crate::sync::atomic::{AtomicU64, Ordering};

/// The counts of a seat, or that of a runtime.
#[derive(Debug)]
pub(crate) struct LiveCounts {
    pub(crate) tasks: Counts,
    pub(crate) groups: Counts,
    marks: AtomicU64,
}

/// Things of one kind.
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
        // Relaxed: a statistic with one writer, here and below.
        let marks = self.marks.load(Ordering::Relaxed);
        // Relaxed: as above.
        self.marks.store(marks + 1, Ordering::Relaxed);
    }

    /// Steps towards the end of a tree: tasks that have ended, and marks. Each task makes at most two.
    pub(crate) fn steps(&self) -> u64 {
        // Relaxed: a statistic, here and below.
        let ended = self.tasks.ended.load(Ordering::Relaxed);
        // Relaxed: as above.
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
        // Relaxed: what begins is handed on after this; who ends it publishes both (see `end`).
        self.begun.store(begun + 1, Ordering::Relaxed);
    }

    /// Counts an end. Only the thread on the seat calls it.
    #[inline]
    pub(crate) fn end(&self) {
        // Relaxed: this thread is the only writer.
        let ended = self.ended.load(Ordering::Relaxed);
        // Release: pairs with the Acquire in `alive`: who sees the end sees the beginning.
        self.ended.store(ended + 1, Ordering::Release);
    }

    /// As [`Counts::begin`], for any thread.
    pub(crate) fn begin_shared(&self) {
        // Relaxed: as in `begin`.
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// As [`Counts::end`], for any thread.
    pub(crate) fn end_shared(&self) {
        // Release: as in `end`; a later addition by another thread continues the release sequence.
        self.ended.fetch_add(1, Ordering::Release);
    }
}

/// How many things are alive, by all accounts of their kind.
pub(crate) fn alive<'a, I: Iterator<Item = &'a Counts> + Clone>(accounts: I) -> u64 {
    // Acquire: pairs with the Release in `end` and `end_shared`: the beginning of what ended is seen below.
    let ended = |account: &Counts| account.ended.load(Ordering::Acquire);
    let ended: u64 = accounts.clone().map(ended).sum();
    // Relaxed: read after all ends, which is all that matters.
    let begun = |account: &Counts| account.begun.load(Ordering::Relaxed);
    let begun: u64 = accounts.map(begun).sum();
    // Never negative, by the protocol.
    begun.saturating_sub(ended)
}
