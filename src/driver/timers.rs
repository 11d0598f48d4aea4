//! The timers of a driver: a few wheels, each under a lock of its own, and until when the role
//! sleeps.
//!
//! A timer goes to the wheel of the seat of the thread that sets it, so that workers which set and
//! take back timeouts, as each request does, meet neither in a lock nor in a cache line. A look
//! reads one word for each wheel, the instant before which nothing in it is due, and takes the lock
//! of those whose time has come.
//!
//! # Protocol
//!
//! Falling asleep: 1. say that the role sleeps for ever; 2. under the lock of each wheel, look for
//! its earliest timer; 3. say until when the role sleeps. Setting a timer: under the lock of its
//! wheel, 1. insert it; 2. if it is earlier than the end of the sleep, notify the selector.
//!
//! # Why no wake-up is lost
//!
//! Of the two holds of the lock of that wheel one comes first. If the insertion: the sleeper sees
//! the timer. If the sleeper's look: the inserter sees what was said before it, or what was said
//! later, which is an end of the sleep that has taken all timers seen into account, or that the
//! role is awake again; then its next sleep comes after the insertion.

use crate::driver::wheel::{Due, Key, WHEELS, Wheel};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::waiters;
use std::task::Waker;

/// Timers that one look fires at most, with what their wakers do about 20 us. Those that are left
/// come first at the next look; in between a busy worker goes on with its jobs.
pub(crate) const FIRED_MOST: usize = 256;

/// Timers that a look takes out of a wheel before it turns to the next one.
const TURN: usize = 16;

/// Steps of a wheel under one hold of its lock: about 0.3 us.
const STEPS: u32 = 16;

/// Wheels at most: a look reads a cache line of each.
const MOST: usize = 8;
const _: () = assert!(MOST <= WHEELS as usize);

/// Beyond all instants.
pub(crate) const NEVER: u64 = u64::MAX;

/// As the end of a sleep: before all instants, so no timer is earlier.
const AWAKE: u64 = 0;

/// The timers of a driver. Instants are nanoseconds since its start.
pub(crate) struct Timers {
    shards: Box<[Shard]>,
    /// Until when the holder of the role sleeps.
    until: AtomicU64,
}

/// 128 bytes: a prefetcher fetches cache lines in pairs.
#[repr(align(128))]
struct Shard {
    wheel: Mutex<Wheel<Waker>>,
    /// No timer of the wheel is due before. Written under its lock.
    next: AtomicU64,
}

impl Shard {
    /// Whether a timer may be due, as of some moment.
    fn may_be_due(&self, now: u64) -> bool {
        // Relaxed: a hint, here and below: a thread that changes it under the lock notifies the
        // role if that sleeps, and otherwise the next look comes.
        self.next.load(Ordering::Relaxed) <= now
    }

    /// Sets the hint anew, under the lock.
    fn renew(&self, wheel: &Wheel<Waker>) -> u64 {
        let next = wheel.earliest().unwrap_or(NEVER);
        // Relaxed: as above.
        self.next.store(next, Ordering::Relaxed);
        next
    }

    /// Fires timers that are due, in that many holds of the lock at most: the holds that found one,
    /// or moved some, and how many fired.
    fn fire(&self, now: u64, most: usize) -> (usize, usize) {
        let mut fired = 0;
        for hold in 0..most {
            if !self.may_be_due(now) {
                return (hold, fired);
            }
            let due = {
                let mut wheel = self.wheel.lock();
                let due = wheel.pop_due(now, STEPS);
                if matches!(due, Due::Nothing) {
                    self.renew(&wheel);
                }
                due
            };
            match due {
                Due::Timer(waker) => waiters::wake(waker),
                Due::Unsettled => continue,
                Due::Nothing => return (hold, fired),
            }
            fired += 1;
        }
        (most, fired)
    }
}

impl Timers {
    /// For so many seats on which most timers are set.
    pub(crate) fn new(seats: usize) -> Self {
        let count = seats.clamp(1, MOST).next_power_of_two();
        let shard = |index: usize| Shard {
            wheel: Mutex::new(Wheel::new(index as u64)),
            next: AtomicU64::new(NEVER),
        };
        Self {
            shards: (0..count).map(shard).collect(),
            until: AtomicU64::new(AWAKE),
        }
    }

