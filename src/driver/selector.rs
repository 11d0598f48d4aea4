//! What the holder of the driver's role sleeps in: the system's half, the sources that it watches,
//! and the clock.

use crate::driver::clock::Clock;
use crate::driver::role::{Limit, Selector};
use crate::driver::sources::Sources;
use crate::driver::system::{Events, System};
use crate::sync::{Arc, Mutex};
use crate::waiters::Key;
use std::io;
use std::task::{Wake, Waker};
use std::time::Instant;

/// The selector of a driver.
pub(crate) struct SystemSelector {
    pub(crate) system: Arc<System>,
    pub(crate) sources: Mutex<Sources>,
    pub(crate) clock: Clock,
    /// Ends a wait when a manual clock is advanced.
    waker: Waker,
    /// Where that waker stands at the clock.
    key: Mutex<Key>,
}

impl Wake for System {
    fn wake(self: Arc<Self>) {
        self.notify();
    }
}

impl SystemSelector {
    pub(crate) fn new(clock: Clock) -> io::Result<Self> {
        let system = Arc::new(System::new()?);
        Ok(Self {
            waker: Waker::from(Arc::clone(&system)),
            system,
            sources: Mutex::new(Sources::default()),
            clock,
            key: Mutex::default(),
        })
    }

    fn ends_on_advance(&self) -> bool {
        self.clock
            .wake_on_advance(&mut self.key.lock(), &self.waker)
    }
}

impl Drop for SystemSelector {
    /// A test may keep its clock for longer than a runtime.
    fn drop(&mut self) {
        self.clock.forget(&mut self.key.lock());
    }
}

impl Selector for SystemSelector {
    type Events = Events;

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn wait(&self, events: &mut Events, limit: Limit) {
        let limit = match limit {
            // Registered first, then the clock is read: an advance after that notifies.
            Limit::Until(at) if self.ends_on_advance() => {
                if self.clock.now() >= at {
                    Limit::Now
                } else {
                    Limit::Never
                }
            }
            limit => limit,
        };
        self.system.wait(events, limit, || self.clock.now());
    }

    fn notify(&self) {
        self.system.notify();
    }

    fn count(&self, events: &Events) -> usize {
        events.iter().count()
    }

    fn dispatch(&self, events: &mut Events) -> usize {
        let mut count = 0;
        for event in events.iter() {
            let source = self.sources.lock().get(event.key);
            // An event for a source that is gone has no taker.
            let Some(source) = source else { continue };
            source.event(event);
            count += 1;
        }
        events.clear();
        count
    }
}
