//! The pause of a listener when the process or the system has no room for one more connection.
//!
//! Such a connection stays in the system's queue, so the next try fails at once, and the one after
//! it: a loop that accepts and logs would do nothing else. So a failed try is followed by a pause,
//! in which none is made. It lasts 5 ms, twice as long after each further failure, and a second at
//! most, as in Go's `net/http`.

use rustix::io::Errno;
use std::io;
use std::time::{Duration, Instant};

/// The first pause.
const FIRST: Duration = Duration::from_millis(5);

/// The longest one.
const LONGEST: Duration = Duration::from_secs(1);

/// When a listener tries again.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    until: Option<Instant>,
    /// How long the last one was.
    last: Duration,
}

impl Pause {
    /// The end of the pause, if there is one at this instant.
    pub(crate) fn until(&self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        self.until.filter(|until| now() < *until)
    }

    /// A try has succeeded.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// A try has failed for want of room; how long the pause is that begins.
    pub(crate) fn begin(&mut self, now: Instant) -> Duration {
        self.last = (2 * self.last).clamp(FIRST, LONGEST);
        self.until = now.checked_add(self.last);
        self.last
    }
}

/// Whether there is no room for one more connection: no descriptor, or no memory.
pub(crate) fn is_for_want_of_room(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}
