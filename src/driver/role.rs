//! The driver's role: one idle worker sleeps where time and I/O arrive, the others on their
//! parkers.
//!
//! What it sleeps in is a [`Selector`], which keeps a notification until the next wait. Timers are
//! in the wheel, under a lock of their own.
//!
//! Firing needs no role. A thread that has found timers due takes one at a time out of the wheel,
//! and calls its waker with no lock held: so the others are there for another thread if that waker
//! does not return, and a timer that is set or taken back meanwhile waits for a few steps of the
//! wheel, however many are due.
//!
//! # States
//!
//! The word is `FREE`, `HELD`, or `WANTED`: held, and a worker that wanted to sleep in the driver
//! went to sleep on its parker instead. Under the wheel's lock, `until` says how long the holder
//! sleeps: `Awake` while it does not.
//!
//! # Protocol
//!
//! Sleeping: 1. take the role; without it, say `WANTED` and park. 2. With it: say `POLLING` in the
//! own parker, or take the token that came meanwhile; 3. under the wheel's lock, publish until when
//! the role sleeps; 4. wait; 5. take the parker back; 6. give the role up; 7. wake the waiters of
//! what came, and fire what is due.
//!
//! Looking without sleeping: 1. take the role, or leave it to the holder; 2. wait for no time;
//! 3. give the role up; if it was wanted, the caller wakes a sleeper, which takes it; 4. wake the
//! waiters of what came, and fire what is due.
//!
//! Waking a sleeper: give its parker a token; if it was `POLLING`, notify the selector. Inserting a
//! timer: under the wheel's lock, compare with what the role published; if the new one is earlier,
//! notify the selector.
//!
//! # Why no wake-up is lost
//!
//! A notification is kept until the next wait. Steps 2 and 3 come before the wait, so a waker that
//! came before them was seen, and one that comes after them notifies. A sleeper that finds the role
//! held by a thread that only looks, and parks, has said so in the same word that the holder gives
//! up.

use crate::driver::wheel::{Due, Key, Wheel};
use crate::parker::Parker;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::waiters;
use std::task::Waker;
use std::time::Instant;

/// Timers that one look fires at most, with what their wakers do about 20 us. Those that are left
/// come first at the next look; in between a busy worker goes on with its jobs.
pub(crate) const FIRED_MOST: usize = 256;

/// Steps of the wheel under one hold of its lock: about 0.3 us.
const STEPS: u32 = 16;

/// What the holder of the role sleeps in.
pub(crate) trait Selector {
    /// Events of one wait.
    type Events: Default;

    /// Now, on the driver's clock.
    fn now(&self) -> Instant;

    /// Waits for events, a notification, or the limit.
    fn wait(&self, events: &mut Self::Events, limit: Limit);

    /// Ends the current wait, or else the next one. Any thread may call it.
    fn notify(&self);

    /// Wakes the waiters of these events, and empties them; how many there were. Wakers run
    /// inside.
    fn dispatch(&self, events: &mut Self::Events) -> usize;

    /// How many events there are.
    fn count(&self, events: &Self::Events) -> usize;
}

/// How long a wait may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Now,
    Until(Instant),
    Never,
}

/// Until when the role sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    Awake,
    Instant(Instant),
    Forever,
}

struct Shelf {
    wheel: Wheel<Waker>,
    until: Until,
}

const FREE: u32 = 0;
const HELD: u32 = 1;
const WANTED: u32 = 2;

/// What a look without sleeping came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct Turn {
    /// A waiter was woken.
    pub(crate) woken: bool,
    /// A worker that wanted the role sleeps elsewhere: wake a sleeper.
    pub(crate) wanted: bool,
}

/// The role, and what belongs to its holder.
pub(crate) struct Role<S: Selector> {
    pub(crate) selector: S,
    word: AtomicU32,
    /// How often it was taken; wraps.
    taken: AtomicU32,
    /// Room for events, which no holder uses now.
    buffers: Mutex<Vec<S::Events>>,
    shelf: Mutex<Shelf>,
}

impl<S: Selector> Role<S> {
    pub(crate) fn new(selector: S) -> Self {
        let wheel = Wheel::new(selector.now());
        Self {
            selector,
            word: AtomicU32::new(FREE),
            taken: AtomicU32::new(0),
            buffers: Mutex::new(Vec::new()),
            shelf: Mutex::new(Shelf {
                wheel,
                until: Until::Awake,
            }),
        }
    }

