//! The join word: how many children a group still has, and whether an owner, a host or a closer
//! watches for the last one.
//!
//! Called by `tree`, and, under the node's lock, by `ending`. The word is the only part of a node
//! that every child writes, so it has a cache line of its own there.
//!
//! # States
//!
//! | bits | name | set if |
//! |---|---|---|
//! | 4.. | count | that many children have entered and not yet left |
//! | 3 | `EACH` | every leaver takes the node's lock; set under that lock, never cleared |
//! | 2 | `TAIL` | a defer or a service was registered: the word is closed under the lock; set under it, never cleared |
//! | 1 | `WATCHED` | the last leaver takes the node's lock, to wake the actor that watches; set under it, never cleared |
//! | 0 | `CLOSED` | the group has ended; the count is zero and stays zero |
//!
//! # Protocol
//!
//! Entering: 1. while the count is not zero, add one by compare-exchange; 2. at zero, the caller
//! first enters the parent and then makes the step 0 -> 1 by a compare-exchange that fails when the
//! word is closed.
//!
//! Leaving: 1. if the word says so, do not decrement but answer `Leave::Locked`: the leaver takes
//! the node's lock while it is still counted, and its next duty is decided there, with the
//! decrement, in one step (`Ending::depart`); 2. else decrement. In both cases nothing of the node
//! is touched afterwards: the decrement, or the unlock, is the last touch.
//!
//! Ending: a word that is zero in every bit is closed by one compare-exchange: no actor ever
//! watched, and there is nothing to do after the last child. Any other is closed under the lock, so
//! that a leaver which is still inside has gone by then.
//!
//! # Why no wake-up is lost
//!
//! The owner watches under the lock, and the RMW that sets `WATCHED` returns the count. Either it
//! returns zero, and the owner goes on, or every later last leaver sees the bit in its own RMW,
//! which comes later in the word's modification order. The closer, which waits for the last of the
//! others, sets `EACH` in the same way.
//!
//! # Roads not taken
//!
//! `fetch_sub` and a hand-shake after it costs the leaver a second RMW on a cache line that the
//! owner is about to free. Counts batched per worker gain 15-30% on large groups and lose half on
//! groups of ten (measured); they may come behind a benchmark with more cores. A threshold that
//! moved with services and the closer kept all but the last leavers of such groups off the lock;
//! its comparison and its decrement were two steps, and a group never ended when two children left
//! between them.

use crate::sync::atomic::{AtomicUsize, Guess, Ordering};

const CLOSED: usize = 1;
const WATCHED: usize = 1 << 1;
const TAIL: usize = 1 << 2;
const EACH: usize = 1 << 3;
const ONE: usize = 1 << 4;

/// A count that would wrap into the flags is a bug that must not go on: 2^59 children on a 64-bit
/// machine.
const MAX: usize = usize::MAX / 2;

/// The one word of a group's join.
#[derive(Debug)]
pub(crate) struct JoinWord(AtomicUsize);

/// The outcome of an attempt to enter.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Enter {
    /// One more child is counted.
    Entered,
    /// No child is counted: enter the parent first, then call [`JoinWord::enter_first`].
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
    /// This was the last child and no actor watches: give back the parent's count. The word must
    /// not be touched any more.
    Last,
    /// Still counted: take the node's lock and call `Ending::depart`.
    Locked,
}

impl JoinWord {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// How many children are counted.
    pub(crate) fn count(&self) -> usize {
        // Acquire: pairs with the Release in `leave` and `depart`, so that a reader of zero sees
        // all writes of the children.
        self.0.load(Ordering::Acquire) / ONE
    }

    /// Whether the group has ended.
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: a reader that sees it closed looks for another ancestor, and uses nothing that
        // the end wrote.
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
            // Acquire: pairs with the Release in `enter_first`: the parent is settled, and this
            // child will read it when it leaves. An entry publishes nothing; the job queue
            // publishes the child.
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

