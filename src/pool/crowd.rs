//! Which seats need help: one rule for pushers, thieves, sleepers, and for the sentinel.
//!
//! To wake a worker costs as much as a hundred small jobs, and a job that goes to another processor
//! leaves its data behind. So what a worker pushes to its own seat is left to it as long as it
//! *gets on*: it begins a job now and then, and fewer jobs wait than are a *crowd* for it
//! (`Looks::crowd`: about 16 us of jobs, and 16 jobs at most; one, if they are long).
//!
//! # Protocol
//!
//! Pushing to the own seat: 1. push; 2. PushFence; 3. if no worker searches and one sleeps: wake
//! that one if the seat is crowded, or if there is no sentinel; else see to it that the sentinel is
//! awake. A push from outside wakes one in any case, and so does one to a seat without a worker:
//! there any job is a crowd.
//!
//! Stealing: a searcher takes from seats that are crowded, and later in its search from those that
//! have not begun a job since it looked before.
//!
//! Falling asleep, and stopping to search as the last searcher: as in `sleep`, for seats that are
//! crowded and for what came from outside; if a job waits elsewhere, the sentinel must be awake.
//!
//! The sentinel: 1. at each tick, for a job that waits on a seat that has not begun one since the
//! last tick, wake a sleeper; 2. fall asleep only if no job waits, by its event count.
//!
//! # Why no job is forgotten
//!
//! A crowd, and a job from outside, by the argument of `sleep`: pushers wake a worker unless one
//! searches, and sleepers look for it. Any other job: its pusher, or the searcher
//! that kept the pusher from looking further and then left the job, has found the sentinel awake or
//! woken it, each after its fence. So the sentinel sees the job before it sleeps. While it is
//! awake, either the seat begins jobs, and this one among them in its turn (`looks`), or a sleeper
//! is woken and finds that the seat stands still.

use crate::pool::seats::{Seat, Seats};

/// Whether so many jobs are too many for this seat.
#[inline]
pub(crate) fn is_crowd(seat: &Seat, waiting: usize) -> bool {
    waiting as u64 >= seat.crowd.get().max(1)
}

/// Whether more jobs wait on this seat than its worker is to run alone.
pub(crate) fn is_crowded(seat: &Seat) -> bool {
    is_crowd(seat, seat.waiting())
}

/// A seat does not get on: each job that waits there is a crowd, until its worker looks again. So
/// the thief that comes wakes the next one.
pub(crate) fn stands_still(seat: &Seat) {
    seat.crowd.set(0);
}

/// Which seats get on, as seen by one that looks now and then.
#[derive(Debug, Default)]
pub(crate) struct Getting(Vec<u64>);

impl Getting {
    /// Whether this seat has begun no job since the look before.
    pub(crate) fn stands(&mut self, index: usize, seat: &Seat) -> bool {
        if self.0.len() <= index {
            self.0.resize(index + 1, u64::MAX);
        }
        let begun = seat.counters.jobs.get();
        std::mem::replace(&mut self.0[index], begun) == begun
    }

    /// A look at all seats: whether a job waits on one of them, and whether on one that stands
    /// still.
    pub(crate) fn look(&mut self, seats: &Seats) -> (bool, bool) {
        let (mut waits, mut stands) = (false, false);
        for index in seats.active_from(0) {
            let seat = seats.get(index);
            let stood = self.stands(index, seat);
            let has_work = seat.has_work();
            waits |= has_work;
            if has_work && stood {
                stands = true;
                stands_still(seat);
            }
        }
        (waits, stands)
    }
}
