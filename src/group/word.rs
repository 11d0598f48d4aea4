//! The join word: how many children a group still has, and whether someone watches for the last one.
//!
//! Called by `group::node` alone. The word is the only thing of a group that every child touches, so it has a cache
//! line of its own there.
//!
//! # States
//!
//! | bits | name | set if |
//! |---|---|---|
//! | 5.. | count | that many children have entered and not yet left |
//! | 4 | `EACH` | every leaver takes the node's lock; set before the first entry, never cleared |
//! | 3 | `SERVED` | one of the count may be the node of the services; set under the node's lock before it enters, never cleared |
//! | 2 | `DEFERRING` | the task that runs the defers waits until it is the only child left; set and cleared under the node's lock |
//! | 1 | `WATCHED` | somebody must be told when the count falls low: the last leaver takes the node's lock; set under that lock, never cleared |
//! | 0 | `CLOSED` | the group has ended; the count is zero and stays zero |
//!
//! # Protocol
//!
//! Entering: 1. while the count is not zero, add one by compare-exchange; 2. at zero, the caller first enters the parent
//! and then makes the step 0 -> 1 by a compare-exchange that fails when the word is closed.
//!
//! Leaving: 1. if this might be the last child of a watched word, do not decrement but say so (`Leave::Watched`): the
//! leaver takes the node's lock while it is still counted, decrements, takes out whom to wake, and unlocks; 2. else
//! decrement. In both cases nothing of the node is touched afterwards: the decrement, or the unlock, is the last touch.
//!
//! Ending: the owner closes by a compare-exchange from zero. If it ever watched, it takes the lock once after it saw
//! zero, so that a leaver that is still inside has gone.
//!
//! # Why no wake-up is lost
//!
//! The owner watches under the lock, and the RMW that sets `WATCHED` returns the count. Either it returns zero, and the
//! owner goes on, or every later last leaver sees the bit in its own RMW, which comes later in the word's modification
//! order.
//!
//! # Roads not taken
//!
//! `fetch_sub` and a hand-shake after it costs the leaver a second RMW on a line that the owner is about to free.
//! Counts batched per worker gain 15-30% on large groups and lose half on groups of ten (scheduler measurements of the
//! prototype); they may come behind a benchmark with more cores.

use crate::sync::atomic::{AtomicUsize, Guess, Ordering};

const CLOSED: usize = 1;
const WATCHED: usize = 1 << 1;
const DEFERRING: usize = 1 << 2;
const SERVED: usize = 1 << 3;
const EACH: usize = 1 << 4;
const ONE: usize = 1 << 5;

/// A count that would wrap into the flags is a bug that must not go on: 2^58 children on a 64-bit machine.
const MAX: usize = usize::MAX / 2;

/// The one word of a group's join.
#[derive(Debug)]
pub(crate) struct JoinWord(AtomicUsize);

/// What came of an attempt to enter.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Enter {
    /// One more child is counted.
    Entered,
    /// Nobody is counted: enter the parent first, then call [`JoinWord::enter_first`].
    Zero,
    /// The group has ended.
    Closed,
}

/// What a leaver has to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Leave {
    /// Others are left. The word must not be touched any more.
    Left,
    /// This was the last child and nobody watches: give back the parent's count. The word must not be touched any more.
    Last,
    /// Still counted: take the node's lock and call [`JoinWord::leave_watched`].
    Watched,
}

impl JoinWord {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// How many children are counted.
    pub(crate) fn count(&self) -> usize {
        // Acquire: pairs with the Release in `leave` and `leave_watched`, so that who reads zero sees all writes of the
        // children.
        self.0.load(Ordering::Acquire) / ONE
    }

    /// Whether the group has ended.
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: who sees it closed looks for another ancestor, and uses nothing that the end wrote.
        self.0.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Counts one more child if at least one is counted already.
    #[inline]
    pub(crate) fn enter_nonzero(&self) -> Enter {
        let mut word = self.0.guess();
        loop {
            if word & CLOSED != 0 {
                return Enter::Closed;
            }
            if word < ONE {
                return Enter::Zero;
            }
            if word > MAX {
                std::process::abort();
            }
            // Acquire: pairs with the Release in `enter_first`: the parent is settled, and this child will read it when
            // it leaves. An entry publishes nothing; the job queue publishes the child.
            match self.0.compare_exchange_weak(
                word,
                word + ONE,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Enter::Entered,
                Err(now) => word = now,
            }
        }
    }