    /// The step 0 -> 1. The caller has entered the parent. False if another entry was first, or the
    /// word is closed.
    pub(crate) fn enter_first(&self) -> bool {
        let mut word = self.0.guess();
        loop {
            if word & CLOSED != 0 || word >= ONE {
                return false;
            }
            // Release: pairs with the Acquire in `enter_nonzero`: publishes the parent pointer,
            // which was settled before, to later entries.
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

    /// Gives one count back, unless the leaver must take the lock.
    #[inline]
    pub(crate) fn leave(&self) -> Leave {
        let mut word = self.0.guess();
        loop {
            debug_assert!(word >= ONE, "left more often than entered");
            if word & EACH != 0 || (word & WATCHED != 0 && word < 2 * ONE) {
                return Leave::Locked;
            }
            // AcqRel: Release gives this child's writes to the reader of zero (`count`,
            // `close_alone`, `close`); Acquire lets the last leaver, which goes on to the parent,
            // pass on the writes of all others.
            match self.0.compare_exchange_weak(
                word,
                word - ONE,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) if word < 2 * ONE => return Leave::Last,
                Ok(_) => return Leave::Left,
                Err(now) => word = now,
            }
        }
    }

    /// Gives one count back under the node's lock, and returns how many are left; or, if exactly
    /// `kept` would be left, keeps it and answers `None`. Comparison and decrement are one step,
    /// because other children leave without the lock while many are counted.
    pub(crate) fn depart(&self, kept: Option<usize>) -> Option<usize> {
        let mut word = self.0.guess();
        loop {
            let left = word / ONE - 1;
            if kept == Some(left) {
                return None;
            }
            // AcqRel: Release gives this child's writes to the reader of zero (`count`, `close`);
            // Acquire pairs with the Release in `leave`, by which others left before without the
            // lock, and lets the last leaver pass on their writes.
            match self.0.compare_exchange_weak(
                word,
                word - ONE,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(left),
                Err(now) => word = now,
            }
        }
    }

    /// Asks that the last leaver take the lock, and returns the count. Called under the node's
    /// lock.
    pub(crate) fn watch(&self) -> usize {
        // Relaxed: once the bit is set, the last leaver comes through the lock that is held: it has
        // come, and its decrement is seen, or it will find what the caller leaves there. Leavers
        // before it are seen by `close`; where each of them counts, all come through the lock.
        let word = self.0.load(Ordering::Relaxed);
        if word & WATCHED != 0 {
            return word / ONE;
        }
        // Relaxed: the lock orders the bit with the wake; if the count is zero already, `close` has
        // the Acquire, and a root, which never closes, has nothing to drop.
        self.0.fetch_or(WATCHED, Ordering::Relaxed) / ONE
    }

    /// Asks that every leaver take the lock. Called under the node's lock, or before others know
    /// the node.
    pub(crate) fn watch_each(&self) {
        // Relaxed: the lock orders what follows from the bit; the count is read by other calls.
        self.0.fetch_or(EACH | WATCHED, Ordering::Relaxed);
    }

    /// Says that a service or a defer is to be ended or run after the last child. Called under the
    /// node's lock.
    pub(crate) fn add_tail(&self) {
        // Relaxed: the caller is counted, or is the body: the bit is part of what its leave, or its
        // own close, comes after.
        self.0.fetch_or(TAIL, Ordering::Relaxed);
    }

    /// Ends a group that no actor watches, and after the last child of which nothing is to be done,
    /// if no child is counted.
    #[inline]
    pub(crate) fn close_alone(&self) -> bool {
        if self.0.guess() != 0 {
            return false;
        }
        // Acquire: pairs with the Release in `leave`: the end, which drops the arena, comes after
        // all children.
        self.0
            .compare_exchange(0, CLOSED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Whether it looks as if no child were left: a guess, after which the lock is taken.
    #[inline]
    pub(crate) fn seems_empty(&self) -> bool {
        self.0.guess() < ONE
    }

    /// Ends the group, if no child is counted, and answers true also if it has ended. Called under
    /// the node's lock, once nothing is to be done after the children; for a node of services when
    /// its group has ended.
    pub(crate) fn close(&self) -> bool {
        let mut word = self.0.guess();
        loop {
            if word >= ONE {
                return false;
            }
            // Acquire: pairs with the Release in `leave` and `depart`: the end, which drops the
            // arena, comes after all children. No Release: a reader that sees the word closed uses
            // nothing that the end wrote.
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
