//! The task's one word: its life, in transitions that answer with the caller's next duty.
//!
//! # States
//!
//! | bit | name | set if |
//! |---|---|---|
//! | 0 | `SCHEDULED` | a job, or the claimer that is about to make one, owns the right to run it next, or it was woken while running |
//! | 1 | `RUNNING` | its runner polls, cuts or completes it |
//! | 2 | `COMPLETE` | the future is gone and the count was, or is being, given back; final; never with `RUNNING` |
//! | 3 | `CANCEL` | it is to be cut by itself or by a reaper; final |
//! | 4 | `HELD` | the last poll ended inside a shield: a cut must poll it |
//! | 5 | `HANDLE` | a handle may still take the output |
//! | 6 | `VALUE` | the output is in the cell; only with `COMPLETE` |
//! | 7 | `LINKED` | it was put into its group's list, as a rule at its first suspension |
//! | 8.. | references | see `task` |
//!
//! # Protocol
//!
//! A waker sets `SCHEDULED`; if the task was neither scheduled, running nor complete, the waker now
//! owns the right to run it and queues it. A runner turns `SCHEDULED` into `RUNNING`. When a poll
//! is pending the runner turns `RUNNING` off; if the task was woken meanwhile the runner owns the
//! right again and queues the task; if it was cancelled meanwhile the runner keeps `RUNNING` and
//! cuts. A canceller sets `CANCEL` and `SCHEDULED` at once, so an idle task is claimed and a
//! running one is left to its runner.
//!
//! # Why no wake-up is lost
//!
//! All transitions are RMWs on one word, so they have one order. A wake comes either before the
//! runner's `RUNNING` -> idle, which then sees `SCHEDULED`, or after it, and then claims the task.

use crate::sync::atomic::{AtomicUsize, Guess, Ordering};

const SCHEDULED: usize = 1;
const RUNNING: usize = 1 << 1;
const COMPLETE: usize = 1 << 2;
const CANCEL: usize = 1 << 3;
const HELD: usize = 1 << 4;
const HANDLE: usize = 1 << 5;
const VALUE: usize = 1 << 6;
const LINKED: usize = 1 << 7;
const REFERENCE: usize = 1 << 8;

/// References may not wrap into the flags; leaking half the address space in wakers is a bug that
/// must not go on.
const MAX: usize = usize::MAX / 2;

/// The one word of a task.
#[derive(Debug)]
pub(crate) struct State(AtomicUsize);

/// A state as it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot(usize);

impl Snapshot {
    pub(crate) fn is_cancelled(self) -> bool {
        self.0 & CANCEL != 0
    }

    pub(crate) fn is_held(self) -> bool {
        self.0 & HELD != 0
    }

    pub(crate) fn has_handle(self) -> bool {
        self.0 & HANDLE != 0
    }

    pub(crate) fn is_linked(self) -> bool {
        self.0 & LINKED != 0
    }

    pub(crate) fn is_scheduled(self) -> bool {
        self.0 & SCHEDULED != 0
    }

    pub(crate) fn is_running(self) -> bool {
        self.0 & RUNNING != 0
    }

    pub(crate) fn is_complete(self) -> bool {
        self.0 & COMPLETE != 0
    }

    pub(crate) fn has_value(self) -> bool {
        self.0 & VALUE != 0
    }
}

/// What a runner has to do after a pending poll.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Pause {
    /// Nothing: a waker will queue it.
    Idle,
    /// It was woken meanwhile: queue it.
    Requeue,
    /// It was cancelled meanwhile: it is still yours; cut it.
    Cut,
}

/// What a waker that is used up has to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wake {
    /// Nothing.
    Done,
    /// Queue the task: the right to run it is the caller's.
    Queue,
    /// That was the last reference: free the task.
    Free,
}

/// What a handle that is dropped has to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Release {
    /// Nothing.
    Done,
    /// The task is complete and the output is the handle's: drop it, then give the reference back.
    DropOutput,
    /// That was the last reference: free the task.
    Free,
}

impl State {
    /// A task that is about to be queued, with the engine's reference and a handle's.
    #[inline]
    pub(crate) fn scheduled() -> Self {
        Self(AtomicUsize::new(SCHEDULED | HANDLE | (2 * REFERENCE)))
    }

    /// A task that waits in a queue until its ticket is redeemed or a canceller claims it: idle, in
    /// its group's list from the beginning, with the engine's reference, a handle's and the
    /// ticket's.
    pub(crate) fn waiting() -> Self {
        Self(AtomicUsize::new(LINKED | HANDLE | (3 * REFERENCE)))
    }

    /// A task that was born cancelled: complete without a value, with a handle's reference only.
    pub(crate) fn stillborn() -> Self {
        Self(AtomicUsize::new(COMPLETE | CANCEL | HANDLE | REFERENCE))
    }

