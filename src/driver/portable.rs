//! Other systems: `polling` as it is.

#![expect(
    unsafe_code,
    reason = "a registration promises to end before its source does"
)]

use crate::driver::role::Limit;
use crate::driver::sources::Event;
use polling::PollMode;
use std::io;
use std::num::NonZero;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Events taken by one wait; more stay in the kernel for the next one.
pub(crate) const BATCH: usize = 1024;

/// The system's half of a selector.
pub(crate) struct System {
    poller: polling::Poller,
}

/// Room for the events of one wait.
pub(crate) struct Events(polling::Events);

impl Default for Events {
    fn default() -> Self {
        let room = const { NonZero::new(BATCH).expect("there is room") };
        Self(polling::Events::with_capacity(room))
    }
}

impl Events {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The events of sources.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> {
        self.0.iter().map(|event| {
            let failed = event.is_interrupt() || event.is_err() == Some(true);
            Event {
                key: event.key,
                readable: event.readable || failed,
                writable: event.writable || failed,
                // Not told apart here: an end is found by reading.
                must_say_so: true,
            }
        })
    }

    /// Whether there may have been a notification among them. `polling` does not tell.
    pub(crate) fn notified(&self) -> bool {
        true
    }
}

/// Readable when there is an event or a notification.
impl AsFd for System {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

impl System {
    pub(crate) fn new() -> io::Result<Self> {
        let poller = polling::Poller::new()?;
        Ok(Self { poller })
    }

    /// Watches a source in edge mode.
    pub(crate) fn add(&self, source: &(impl AsFd + AsRawFd), key: usize) -> io::Result<()> {
        let event = polling::Event::all(key);
        // SAFETY: `add_with_mode`: the source is deleted before it is dropped: `Registered`, the
        // one caller, owns it, and deletes it in its `drop`.
        unsafe { self.poller.add_with_mode(source, event, PollMode::Edge) }
    }

    pub(crate) fn delete(&self, source: &impl AsFd) -> io::Result<()> {
        self.poller.delete(source)
    }

    /// Waits; an interrupted wait is one without events.
    pub(crate) fn wait(&self, events: &mut Events, limit: Limit, now: impl FnOnce() -> Instant) {
        events.clear();
        let timeout = match limit {
            Limit::Now => Some(Duration::ZERO),
            Limit::Never => None,
            Limit::Until(at) => Some(at.saturating_duration_since(now())),
        };
        // Errors count as a turn without events.
        let _ = self.poller.wait(&mut events.0, timeout);
    }

    pub(crate) fn notify(&self) {
        // An error would mean that the poller's own descriptor is gone: nothing sleeps in it then.
        let _ = self.poller.notify();
    }
}
