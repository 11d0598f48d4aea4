//! What all parts of a server, and all parts of a connection, share.

use crate::api::group::group_handle::GroupHandle;
use crate::api::group::handle::Never;
use crate::group::node::NodeRef;
use crate::pool::global;
use crate::serve::accept::Peer;
use crate::serve::activity::{Activity, Patience};
use crate::serve::phase::Control;
use crate::serve::report::Sums;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Hears why the system gave no connection, and for how long the server waits.
pub(super) type OnAcceptError = Arc<dyn Fn(&io::Error, Duration) + Send + Sync>;

/// What the operator chose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) patience: Patience,
    pub(super) request: Duration,
    pub(super) body: Duration,
    pub(super) connections: usize,
    pub(super) per_address: usize,
    pub(super) in_flight: usize,
    pub(super) head_bytes: usize,
    pub(super) lame_duck: Duration,
    pub(super) drain: Duration,
    pub(super) cancel: Duration,
}

/// A server that runs.
pub(super) struct Serving {
    pub(super) limits: Limits,
    pub(super) control: Arc<Control>,
    pub(super) sums: Arc<Sums>,
    /// Where its nanoseconds begin.
    pub(super) started: Instant,
    /// Requests under way.
    in_flight: AtomicUsize,
    /// Connections of each address, where there is a limit.
    addresses: Mutex<HashMap<IpAddr, usize>>,
    pub(super) on_accept_error: Option<OnAcceptError>,
    /// The group of the server, once it is open.
    pub(super) group: Mutex<Option<NodeRef>>,
    /// Why the listener could not go on, if that is why the server stops.
    pub(super) listener: Mutex<Option<io::Error>>,
}

impl Serving {
    pub(super) fn new(
        limits: Limits,
        control: Arc<Control>,
        sums: Arc<Sums>,
        on_accept_error: Option<OnAcceptError>,
        started: Instant,
    ) -> Self {
        Self {
            limits,
            control,
            sums,
            started,
            in_flight: AtomicUsize::new(0),
            addresses: Mutex::default(),
            on_accept_error,
            group: Mutex::default(),
            listener: Mutex::default(),
        }
    }

    /// Nanoseconds since the server started.
    pub(super) fn nanos(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.started);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Counts a connection of this peer, unless its address has as many as it may have.
    pub(super) fn admit(self: &Arc<Self>, peer: Peer) -> Option<Open> {
        let most = self.limits.per_address;
        let counted = peer.ip().filter(|_| most < usize::MAX);
        if let Some(ip) = counted {
            let mut addresses = self.addresses.lock();
            let count = addresses.entry(ip).or_default();
            if *count >= most {
                return None;
            }
            *count += 1;
        }
        self.control.opened();
        Some(Open {
            server: Arc::clone(self),
            counted,
            ended: false,
        })
    }

    /// Counts a request, unless there are as many as there may be.
    fn begin_request(&self) -> bool {
        // Relaxed: a count, which orders nothing; here and below.
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let room = before < self.limits.in_flight;
        if !room {
            self.end_request();
        }
        room
    }

    fn end_request(&self) {
        // Relaxed: as above.
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that counts. Dropping it makes room for another one.
pub(super) struct Open {
    server: Arc<Serving>,
    counted: Option<IpAddr>,
    ended: bool,
}

impl Open {
    /// It has ended by itself.
    pub(super) fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.ended {
            self.server.sums.cut_connections.bump_shared();
        }
        if let Some(ip) = self.counted {
            let mut addresses = self.server.addresses.lock();
            if let Some(count) = addresses.get_mut(&ip) {
                *count -= 1;
                if *count == 0 {
                    addresses.remove(&ip);
                }
            }
        }
        self.server.control.closed(self.server.limits.connections);
    }
}

/// One connection.
pub(super) struct Connection {
    pub(super) server: Arc<Serving>,
    pub(super) peer: Peer,
    pub(super) activity: Activity,
    pub(super) group: GroupHandle<Never>,
}

/// A request that is under way, until its answer was handed over, or it was given up.
pub(super) struct Running {
    connection: Arc<Connection>,
    counts: bool,
    answered: bool,
}

impl Running {
    pub(super) fn begin(connection: Arc<Connection>) -> Self {
        connection.activity.request_begins();
        let server = &connection.server;
        server.sums.requests.bump_shared();
        let counts = server.begin_request();
        Self {
            connection,
            counts,
            answered: false,
        }
    }

    /// Whether there was room for it.
    pub(super) fn counts(&self) -> bool {
        self.counts
    }

    /// All of the answer was handed over.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let server = &self.connection.server;
        if self.counts {
            server.end_request();
        }
        match self.answered {
            true => server.sums.answered.bump_shared(),
            false => server.sums.cut.bump_shared(),
        }
        let now = server.nanos(global::lately());
        self.connection.activity.request_ends(now);
    }
}
