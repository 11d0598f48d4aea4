//! Seats: the places from which jobs are run, each with a fork deque, a wake deque and a spill
//! deque.
//!
//! Workers, spare workers and blocked callers are the same thing here: a thread on a seat. New
//! children and stack jobs go to the fork deque, newest first; woken tasks to the wake deque, in
//! order. Depth first for forks keeps the memory of recursive programs small (measured: 1/50 of
//! that with a FIFO); in order for wakes keeps them fair. New children that are too many for the
//! fork deque go to the spill deque, in order, and take turns with woken tasks: in one queue with
//! them a task that a timer or a socket woke would wait for all (measured with 400 of 10 ms on two
//! workers: 2 s).
//!
//! # States
//!
//! A seat is free or claimed. It is active while it is claimed, for all that thieves know.
//!
//! # Protocol
//!
//! A seat is claimed by a compare-exchange, which makes a [`ClaimedSeat`]: the only way to the
//! owner's ends of the deques, for one thread at a time. The deques are made at the first claim and
//! stay. Thieves walk the bitmap of active seats. The owner drains its deques before it drops the
//! claim, which clears the bit and then frees the seat.
//!
//! A thread keeps its claim in an [`OwnSeat`], where code that runs on that thread finds it. What
//! that does leaves nothing borrowed, so the claim may be taken out at any time in between.

#![expect(
    unsafe_code,
    reason = "the owner's ends of the deques belong to the claim of the seat"
)]

use crate::job::Job;
use crate::parker::Parker;
use crate::poll::live::LiveCounts;
use crate::poll::running::Running;
use crate::pool::active::{Active, Walk};
use crate::pool::metrics::{Counters, Level};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::cell::UnsafeCell;
use crate::sync::deque::{Injector, Steal, Stealer, Worker};
use crate::sync::{Arc, OnceLock};
use std::cell::Cell;
use std::ptr::NonNull;

/// New children of one job beyond this many go to the spill deque: a LIFO deque is stolen from one
/// by one, a FIFO one in batches. Measured: 64 repaired flat spawns.
const SPILL: usize = 64;

/// And so do all that come while so many wait.
///
/// That must not happen to a recursive program: a spilled job runs first, spills all below it, and
/// the tree is walked in breadth. A depth of six levels with ten tasks each is 54 jobs, and at each
/// beat of the sentinel the oldest job opens another one. Measured on that tree of 1.1 million
/// tasks: with 64, 60,000 groups were open at a time, with 256 up to 20,000, with 4,096 a hundred,
/// in 0.4 times the CPU time.
const FORKS_MOST: usize = 1024;

/// Of so many new children that wait, one more is run out of turn at each beat: more than wait in a
/// recursion as a rule. So each of [`FORKS_MOST`] begins after 540 beats (256 / 4 + 256 / 3 + 256 /
/// 2 + 256), about half a second, at the latest, and after 210 if as many as may be wait all along.
const AGES: usize = 256;

/// Jobs of a fork deque that a thief takes along at most: each is a tree as a rule, and costs a
/// compare-exchange of its own.
const FORKS_STOLEN: usize = 4;

/// The thieves' ends of a seat's deques.
struct Ends {
    fork: Stealer<Job>,
    wake: Stealer<Job>,
    spill: Stealer<Job>,
}

/// The owner's ends.
struct Deques {
    fork: Worker<Job>,
    wake: Worker<Job>,
    spill: Worker<Job>,
    /// So many woken jobs come before the next spilled one.
    woken_first: Cell<u32>,
    /// Jobs that were in the fork deque when the last one was popped.
    base: Cell<usize>,
}

/// One place.
#[repr(align(128))]
pub(crate) struct Seat {
    claimed: AtomicBool,
    ends: OnceLock<Ends>,
    deques: UnsafeCell<Option<Deques>>,
    pub(crate) parker: Parker,
    pub(crate) running: Running,
    pub(crate) counts: LiveCounts,
    pub(crate) counters: Counters,
    /// The thread of the worker on this seat, as the kernel numbers it; zero if there is none.
    pub(crate) worker: Level,
    /// Whether that worker waits, and is counted as blocked.
    pub(crate) waits: AtomicBool,
    /// Whether it is counted as stalled.
    pub(crate) stalled: AtomicBool,
    /// So many jobs are a crowd here, for that worker: see `pool::crowd`.
    pub(crate) crowd: Level,
    /// The number of the job from which it does not come back, and for how many ticks; one bit says
    /// whether its thread sleeps. As of the sentinel's last look.
    pub(super) stuck_in: Level,
    pub(super) stuck_for: Level,
}

