//! What is under way, and how it ended. `/stats` shows it, and the stop reports it.

use spinney::serve::ServerHandle;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Children of requests. The server counts connections and requests.
pub static CHILDREN: Tally = Tally::new();

/// Things of one kind: they begin, and then they finish or are cancelled.
pub struct Tally {
    begun: AtomicU64,
    finished: AtomicU64,
    cancelled: AtomicU64,
}

/// What there is of one kind at one moment.
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
    /// How many have ended since an earlier look. The numbers of a look are read one after the other, so a later one may
    /// say less.
    fn since(self, before: Self) -> Self {
        Self {
            open: self.open,
            finished: self.finished.saturating_sub(before.finished),
            cancelled: self.cancelled.saturating_sub(before.cancelled),
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

pub fn connections(server: &ServerHandle) -> Counts {
    let (open, counts) = (server.connections() as u64, server.counts());
    let ended = counts.connections.saturating_sub(open);
    Counts {
        open,
        finished: ended.saturating_sub(counts.cut_connections),
        cancelled: counts.cut_connections,
    }
}

pub fn requests(server: &ServerHandle) -> Counts {
    let counts = server.counts();
    let ended = counts.answered + counts.cut;
    Counts {
        open: counts.requests.saturating_sub(ended),
        finished: counts.answered,
        cancelled: counts.cut,
    }
}

/// What was under way when the stop began.
#[derive(Clone, Copy)]
pub struct Stop {
    connections: Counts,
    requests: Counts,
}

impl Stop {
    pub fn now(server: &ServerHandle) -> Self {
        Self {
            connections: connections(server),
            requests: requests(server),
        }
    }

    /// What has become of it.
    pub fn since(self, server: &ServerHandle) -> String {
        let requests = requests(server).since(self.requests);
        let connections = connections(server).since(self.connections);
        format!(
            "requests: {} drained, {} cancelled; connections: {} drained, {} cancelled",
            requests.finished, requests.cancelled, connections.finished, connections.cancelled
        )
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} connections open, {} requests in flight",
            self.connections.open, self.requests.open
        )
    }
}

/// All of it, for `/stats`.
pub fn stats(server: &ServerHandle) -> String {
    // In this order: when a connection has ended, so have all its requests, and all their children.
    let (connections, requests) = (connections(server), requests(server));
    let children = CHILDREN.counts();
    let counts = server.counts();
    format!(
        "connections: {connections}\nrequests: {requests}\nchildren: {children}\nbroken connections: {}\nnot \
         accepted: {}\n",
        counts.broken_connections, counts.accept_errors,
    )
}
