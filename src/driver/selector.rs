//! What the holder of the driver's role sleeps in: the system's half, the sources that it watches,
//! and the clock.

use crate::driver::beside::{Asked, Beside};
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
    /// tokio, if it was asked for.
    pub(crate) beside: Option<Beside>,
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

/// What came in one wait.
#[derive(Default)]
pub(crate) struct Arrived {
    events: Events,
    /// The thread has waited in tokio's driver, and may have got something else to do there.
    busy: bool,
}

impl SystemSelector {
    pub(crate) fn new(clock: Clock, tokio: Option<Asked<'_>>) -> io::Result<Self> {
        let system = Arc::new(System::new()?);
        let beside = tokio.map(|asked| Beside::new(asked, &system));
        Ok(Self {
            beside: beside.transpose()?,
            waker: Waker::from(Arc::clone(&system)),
            system,
            sources: Mutex::new(Sources::default()),
            clock,
            key: Mutex::default(),
        })
    }

    /// Waits in tokio's driver, if that is to be had; whether it was.
    fn waits_beside(&self, events: &mut Events, limit: Limit) -> bool {
        let until = match limit {
            Limit::Now => return false,
            Limit::Until(at) => Some(at),
            Limit::Never => None,
        };
        self.beside.as_ref().is_some_and(|beside| {
            events.clear();
            beside.wait(&self.system, events, until)
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
    type Events = Arrived;

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn wait(&self, arrived: &mut Arrived, limit: Limit) {
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
        arrived.busy = false;
        let events = &mut arrived.events;
        if self.waits_beside(events, limit) {
            arrived.busy = true;
            return;
        }
        self.system.wait(events, limit, || self.clock.now());
    }

    fn notify(&self) {
        self.system.notify();
    }

    fn count(&self, arrived: &Arrived) -> usize {
        arrived.events.iter().count() + usize::from(arrived.busy)
    }

    fn took_notification(&self, arrived: &Arrived) -> bool {
        arrived.events.notified()
    }

    fn away(&self) -> Option<u32> {
        self.beside.as_ref()?.away()
    }

    fn dispatch(&self, arrived: &mut Arrived) -> usize {
        let events = &mut arrived.events;
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