// SAFETY: `deques` is reached through the one `ClaimedSeat`, or before it is made by the thread
// that won the claim; the rest is `Sync`.
unsafe impl Sync for Seat {}
// SAFETY: nothing in it belongs to a thread; jobs are `Send`.
unsafe impl Send for Seat {}

/// All seats of a runtime. One is made when it is claimed for the first time.
pub(crate) struct Seats {
    seats: Box<[OnceLock<Box<Seat>>]>,
    active: Active,
}

impl Seats {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            seats: (0..count).map(|_| OnceLock::new()).collect(),
            active: Active::new(count),
        }
    }

    fn make() -> Box<Seat> {
        Box::new(Seat {
            claimed: AtomicBool::new(false),
            ends: OnceLock::new(),
            deques: UnsafeCell::new(None),
            parker: Parker::new(),
            running: Running::new(),
            counts: LiveCounts::new(),
            counters: Counters::default(),
            worker: Level::default(),
            waits: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            crowd: Level::default(),
            stuck_in: Level::default(),
            stuck_for: Level::default(),
        })
    }

    /// A seat that was claimed at least once.
    pub(crate) fn get(&self, seat: usize) -> &Seat {
        let seat = self.seats[seat].get();
        seat.expect("a seat has an owner before others know it")
    }

    /// Those that were claimed at least once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Seat> + Clone {
        self.seats.iter().filter_map(|seat| Some(&**seat.get()?))
    }

    /// Those that were claimed at least once, with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &Seat)> {
        let seats = self.seats.iter().enumerate();
        seats.filter_map(|(index, seat)| Some((index, &**seat.get()?)))
    }

    /// Claims this seat, if it is free.
    pub(crate) fn claim(self: &Arc<Self>, index: usize) -> Option<ClaimedSeat> {
        let seat = self.seats[index].get_or_init(Self::make);
        // Acquire: pairs with the Release in `ClaimedSeat::drop`: the deques are as the last owner
        // left them.
        let claimed =
            seat.claimed
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        if claimed.is_err() {
            return None;
        }
        // SAFETY: this thread won the claim, and no `ClaimedSeat` has been made of it yet: nothing
        // else reaches the cell.
        let deques = seat.deques.with_mut(|deques| unsafe { &mut *deques });
        let deques = deques.get_or_insert_with(|| Deques {
            fork: Worker::new_lifo(),
            wake: Worker::new_fifo(),
            spill: Worker::new_fifo(),
            woken_first: Cell::new(1),
            base: Cell::new(0),
        });
        deques.base.set(0);
        seat.ends.get_or_init(|| Ends {
            fork: deques.fork.stealer(),
            wake: deques.wake.stealer(),
            spill: deques.spill.stealer(),
        });
        self.active.add(index);
        Some(ClaimedSeat {
            seat: NonNull::from(&**seat),
            seats: Arc::clone(self),
            index,
        })
    }

    /// Claims any free seat from `first` on.
    pub(crate) fn claim_from(self: &Arc<Self>, first: usize) -> Option<ClaimedSeat> {
        (first..self.seats.len()).find_map(|index| {
            // Relaxed: a guess before the compare-exchange in `claim`.
            let guess = self.seats[index]
                .get()
                .is_some_and(|seat| seat.claimed.load(Ordering::Relaxed));
            if guess { None } else { self.claim(index) }
        })
    }

    /// The active seats, from this one on, which is a random one as a rule.
    #[inline]
    pub(crate) fn active_from(&self, start: usize) -> Walk<'_> {
        self.active.from(start)
    }
}

