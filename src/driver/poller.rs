//! The poller role: one idle worker sleeps where time and I/O arrive, the others on their parkers.
//!
//! # Protocol
//!
//! Sleeping: 1. try to take the role; without it, park. 2. With it: say `POLLING` in the own parker, or take the token
//! that came meanwhile; 3. under the timers' lock, publish until when the role sleeps; 4. wait in the poller; 5. fire
//! what is due, give the role up.
//!
//! Waking a sleeper: give its parker a token; if it was `POLLING`, notify the poller. Inserting a timer: under the
//! timers' lock, compare with what the role published; if the new one is earlier, notify the poller.
//!
//! # Why no wake-up is lost
//!
//! A notification of the poller is kept until the next wait. Steps 2 and 3 come before the wait, so whoever came before
//! them was seen, and whoever comes after them notifies.

use crate::driver::clock;
use crate::driver::registered::Sources;
use crate::driver::timers::{Action, Key, Timers};
use crate::parker::Parker;
use crate::sync::{Arc, Mutex};
use std::io;
use std::task::Waker;
use std::time::{Duration, Instant};

/// Until when the role sleeps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Nobody sleeps in the poller.
    Vacant,
    Until(Instant),
    Forever,
}

struct Shelf {
    timers: Timers,
    role: Role,
}

/// What an idle worker sleeps in.
pub(crate) struct Driver {
    pub(crate) poller: polling::Poller,
    pub(crate) sources: Mutex<Sources>,
    events: Mutex<polling::Events>,
    shelf: Mutex<Shelf>,
}

impl Driver {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poller: polling::Poller::new()?,
            sources: Mutex::new(Sources::default()),
            events: Mutex::new(polling::Events::new()),
            shelf: Mutex::new(Shelf {
                timers: Timers::default(),
                role: Role::Vacant,
            }),
        })
    }

    pub(crate) fn now(&self) -> Instant {
        clock::now()
    }

    /// Sleeps until the parker is unparked, or, in the poller role, until something was woken.
    pub(crate) fn park(&self, parker: &Parker) {
        let Some(mut events) = self.events.try_lock() else {
            parker.park();
            return;
        };
        if !parker.begin_polling() {
            return;
        }
        loop {
            let woken = self.turn_with(&mut events, None);
            if woken {
                // Either way the owner looks for work now; a token that came meanwhile is used up by that.
                parker.end_polling();
                return;
            }
            if parker.end_polling() || !parker.begin_polling() {
                return;
            }
        }
    }

    /// Wakes the owner of a parker, wherever it sleeps.
    pub(crate) fn unpark(&self, parker: &Parker) {
        if parker.unpark() {
            self.notify();
        }
    }

    fn notify(&self) {
        // An error would mean that the poller's own descriptor is gone: nothing sleeps in it then.
        let _ = self.poller.notify();
    }

    /// Looks at time and I/O without waiting, if nobody else does; whether anything was woken.
    pub(crate) fn turn(&self) -> bool {
        match self.events.try_lock() {
            Some(mut events) => self.turn_with(&mut events, Some(Duration::ZERO)),
            None => false,
        }
    }

    /// One turn of the role: waits, at most until the earliest timer or for `limit`, and fires what is due.
    fn turn_with(&self, events: &mut polling::Events, limit: Option<Duration>) -> bool {
        let timeout = {
            let mut shelf = self.shelf.lock();
            let earliest = shelf.timers.earliest();
            shelf.role = earliest.map_or(Role::Forever, Role::Until);
            let until = earliest.map(|at| at.saturating_duration_since(clock::now()));
            match (limit, until) {
                (Some(limit), Some(until)) => Some(limit.min(until)),
                (limit, until) => limit.or(until),
            }
        };
        // Errors (an interrupted wait) count as a turn without events.
        let _ = self.poller.wait(events, timeout);
        self.shelf.lock().role = Role::Vacant;
        let woken = !events.is_empty();
        for event in events.iter() {
            let source = self.sources.lock().get(event.key);
            // An event for a source that is gone has no taker.
            let Some(source) = source else { continue };
            if event.readable || event.is_interrupt() {
                source.read.event();
            }
            if event.writable || event.is_interrupt() {
                source.write.event();
            }
        }
        events.clear();
        self.fire() || woken
    }

    /// Fires what is due; whether there was anything.
    fn fire(&self) -> bool {
        let mut any = false;
        if self.shelf.lock().timers.earliest().is_none() {
            return false;
        }
        let now = clock::now();
        loop {
            let due = self.shelf.lock().timers.pop_due(now);
            match due {
                Some(action) => action.run(),
                None => return any,
            }
            any = true;
        }
    }

    fn insert(&self, at: Instant, action: Action) -> Key {
        let (key, notify) = {
            let mut shelf = self.shelf.lock();
            let notify = match shelf.role {
                Role::Vacant => false,
                Role::Until(until) => at < until,
                Role::Forever => true,
            };
            (shelf.timers.insert(at, action), notify)
        };
        if notify {
            self.notify();
        }
        key
    }

    /// Wakes `waker` at `at`; dropping the timer cancels it.
    pub(crate) fn insert_waker(self: &Arc<Self>, at: Instant, waker: Waker) -> Timer {
        Timer {
            key: self.insert(at, Action::Wake(waker)),
            driver: Arc::clone(self),
        }
    }

    /// Calls `call` at `at`, on whatever thread drives; dropping the timer cancels it.
    pub(crate) fn insert_call(
        self: &Arc<Self>,
        at: Instant,
        call: Box<dyn FnOnce() + Send>,
    ) -> Timer {
        Timer {
            key: self.insert(at, Action::Call(call)),
            driver: Arc::clone(self),
        }
    }
}

/// A timer that is set. Dropping it cancels it; after it has fired that does nothing.
pub(crate) struct Timer {
    key: Key,
    driver: Arc<Driver>,
}

impl Timer {
    /// Replaces the waker; false if the timer has fired.
    pub(crate) fn update(&self, waker: &Waker) -> bool {
        let new = waker.clone();
        let old = {
            let mut shelf = self.driver.shelf.lock();
            match shelf.timers.get_mut(self.key) {
                Some(action) => Some(std::mem::replace(action, Action::Wake(new))),
                None => None,
            }
        };
        old.is_some()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let action = self.driver.shelf.lock().timers.remove(self.key);
        drop(action);
    }
}
