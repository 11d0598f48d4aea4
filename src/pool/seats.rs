//! Seats: the places from which jobs are run, each with a fork deque and a wake deque.
//!
//! Workers, blocked callers and spare workers are the same thing here: someone on a seat. New children and stack jobs go
//! to the fork deque, newest first; woken tasks to the wake deque, in order. Depth first for forks keeps the memory of
//! recursive programs small (1/50 of a FIFO's, measured on the prototype); in order for wakes keeps them fair.
//!
//! # Protocol
//!
//! A seat is claimed by a compare-exchange and then used by one thread. Its deques are made at the first claim and stay.
//! Thieves walk the bitmap of active seats. Who leaves drains its deques, clears its bit, and gives the claim back.

#![expect(
    unsafe_code,
    reason = "the owner's ends of the deques belong to the thread on the seat"
)]

use crate::job::Job;
use crate::parker::Parker;
use crate::poll::live::Ledger;
use crate::poll::running::Running;
use crate::pool::metrics::Counters;
use crate::sync::OnceLock;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::cell::UnsafeCell;
use crate::sync::deque::{Steal, Stealer, Worker};

/// The thieves' ends of a seat's deques.
struct Ends {
    fork: Stealer<Job>,
    wake: Stealer<Job>,
}

/// The owner's ends. Used by the thread that claimed the seat.
pub(crate) struct Deques {
    pub(crate) fork: Worker<Job>,
    pub(crate) wake: Worker<Job>,
}

/// One place.
#[repr(align(128))]
pub(crate) struct Seat {
    claimed: AtomicBool,
    ends: OnceLock<Ends>,
    deques: UnsafeCell<Option<Deques>>,
    pub(crate) parker: Parker,
    pub(crate) running: Running,
    pub(crate) ledger: Ledger,
    pub(crate) counters: Counters,
}

// SAFETY: `deques` is reached by the thread that holds the claim only; the rest is `Sync`.
unsafe impl Sync for Seat {}
// SAFETY: nothing in it belongs to a thread; jobs are `Send`.
unsafe impl Send for Seat {}

/// All seats of a runtime.
pub(crate) struct Seats {
    seats: Box<[Seat]>,
    active: Box<[AtomicU64]>,
}

impl Seats {
    pub(crate) fn new(count: usize) -> Self {
        let seat = |_| Seat {
            claimed: AtomicBool::new(false),
            ends: OnceLock::new(),
            deques: UnsafeCell::new(None),
            parker: Parker::new(),
            running: Running::new(),
            ledger: Ledger::new(),
            counters: Counters::default(),
        };
        Self {
            seats: (0..count).map(seat).collect(),
            active: (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(crate) fn get(&self, seat: usize) -> &Seat {
        &self.seats[seat]
    }

    /// How many there are; at most 3 x 1,024.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.seats.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Seat> + Clone {
        self.seats.iter()
    }

    /// Claims this seat, if it is free.
    pub(crate) fn claim(&self, index: usize) -> bool {
        let seat = &self.seats[index];
        // Acquire: pairs with the Release in `leave`: the deques are as the last one left them.
        let claimed =
            seat.claimed
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        if claimed.is_err() {
            return false;
        }
        // SAFETY: the claim is this thread's alone.
        let deques = seat.deques.with_mut(|deques| unsafe { &mut *deques });
        let deques = deques.get_or_insert_with(|| Deques {
            fork: Worker::new_lifo(),
            wake: Worker::new_fifo(),
        });
        seat.ends.get_or_init(|| Ends {
            fork: deques.fork.stealer(),
            wake: deques.wake.stealer(),
        });
        // Relaxed: thieves that miss the bit are covered by the notification that follows a push; the deques' own
        // synchronisation covers their contents.
        self.active[index / 64].fetch_or(1 << (index % 64), Ordering::Relaxed);
        true
    }

    /// Claims any free seat from `first` on.
    pub(crate) fn claim_from(&self, first: usize) -> Option<usize> {
        (first..self.seats.len()).find(|&index| {
            // Relaxed: a guess before the compare-exchange in `claim`.
            !self.seats[index].claimed.load(Ordering::Relaxed) && self.claim(index)
        })
    }

    /// Gives a seat back. Its deques are empty.
    ///
    /// # Safety
    ///
    /// The caller holds the claim and uses the seat no more.
    pub(crate) unsafe fn leave(&self, index: usize) {
        // Relaxed: the deques are empty; a thief that looks in vain loses nothing.
        self.active[index / 64].fetch_and(!(1 << (index % 64)), Ordering::Relaxed);
        // Release: gives the deques to the next one who claims the seat.
        self.seats[index].claimed.store(false, Ordering::Release);
    }

    /// The active seats, from a random one on.
    pub(crate) fn active_from(&self, start: usize) -> impl Iterator<Item = usize> {
        let words = self.active.len();
        (0..=words).flat_map(move |turn| {
            let at = (start / 64 + turn) % words;
            // Relaxed: a hint, see `claim`.
            let bits = self.active[at].load(Ordering::Relaxed);
            let low = (1_u64 << (start % 64)) - 1;
            // The first word is walked from `start`, and its rest at the end.
            let bits = match turn {
                0 => bits & !low,
                last if last == words => bits & low,
                _ => bits,
            };
            Bits(bits).map(move |bit| at * 64 + bit)
        })
    }
}

/// The positions of the bits in a word.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

impl Seat {
    /// The owner's ends.
    ///
    /// # Safety
    ///
    /// The caller is the thread that holds the claim, and keeps it while the reference lives.
    pub(crate) unsafe fn deques(&self) -> &Deques {
        // SAFETY: the claim is the caller's alone.
        let deques = self.deques.with(|deques| unsafe { &*deques });
        deques.as_ref().expect("a claimed seat has deques")
    }

    /// Steals up to a batch into the thief's deques and returns one job.
    pub(crate) fn steal(&self, thief: &Deques) -> Steal<Job> {
        let Some(ends) = self.ends.get() else {
            return Steal::Empty;
        };
        ends.fork
            .steal_batch_and_pop(&thief.fork)
            .or_else(|| ends.wake.steal_batch_and_pop(&thief.wake))
    }

    /// Steals the oldest job of the fork deque.
    pub(crate) fn steal_fork(&self) -> Steal<Job> {
        self.ends
            .get()
            .map_or(Steal::Empty, |ends| ends.fork.steal())
    }

    /// Whether there is something to steal.
    pub(crate) fn has_work(&self) -> bool {
        self.ends
            .get()
            .is_some_and(|ends| !ends.fork.is_empty() || !ends.wake.is_empty())
    }
}