/// Tries again until there is a job, or none.
pub(crate) fn settled(mut steal: impl FnMut() -> Steal<Job>) -> Option<Job> {
    loop {
        match steal() {
            Steal::Success(job) => return Some(job),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

impl Seat {
    /// Steals the oldest job of the fork deque.
    pub(crate) fn steal_fork(&self) -> Steal<Job> {
        self.ends
            .get()
            .map_or(Steal::Empty, |ends| ends.fork.steal())
    }

    /// Steals the oldest job of one of the deques.
    pub(crate) fn steal_one(&self) -> Option<Job> {
        let ends = self.ends.get()?;
        settled(|| {
            let steal = ends.fork.steal().or_else(|| ends.wake.steal());
            steal.or_else(|| ends.spill.steal())
        })
    }

    /// Steals the oldest job of the wake deque.
    pub(crate) fn steal_woken(&self) -> Option<Job> {
        let ends = self.ends.get()?;
        settled(|| ends.wake.steal())
    }

    /// Whether there is something to steal.
    pub(crate) fn has_work(&self) -> bool {
        self.ends.get().is_some_and(|ends| {
            !ends.fork.is_empty() || !ends.wake.is_empty() || !ends.spill.is_empty()
        })
    }

    /// How many jobs there are to steal.
    pub(crate) fn waiting(&self) -> usize {
        self.ends.get().map_or(0, |ends| {
            ends.fork.len() + ends.wake.len() + ends.spill.len()
        })
    }
}

/// The right to one seat and to the owner's ends of its deques, for one thread at a time: it is
/// `Send` and not `Sync`. Dropping it frees the seat, whose deques are empty by then.
pub(crate) struct ClaimedSeat {
    /// One of `seats`, which keep it.
    seat: NonNull<Seat>,
    seats: Arc<Seats>,
    index: usize,
}

// SAFETY: `Seat: Send + Sync`, so a seat belongs to no thread; the owner's ends are `Send`.
unsafe impl Send for ClaimedSeat {}

impl ClaimedSeat {
    /// Which seat it is.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    #[inline]
    fn seat(&self) -> &Seat {
        // SAFETY: `self.seats` keeps it.
        unsafe { self.seat.as_ref() }
    }

    #[inline]
    fn deques(&self) -> &Deques {
        let cell = &self.seat().deques;
        // SAFETY: reached through the one `ClaimedSeat` of the seat, which is this one, and is not
        // `Sync`; nothing writes to the cell before it is dropped.
        let deques = cell.with(|deques| unsafe { &*deques });
        deques.as_ref().expect("a claimed seat has deques")
    }

    /// Counts a task that begins, for the metrics, and pushes its job, to be run before older ones.
    #[inline]
    fn push_new(&self, job: Job) {
        self.seat().counts.tasks.begin();
        let deques = self.deques();
        let waiting = deques.fork.len();
        if waiting < FORKS_MOST && waiting < deques.base.get() + SPILL {
            deques.fork.push(job);
        } else {
            deques.spill.push(job);
        }
    }

    /// The oldest job of the fork deque.
    fn pop_oldest(&self) -> Option<Job> {
        settled(|| self.seat().steal_fork())
    }

    /// The oldest woken job, or the oldest spilled one, in turns.
    #[inline]
    fn pop_in_order(&self) -> Option<Job> {
        let deques = self.deques();
        match deques.woken_first.get().checked_sub(1) {
            Some(left) => {
                deques.woken_first.set(left);
                deques.wake.pop().or_else(|| deques.spill.pop())
            }
            None => {
                deques.woken_first.set(1);
                deques.spill.pop().or_else(|| deques.wake.pop())
            }
        }
    }

    /// The newest job of the fork deque.
    fn pop_fork(&self) -> Option<Job> {
        let deques = self.deques();
        let job = deques.fork.pop();
        deques.base.set(deques.fork.len());
        job
    }

    /// The next job: woken ones first, but new ones where it is their turn.
    #[inline]
    fn pop(&self, fork_first: bool) -> Option<Job> {
        let deques = self.deques();
        let job = if fork_first {
            deques.fork.pop().or_else(|| self.pop_in_order())
        } else {
            self.pop_in_order().or_else(|| deques.fork.pop())
        };
        deques.base.set(deques.fork.len());
        job
    }

    /// Steals up to `batch` jobs into the own deques and returns one.
    fn steal(&self, victim: &Seat, batch: usize) -> Steal<Job> {
        let Some(ends) = victim.ends.get() else {
            return Steal::Empty;
        };
        let deques = self.deques();
        let forks = batch.min(FORKS_STOLEN);
        ends.fork
            .steal_batch_with_limit_and_pop(&deques.fork, forks)
            .or_else(|| {
                ends.wake
                    .steal_batch_with_limit_and_pop(&deques.wake, batch)
            })
            .or_else(|| {
                ends.spill
                    .steal_batch_with_limit_and_pop(&deques.spill, batch)
            })
    }
}

impl Drop for ClaimedSeat {
    fn drop(&mut self) {
        self.seats.active.remove(self.index);
        // Release: gives the deques to the next owner, whose claim acquires them.
        self.seat().claimed.store(false, Ordering::Release);
    }
}

/// The seat of one thread, if it has claimed one. A push without a seat gives the job back.
///
/// While a deque is pushed to or popped from, there is no seat for others on this thread: a deque
/// that grows may run what other code has deferred until no thread reads it any more
/// (`crossbeam_epoch`), and a destructor there may wake a task, or wait.
pub(crate) struct OwnSeat {
    slot: Cell<Option<ClaimedSeat>>,
    busy: Cell<bool>,
}

impl OwnSeat {
    pub(crate) fn new(claimed: Option<ClaimedSeat>) -> Self {
        Self {
            slot: Cell::new(claimed),
            busy: Cell::new(false),
        }
    }

    /// Whether there is one, in use or not.
    #[inline]
    pub(crate) fn is_claimed(&mut self) -> bool {
        self.slot.get_mut().is_some()
    }

    /// Takes the seat out, unless it is in use further down this stack.
    pub(crate) fn take(&self) -> Option<ClaimedSeat> {
        match self.busy.get() {
            true => None,
            false => self.slot.take(),
        }
    }

    /// Puts a seat in, in place of none; else it is given back.
    pub(crate) fn put(&self, claimed: ClaimedSeat) {
        if !self.busy.get() {
            self.slot.set(Some(claimed));
        }
    }

    /// Calls `f` with the seat; without it if that is in use further down this stack.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(Option<&ClaimedSeat>) -> R) -> R {
        struct Free<'a>(&'a Cell<bool>);
        impl Drop for Free<'_> {
            #[inline]
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        if self.busy.replace(true) {
            return f(None);
        }
        let _free = Free(&self.busy);
        // SAFETY: nothing changes the slot meanwhile: no other thread, as it is not `Sync`; and on
        // this one `take` and `put` leave it alone while it is busy.
        f(unsafe { &*self.slot.as_ptr() }.as_ref())
    }

    /// Which seat it is.
    #[inline]
    pub(crate) fn index(&self) -> Option<usize> {
        self.with(|seat| seat.map(|seat| seat.index))
    }

    #[inline]
    fn push(&self, job: Job, to: impl FnOnce(&ClaimedSeat, Job)) -> Result<(), Job> {
        let push = |seat: Option<&ClaimedSeat>| match seat {
            Some(seat) => {
                to(seat, job);
                Ok(())
            }
            None => Err(job),
        };
        self.with(push)
    }

    /// Counts a task that begins on the seat, for the metrics, and pushes its job: newest first.
    #[inline]
    pub(crate) fn push_new(&self, job: Job) -> Result<(), Job> {
        self.push(job, ClaimedSeat::push_new)
    }

    /// Pushes a job that was woken: oldest first.
    #[inline]
    pub(crate) fn push_woken(&self, job: Job) -> Result<(), Job> {
        self.push(job, |seat, job| seat.deques().wake.push(job))
    }

    /// Pushes to the fork deque a job that is counted already.
    pub(crate) fn push_fork(&self, job: Job) -> Result<(), Job> {
        self.push(job, |seat, job| seat.deques().fork.push(job))
    }

    /// How many jobs are in the wake deque.
    pub(crate) fn woken(&self) -> usize {
        self.with(|seat| seat.map_or(0, |seat| seat.deques().wake.len()))
    }

    /// How many jobs [`OwnSeat::pop_in_order`] has.
    pub(crate) fn in_order(&self) -> usize {
        self.with(|seat| {
            seat.map_or(0, |seat| {
                let deques = seat.deques();
                deques.wake.len() + deques.spill.len()
            })
        })
    }

    /// The oldest woken job, or the oldest of the new children that were too many, in turns.
    pub(crate) fn pop_in_order(&self) -> Option<Job> {
        self.with(|seat| seat?.pop_in_order())
    }

    /// The newest job of the fork deque.
    pub(crate) fn pop_fork(&self) -> Option<Job> {
        self.with(|seat| seat?.pop_fork())
    }

    /// The oldest job of the fork deque.
    pub(crate) fn pop_oldest(&self) -> Option<Job> {
        self.with(|seat| seat?.pop_oldest())
    }

    /// At a beat: puts one of each [`AGES`] new children, the oldest ones, in order with the woken
    /// tasks.
    pub(crate) fn queue_oldest(&self) {
        self.with(|seat| {
            let Some(seat) = seat else { return };
            for _ in 0..seat.deques().fork.len() / AGES {
                let Some(job) = seat.pop_oldest() else { return };
                seat.deques().wake.push(job);
            }
        });
    }

    /// The seat, and how many jobs wait on it.
    #[inline]
    pub(crate) fn waiting<R>(&self, f: impl FnOnce(&Seat, usize) -> R) -> Option<R> {
        self.with(|seat| {
            let seat = seat?;
            let Deques {
                fork, wake, spill, ..
            } = seat.deques();
            Some(f(seat.seat(), fork.len() + wake.len() + spill.len()))
        })
    }

    /// Whether there is nothing in the fork deque.
    pub(crate) fn is_fork_empty(&self) -> bool {
        self.with(|seat| seat.is_none_or(|seat| seat.deques().fork.is_empty()))
    }

    /// The next job of the seat's own.
    #[inline]
    pub(crate) fn pop(&self, fork_first: bool) -> Option<Job> {
        self.with(|seat| seat?.pop(fork_first))
    }

    /// The next job that is left: woken ones first, as a worker would run them.
    pub(crate) fn drain(&self) -> Option<Job> {
        let drain = |seat: Option<&ClaimedSeat>| {
            let seat = seat?;
            seat.pop_in_order().or_else(|| seat.deques().fork.pop())
        };
        self.with(drain)
    }

    /// So many woken jobs come before the next spilled one.
    pub(crate) fn woken_first(&self, count: u32) {
        self.with(|seat| {
            if let Some(seat) = seat {
                seat.deques().woken_first.set(count);
            }
        });
    }

    /// Steals woken jobs so that as many wait here as there, and one where that is so, which is
    /// returned; none if fewer wait there.
    pub(crate) fn even_out_woken(&self, other: &Seat) -> Option<Job> {
        self.with(|seat| {
            let (seat, ends) = (seat?, other.ends.get()?);
            let here = seat.deques().wake.len();
            let surplus = (ends.wake.len() + 1).checked_sub(here)?;
            let batch = (surplus / 2).max(1);
            let to = &seat.deques().wake;
            settled(|| ends.wake.steal_batch_with_limit_and_pop(to, batch))
        })
    }

    /// Steals up to `batch` jobs to this seat and returns one; nothing without a seat.
    pub(crate) fn steal(&self, victim: &Seat, batch: usize) -> Steal<Job> {
        self.with(|seat| seat.map_or(Steal::Empty, |seat| seat.steal(victim, batch)))
    }

    /// Takes up to `batch` jobs from a queue, one if there is no seat for more, and returns one.
    pub(crate) fn steal_injected(&self, injector: &Injector<Job>, batch: usize) -> Steal<Job> {
        let steal = |seat: Option<&ClaimedSeat>| match seat {
            Some(seat) => injector.steal_batch_with_limit_and_pop(&seat.deques().wake, batch),
            None => injector.steal(),
        };
        self.with(steal)
    }
}