    /// The step 0 -> 1. The caller has entered the parent. False if somebody else was first, or the word is closed.
    pub(crate) fn enter_first(&self) -> bool {
        let mut word = self.0.guess();
        loop {
            if word & CLOSED != 0 || word >= ONE {
                return false;
            }
            // Release: publishes the parent pointer, which was settled before, to later entries.
            match self.0.compare_exchange_weak(
                word,
                word + ONE,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Gives one count back, unless somebody must be told.
    #[inline]
    pub(crate) fn leave(&self) -> Leave {
        let mut word = self.0.guess();
        loop {
            debug_assert!(word >= ONE, "left more often than entered");
            if is_low(word) && word & WATCHED != 0 {
                return Leave::Watched;
            }
            // AcqRel: Release gives this child's writes to whoever reads zero (`count`, `close`, `watch`); Acquire lets
            // the last one, who goes on to the parent, pass on the writes of all others.
            match self.0.compare_exchange_weak(
                word,
                word - ONE,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) if word / ONE == 1 => return Leave::Last,
                Ok(_) => return Leave::Left,
                Err(now) => word = now,
            }
        }
    }

    /// Gives one count back under the node's lock, and returns how many are left.
    pub(crate) fn leave_watched(&self) -> usize {
        // AcqRel: as in `leave`: those who left before this one did so without the lock.
        self.0.fetch_sub(ONE, Ordering::AcqRel) / ONE - 1
    }

    /// Asks that the last leaver take the lock, and returns the count. Called under the node's lock.
    pub(crate) fn watch(&self) -> usize {
        // Relaxed: the lock orders the bit with who wakes; if the count is zero already, `close` has the Acquire.
        self.0.fetch_or(WATCHED, Ordering::Relaxed) / ONE
    }

    /// Asks that a leaver take the lock already when one child is left: the one that runs the defers. Returns the
    /// count. Called under the node's lock.
    pub(crate) fn watch_defers(&self) -> usize {
        // Acquire: pairs with the Release in `leave`: the next defer sees what children wrote that left without the lock.
        self.0.fetch_or(WATCHED | DEFERRING, Ordering::Acquire) / ONE
    }

    /// Takes [`JoinWord::watch_defers`] back. Called under the node's lock.
    pub(crate) fn unwatch_defers(&self) {
        // Relaxed: the bit is only a hint to take the lock, and the lock orders everything that follows from it.
        self.0.fetch_and(!DEFERRING, Ordering::Relaxed);
    }

    /// Says that services may be counted, as one: who waits for the rest is told one earlier. Called under the node's
    /// lock, before the services enter.
    pub(crate) fn serve(&self) {
        // Relaxed: the services' entry is an RMW of the same word by the same thread, so who sees it counted sees the bit.
        self.0.fetch_or(SERVED, Ordering::Relaxed);
    }

    /// Asks that every leaver take the lock. Called before anybody enters.
    pub(crate) fn watch_each(&self) {
        // Relaxed: nobody else knows the node yet.
        self.0.fetch_or(EACH | WATCHED, Ordering::Relaxed);
    }

    /// Ends the group, if no child is counted.
    pub(crate) fn close(&self) -> bool {
        let mut word = self.0.guess();
        loop {
            if word >= ONE {
                return false;
            }
            // Acquire: pairs with the Release in `leave`: what follows (the arena) comes after all children. Who sees the
            // word closed uses nothing that the end wrote.
            match self.0.compare_exchange_weak(
                word,
                word | CLOSED,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }
}

/// Whether a leaver of this word could be one that somebody waits for.
fn is_low(word: usize) -> bool {
    let threshold = 1 + usize::from(word & DEFERRING != 0) + usize::from(word & SERVED != 0);
    word & EACH != 0 || word / ONE <= threshold
}