    /// Takes the role if it is free.
    fn take(&self) -> bool {
        // Relaxed: the word decides which thread; the wheel's lock, and the selector, order what
        // the holders do.
        let taken = self
            .word
            .compare_exchange(FREE, HELD, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if taken {
            // Relaxed: a statistic with one writer at a time, here and below.
            let before = self.taken.load(Ordering::Relaxed);
            // Relaxed: as above.
            self.taken.store(before.wrapping_add(1), Ordering::Relaxed);
        }
        taken
    }

    /// If no thread sleeps here: how often the role was taken so far, be it to look. One that wakes
    /// up says so under the same lock, before it gives the role up.
    pub(crate) fn left_after(&self) -> Option<u32> {
        let awake = self.shelf.lock().until == Until::Awake;
        // Relaxed: as of some moment; the sentinel asks again.
        awake.then(|| self.taken.load(Ordering::Relaxed))
    }

    /// Takes the role, or says that it was wanted.
    fn take_or_want(&self) -> bool {
        loop {
            if self.take() {
                return true;
            }
            // Relaxed: as in `take`. Either the holder finds `WANTED` when it gives the role up, or
            // it is free now.
            let wanted =
                self.word
                    .compare_exchange(HELD, WANTED, Ordering::Relaxed, Ordering::Relaxed);
            if wanted != Err(FREE) {
                return false;
            }
        }
    }

    /// Gives the role up; whether it was wanted meanwhile.
    fn give_up(&self) -> bool {
        // Relaxed: as in `take`.
        self.word.swap(FREE, Ordering::Relaxed) == WANTED
    }

    /// Sleeps until the parker is unparked, or, with the role, until there is something to do.
    /// `polls` is called before the sleep in the driver, `awake` after it, before any waiter is
    /// woken.
    pub(crate) fn park(&self, parker: &Parker, polls: impl FnOnce(), awake: impl FnOnce()) {
        if !self.take_or_want() {
            return parker.park();
        }
        polls();
        let mut events = self.buffer();
        while parker.begin_polling() {
            let limit = self.fall_asleep();
            self.selector.wait(&mut events, limit);
            let is_due = self.wake_up();
            let token = parker.end_polling();
            if token || is_due || self.selector.count(&events) > 0 {
                break;
            }
        }
        // A worker that wanted the role has not missed anything: this thread is awake and looks
        // around, or sleeps here again.
        self.give_up();
        awake();
        self.deliver(events);
    }

    /// Publishes until when the role sleeps.
    fn fall_asleep(&self) -> Limit {
        let mut shelf = self.shelf.lock();
        let (until, limit) = match shelf.wheel.earliest() {
            Some(at) => (Until::Instant(at), Limit::Until(at)),
            None => (Until::Forever, Limit::Never),
        };
        shelf.until = until;
        limit
    }

    /// Takes that back; whether a timer may be due.
    fn wake_up(&self) -> bool {
        let now = self.selector.now();
        let mut shelf = self.shelf.lock();
        shelf.until = Until::Awake;
        shelf.wheel.is_due(now, STEPS) != Due::Nothing
    }

    /// Looks at time and I/O without waiting, if no other thread does.
    pub(crate) fn turn(&self) -> Turn {
        if !self.take() {
            return Turn::default();
        }
        let mut events = self.buffer();
        self.selector.wait(&mut events, Limit::Now);
        let wanted = self.give_up();
        Turn {
            woken: self.deliver(events) > 0,
            wanted,
        }
    }

    /// Wakes the waiters of these events and of timers, without the role: wakers are user code,
    /// which may wait for what another holder of the role will see. How many there were.
    fn deliver(&self, mut events: S::Events) -> usize {
        let count = self.selector.dispatch(&mut events);
        self.buffers.lock().push(events);
        count + self.fire()
    }

    /// Fires timers that are due, up to [`FIRED_MOST`]; how many.
    fn fire(&self) -> usize {
        if self.timers() == 0 {
            return 0;
        }
        let now = self.selector.now();
        let mut fired = 0;
        for _ in 0..FIRED_MOST {
            let due = self.shelf.lock().wheel.pop_due(now, STEPS);
            match due {
                Due::Timer(waker) => waiters::wake(waker),
                Due::Unsettled => continue,
                Due::Nothing => break,
            }
            fired += 1;
        }
        fired
    }

    fn buffer(&self) -> S::Events {
        self.buffers.lock().pop().unwrap_or_default()
    }

    /// Wakes the owner of a parker, wherever it sleeps.
    pub(crate) fn unpark(&self, parker: &Parker) {
        if parker.unpark() {
            self.selector.notify();
        }
    }

    /// Adds a timer.
    pub(crate) fn insert(&self, at: Instant, waker: Waker) -> Key {
        let (key, notify) = {
            let mut shelf = self.shelf.lock();
            let notify = match shelf.until {
                Until::Awake => false,
                Until::Instant(until) => at < until,
                Until::Forever => true,
            };
            (shelf.wheel.insert(at, waker), notify)
        };
        if notify {
            self.selector.notify();
        }
        key
    }

    /// How many timers are set and have not fired.
    pub(crate) fn timers(&self) -> usize {
        self.shelf.lock().wheel.len()
    }

    /// Has a timer call this waker; false if it has fired.
    pub(crate) fn update(&self, key: Key, waker: &Waker) -> bool {
        match self.shelf.lock().wheel.get_mut(key) {
            None => return false,
            Some(known) if known.will_wake(waker) => return true,
            Some(_) => {}
        }
        // Cloned and dropped outside the lock: wakers are user code.
        let mut other = waker.clone();
        let is_set = match self.shelf.lock().wheel.get_mut(key) {
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
        self.shelf.lock().wheel.remove(key)
    }
}