    /// How many timers are set and have not fired.
    pub(crate) fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| shard.wheel.lock().len()).sum()
    }

    /// Calls `f`, which is no user code, with the instant and the waker of each timer. No lock is
    /// held for long: those that are set or fire meanwhile may be missed.
    pub(crate) fn each(&self, mut f: impl FnMut(u64, usize)) {
        let mut seen = Vec::new();
        for shard in &self.shards {
            for part in 0.. {
                let wheel = shard.wheel.lock();
                let Some(timers) = wheel.part(part) else {
                    break;
                };
                seen.extend(timers.map(|(at, waker)| (at, waker.data().addr())));
                drop(wheel);
                seen.drain(..).for_each(|(at, waker)| f(at, waker));
            }
        }
    }

    /// Whether any timer may be set, as of some moment.
    pub(crate) fn may_be_any(&self) -> bool {
        let mut shards = self.shards.iter();
        // Relaxed: a hint, as in `may_be_due`.
        shards.any(|shard| shard.next.load(Ordering::Relaxed) != NEVER)
    }

    /// Adds a timer, from that seat; and whether it ends the sleep of the role, so that the
    /// selector must be notified.
    pub(crate) fn insert(&self, seat: usize, at: u64, waker: Waker) -> (Key, bool) {
        let shard = &self.shards[seat % self.shards.len()];
        let mut wheel = shard.wheel.lock();
        let key = wheel.insert(at, waker);
        // Relaxed: written under the lock.
        if at < shard.next.load(Ordering::Relaxed) {
            // Relaxed: a hint, as in `may_be_due`.
            shard.next.store(at, Ordering::Relaxed);
        }
        // Relaxed: the lock orders it after what was said before the sleeper's look, if that came
        // first.
        (key, at < self.until.load(Ordering::Relaxed))
    }

    /// Has a timer call this waker; false if it has fired.
    pub(crate) fn update(&self, key: Key, waker: &Waker) -> bool {
        let wheel = &self.shards[key.wheel()].wheel;
        match wheel.lock().get_mut(key) {
            None => return false,
            Some(known) if known.will_wake(waker) => return true,
            Some(_) => {}
        }
        // Cloned and dropped outside the lock: wakers are user code.
        let mut other = waker.clone();
        let is_set = match wheel.lock().get_mut(key) {
            Some(known) => {
                std::mem::swap(known, &mut other);
                true
            }
            None => false,
        };
        waiters::discard([other]);
        is_set
    }

    /// Takes a timer out, unless it has fired.
    pub(crate) fn remove(&self, key: Key) -> Option<Waker> {
        let shard = &self.shards[key.wheel()];
        let mut wheel = shard.wheel.lock();
        let waker = wheel.remove(key);
        if wheel.len() == 0 {
            // Relaxed: a hint, as in `may_be_due`.
            shard.next.store(NEVER, Ordering::Relaxed);
        }
        waker
    }

    /// Publishes until when the role sleeps.
    pub(crate) fn fall_asleep(&self) -> u64 {
        // Relaxed: the locks that come next order it, see above.
        self.until.store(NEVER, Ordering::Relaxed);
        let shards = self.shards.iter();
        let nexts = shards.map(|shard| shard.renew(&shard.wheel.lock()));
        let until = nexts.min().unwrap_or(NEVER);
        // Relaxed: a thread that still sees `NEVER` notifies without need.
        self.until.store(until, Ordering::Relaxed);
        until
    }

    /// The role is awake; whether a timer may be due.
    pub(crate) fn wake_up(&self, now: u64) -> bool {
        // Relaxed: a thread that sees it later notifies without need.
        self.until.store(AWAKE, Ordering::Relaxed);
        self.is_due(now)
    }

    /// Whether a timer may be due.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        let due = |shard: &Shard| shard.wheel.lock().is_due(now, STEPS) != Due::Nothing;
        let mut shards = self.shards.iter();
        shards.any(|shard| shard.may_be_due(now) && due(shard))
    }

    /// Fires timers that are due, up to [`FIRED_MOST`]; how many.
    pub(crate) fn fire(&self, now: u64) -> usize {
        let (mut left, mut fired) = (FIRED_MOST, 0);
        loop {
            let before = left;
            for shard in self.shards.iter() {
                let turn = TURN.min(left);
                let (pops, count) = shard.fire(now, turn);
                left -= pops;
                fired += count;
            }
            if left == before || left == 0 {
                return fired;
            }
        }
    }
}