    #[inline]
    pub(crate) fn load(&self) -> Snapshot {
        // Acquire: pairs with the Release in `complete`: a handle that sees `COMPLETE` may read the
        // output.
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// Scheduled -> running. The caller owns the right to run.
    #[inline]
    pub(crate) fn start(&self) -> Snapshot {
        // Acquire: pairs with the Release of wakers (`wake`) and of the runner before (`pause`):
        // the poll sees their writes. The word is changed by RMWs only, so a chain that began with
        // a Release goes through all of them.
        Snapshot(self.0.fetch_xor(SCHEDULED | RUNNING, Ordering::Acquire))
    }

    /// Running -> idle, after a pending poll. `held`: the poll ended inside a shield. `cutting`:
    /// the runner knows of the cancel and has done what there was to do. Also notes that the task
    /// is in its group's list.
    #[inline]
    pub(crate) fn pause(&self, held: bool, cutting: bool) -> Pause {
        let mut state = self.0.guess();
        loop {
            if state & CANCEL != 0 && !cutting {
                return Pause::Cut;
            }
            let held = if held { HELD } else { 0 };
            let next = (state & !(RUNNING | HELD)) | held | LINKED;
            // Release: gives the future's memory to the next runner (`start`). That runner also
            // sees the writes of a waker that came meanwhile: this caller only queues the task for
            // it.
            match self
                .0
                .compare_exchange_weak(state, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) if state & SCHEDULED != 0 => return Pause::Requeue,
                Ok(_) => return Pause::Idle,
                Err(now) => state = now,
            }
        }
    }

    /// Whether the caller now owns the right to run the task, and must queue it.
    #[inline]
    #[must_use]
    pub(crate) fn wake(&self) -> bool {
        // Release: gives the waker's writes to the next `start`, also when the task was woken
        // already. A waker that owns the right now reads the group only, which was published with
        // its reference.
        let before = self.0.fetch_or(SCHEDULED, Ordering::Release);
        before & (SCHEDULED | RUNNING | COMPLETE) == 0
    }

    /// As [`State::wake`], by a holder of a reference that is given back in the same step.
    #[inline]
    pub(crate) fn wake_by_value(&self) -> Wake {
        let mut state = self.0.guess();
        loop {
            let next = (state | SCHEDULED) - REFERENCE;
            // AcqRel: Release gives the waker's writes to the next `start`, as in `wake`, and those
            // of this holder to the freer of the task; Acquire lets the last holder free it.
            match self
                .0
                .compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if next < REFERENCE => return Wake::Free,
                Ok(_) if state & (SCHEDULED | RUNNING | COMPLETE) == 0 => return Wake::Queue,
                Ok(_) => return Wake::Done,
                Err(now) => state = now,
            }
        }
    }

    /// Marks the task cancelled. Whether the caller now owns the right to run it (to cut it).
    #[must_use]
    pub(crate) fn cancel(&self) -> bool {
        // Relaxed: the canceller wrote nothing that the runner must see (flags of groups are read
        // under their lock), and a claimed task is run after an Acquire in `start`. As an RMW it
        // keeps the chain from earlier wakers to the runner.
        let before = self.0.fetch_or(CANCEL | SCHEDULED, Ordering::Relaxed);
        before & (SCHEDULED | RUNNING | COMPLETE) == 0
    }

    /// Running -> complete. The answer says whether there is a handle.
    #[inline]
    pub(crate) fn complete(&self, value: bool) -> Snapshot {
        let value = if value { VALUE } else { 0 };
        // Release: publishes the output to the Acquire in `load` and `drop_handle`. Of a handle
        // that is gone nothing is left to see; the freer of the task synchronises in
        // `drop_reference`.
        Snapshot(
            self.0
                .fetch_xor(RUNNING | COMPLETE | value, Ordering::Release),
        )
    }

    /// The handle goes away. Its reference is given back, unless the answer is `DropOutput`.
    #[inline]
    pub(crate) fn drop_handle(&self) -> Release {
        let mut state = self.0.guess();
        loop {
            let keep = state & VALUE != 0;
            let next = if keep {
                state & !(HANDLE | VALUE)
            } else {
                (state & !HANDLE) - REFERENCE
            };
            // AcqRel: Acquire pairs with `complete`: the output may be dropped, or the task freed;
            // Release gives the writes of the handle to the freer of the task.
            match self
                .0
                .compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if keep => return Release::DropOutput,
                Ok(_) if next < REFERENCE => return Release::Free,
                Ok(_) => return Release::Done,
                Err(now) => state = now,
            }
        }
    }

    /// One more reference, made from an existing one.
    #[inline]
    pub(crate) fn add_reference(&self) {
        // Relaxed: made from an existing reference; nothing is published.
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if before > MAX {
            std::process::abort();
        }
    }

    /// Gives a reference back; whether it was the last one. The only reference is not taken out of
    /// the word: no other holder could see that, and a locked instruction is saved for most tasks.
    #[inline]
    #[must_use]
    pub(crate) fn drop_reference(&self) -> bool {
        // Acquire: pairs with the Release of the holders that gave theirs back: the only holder
        // frees the task.
        if self.0.load(Ordering::Acquire) < 2 * REFERENCE {
            return true;
        }
        // AcqRel: Release gives the writes of this holder to the freer of the task; Acquire lets
        // the last holder free it.
        let before = self.0.fetch_sub(REFERENCE, Ordering::AcqRel);
        debug_assert!(before >= REFERENCE, "more references given back than taken");
        before < 2 * REFERENCE
    }
}
