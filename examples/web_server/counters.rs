//! What is under way, and how it ended. `/stats` shows it, and the stop reports it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

pub static CONNECTIONS: Tally = Tally::new();
pub static REQUESTS: Tally = Tally::new();
/// Children of requests.
pub static CHILDREN: Tally = Tally::new();
/// Connections that broke: nonsense instead of HTTP, a client that was too slow, or has gone in the middle.
pub static BROKEN: AtomicU64 = AtomicU64::new(0);
/// Connections that the system could not give us.
pub static NOT_ACCEPTED: AtomicU64 = AtomicU64::new(0);

/// Things of one kind: they begin, and then they finish or are cancelled.
pub struct Tally {
    begun: AtomicU64,
    finished: AtomicU64,
    cancelled: AtomicU64,
}

/// What a [`Tally`] says at one moment.
#[derive(Clone, Copy)]
pub struct Counts {
    pub open: u64,
    pub finished: u64,
    pub cancelled: u64,
}

impl Tally {
    const fn new() -> Self {
        Self {
            begun: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
        }
    }

    /// Begins one. Keep the value in the future that it stands for: a future that is dropped half-way counts itself as
    /// cancelled.
    pub fn begin(&'static self) -> Running {
        self.begun.fetch_add(1, SeqCst);
        Running {
            tally: self,
            finished: false,
        }
    }

    pub fn counts(&self) -> Counts {
        // Ends are read before beginnings: what ends meanwhile counts as open, and no count is negative.
        let (finished, cancelled) = (self.finished.load(SeqCst), self.cancelled.load(SeqCst));
        Counts {
            open: self.begun.load(SeqCst) - finished - cancelled,
            finished,
            cancelled,
        }
    }
}

impl Counts {
    /// What has ended since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            open: self.open,
            finished: self.finished - before.finished,
            cancelled: self.cancelled - before.cancelled,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            open,
            finished,
            cancelled,
        } = self;
        write!(f, "{open} open, {finished} finished, {cancelled} cancelled")
    }
}

/// One that is under way.
pub struct Running {
    tally: &'static Tally,
    finished: bool,
}

impl Running {
    pub fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let end = match self.finished {
            true => &self.tally.finished,
            false => &self.tally.cancelled,
        };
        end.fetch_add(1, SeqCst);
    }
}
