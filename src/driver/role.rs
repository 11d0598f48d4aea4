//! The driver's role: one idle worker sleeps where time and I/O arrive, the others on their
//! parkers.
//!
//! What it sleeps in is a [`Selector`], which keeps a notification until the next wait. Timers are
//! in wheels, each under a lock of its own: `driver::timers`, which also says how a timer that is
//! set ends the sleep.
//!
//! Firing needs no role. A thread that has found timers due takes one at a time out of a wheel, and
//! calls its waker with no lock held: so the others are there for another thread if that waker does
//! not return, and a timer that is set or taken back meanwhile waits for a few steps of the wheel,
//! however many are due.
//!
//! # States
//!
//! The word is `FREE`, `HELD`, or `WANTED`: held, and a worker that wanted to sleep in the driver
//! went to sleep on its parker instead. The timers know how long the holder sleeps.
//!
//! # Protocol
//!
//! Sleeping: 1. take the role; without it, say `WANTED` and park. 2. With it: say `POLLING` in the
//! own parker, or take the token that came meanwhile; 3. publish until when the role sleeps; 4.
//! wait; 5. take the parker back; 6. give the role up; 7. wake the waiters of what came, and fire
//! what is due.
//!
//! Looking without sleeping: 1. take the role, or leave it to the holder; 2. wait for no time;
//! 3. give the role up; if it was wanted, the caller wakes a sleeper, which takes it; 4. wake the
//! waiters of what came, and fire what is due.
//!
//! Waking a sleeper: give its parker a token; if it was `POLLING`, notify the selector. Setting a
//! timer: if it is earlier than the end that was published, notify the selector.
//!
//! # Why no wake-up is lost
//!
//! A notification is kept until the next wait. Steps 2 and 3 come before the wait, so a waker that
//! came before them was seen, and one that comes after them notifies. A sleeper that finds the role
//! held by a thread that only looks, and parks, has said so in the same word that the holder gives
//! up.
//!
//! # A holder that is away
//!
//! A selector may run code of others in a wait: tokio's tasks. One that does not return keeps the
//! holder of the role from waiting. The selector says so, and meanwhile the others look without
//! the role. The holder may be back by then, and asleep: so a notification that such a look takes
//! out is passed on, as it may be a token of the holder's, or an earlier end of its sleep.

use crate::driver::timers::{NEVER, Timers};
use crate::driver::wheel::Key;
use crate::parker::Parker;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

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

    /// Whether the wait that these events are of may have taken a notification.
    fn took_notification(&self, events: &Self::Events) -> bool;

    /// If the thread in a wait runs code of others now: how often one has waited so far.
    fn away(&self) -> Option<u32> {
        None
    }
}

/// How long a wait may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Now,
    Until(Instant),
    Never,
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
    timers: Timers,
    /// Whether the holder sleeps, for the sentinel.
    asleep: Mutex<bool>,
    /// Where the nanoseconds of the timers begin.
    started: Instant,
}

impl<S: Selector> Role<S> {
    /// For so many seats on which most timers are set.
    pub(crate) fn new(selector: S, seats: usize) -> Self {
        Self {
            started: selector.now(),
            selector,
            word: AtomicU32::new(FREE),
            taken: AtomicU32::new(0),
            buffers: Mutex::new(Vec::new()),
            timers: Timers::new(seats),
            asleep: Mutex::new(false),
        }
    }

    /// When it was made.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Nanoseconds since the start. 584 years is never.
    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.started);
        u64::try_from(since.as_nanos()).unwrap_or(NEVER)
    }

    /// Takes the role if it is free.
    fn take(&self) -> bool {
        // Relaxed: the word decides which thread; the locks of the wheels, and the selector, order
        // what the holders do.
        let taken = self
            .word
            .compare_exchange(FREE, HELD, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if taken {
            self.note_look();
        }
        taken
    }

    /// Counts a look, or a sleep.
    fn note_look(&self) {
        // Relaxed: a statistic with one writer at a time, here and below. While the holder is away
        // there may be more, and one look of two at once is not counted.
        let before = self.taken.load(Ordering::Relaxed);
        // Relaxed: as above.
        self.taken.store(before.wrapping_add(1), Ordering::Relaxed);
    }

    /// If no thread sleeps here: how often the role was taken so far, be it to look. One that wakes
    /// up says so under the same lock, before it gives the role up.
    pub(crate) fn left_after(&self) -> Option<u32> {
        let away = self.selector.away();
        let awake = away.is_some() || !*self.asleep.lock();
        // Relaxed: as of some moment; the sentinel asks again.
        awake.then(|| {
            let taken = self.taken.load(Ordering::Relaxed);
            taken.wrapping_add(away.unwrap_or(0))
        })
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
            return match self.looks_for_holder() {
                Some(events) => {
                    awake();
                    self.deliver(events);
                }
                None => parker.park(),
            };
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

    /// If the holder of the role is away: looks without waiting; the events, if there is anything
    /// to do. What comes later is for the next sleeper that the sentinel has woken.
    #[cold]
    fn looks_for_holder(&self) -> Option<S::Events> {
        self.selector.away()?;
        let events = self.look_beside();
        let now = self.nanos(self.selector.now());
        if self.selector.count(&events) > 0 || self.timers.is_due(now) {
            return Some(events);
        }
        self.buffers.lock().push(events);
        None
    }

    /// Publishes until when the role sleeps.
    fn fall_asleep(&self) -> Limit {
        *self.asleep.lock() = true;
        let until = match self.timers.fall_asleep() {
            NEVER => None,
            until => self.started.checked_add(Duration::from_nanos(until)),
        };
        until.map_or(Limit::Never, Limit::Until)
    }

    /// Takes that back; whether a timer may be due.
    fn wake_up(&self) -> bool {
        *self.asleep.lock() = false;
        self.timers.wake_up(self.nanos(self.selector.now()))
    }

    /// Looks at time and I/O without waiting, if no other thread does.
    pub(crate) fn turn(&self) -> Turn {
        let (events, wanted) = if self.take() {
            (self.look(), self.give_up())
        } else if self.selector.away().is_some() {
            (self.look_beside(), false)
        } else {
            return Turn::default();
        };
        Turn {
            woken: self.deliver(events) > 0,
            wanted,
        }
    }

    /// Waits for no time.
    fn look(&self) -> S::Events {
        let mut events = self.buffer();
        self.selector.wait(&mut events, Limit::Now);
        events
    }

    /// The same for a holder that is away, without the role. A notification is the holder's.
    #[cold]
    fn look_beside(&self) -> S::Events {
        self.note_look();
        let events = self.look();
        if self.selector.took_notification(&events) {
            self.selector.notify();
        }
        events
    }

    /// Wakes the waiters of these events and of timers, without the role: wakers are user code,
    /// which may wait for what another holder of the role will see. How many there were.
    fn deliver(&self, mut events: S::Events) -> usize {
        let count = self.selector.dispatch(&mut events);
        self.buffers.lock().push(events);
        let fired = match self.timers.may_be_any() {
            true => self.timers.fire(self.nanos(self.selector.now())),
            false => 0,
        };
        count + fired
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

    /// The timers, which belong to no holder.
    pub(crate) fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Adds a timer, from that seat.
    pub(crate) fn insert(&self, seat: usize, at: Instant, waker: Waker) -> Key {
        let (key, notify) = self.timers.insert(seat, self.nanos(at), waker);
        if notify {
            self.selector.notify();
        }
        key
    }
}
