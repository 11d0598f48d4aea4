//! What a connection does at the moment, and until when it may go on doing so.
//!
//! Nothing here costs a timer for each request: the connection has one timer, which is set for the
//! earliest limit, and looks anew when it fires. An instant is a number of nanoseconds since the
//! server started.
//!
//! The words are written by the connection's task, as hyper reads and writes, and by the tasks of
//! its streams, if it is HTTP/2; they are hints about time, and order nothing.

use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Not since any instant.
const NEVER: u64 = u64::MAX;

/// How long a connection may do nothing, and no more than something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the rest of a head, and a handshake.
    pub(super) head: Duration,
    /// Between requests.
    pub(super) idle: Duration,
    /// For the client to take some bytes.
    pub(super) write: Duration,
}

/// Which limit comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Between requests: close it in an orderly way.
    Idle,
    /// The client is too slow: close it.
    Slow,
}

/// What a connection does.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests under way.
    requests: AtomicUsize,
    /// Since when it is idle, or else the last head began.
    since: AtomicU64,
    /// A head has begun, and no request has come of it; the first one begins with the connection.
    in_head: AtomicBool,
    /// Of that head bytes have come.
    head_came: AtomicBool,
    /// Since when the client takes no bytes.
    writing: AtomicU64,
    /// It speaks HTTP/2, in which what comes in between requests is no head.
    is_http2: AtomicBool,
    /// The server drains: a read that finds nothing looks for input that is on its way.
    drains: AtomicBool,
    has_input: AtomicBool,
}

impl Activity {
    /// Idle since now.
    pub(super) fn new(now: u64) -> Self {
        Self {
            requests: AtomicUsize::new(0),
            since: AtomicU64::new(now),
            in_head: AtomicBool::new(true),
            head_came: AtomicBool::new(false),
            writing: AtomicU64::new(NEVER),
            is_http2: AtomicBool::new(false),
            drains: AtomicBool::new(false),
            has_input: AtomicBool::new(false),
        }
    }

    // Relaxed in all that follows: see the head of the file.

    /// Bytes have come. `now` is asked for if they are the first ones after an answer.
    pub(super) fn bytes_came(&self, now: impl FnOnce() -> u64) {
        // Relaxed: see above.
        if self.requests.load(Ordering::Relaxed) > 0 || self.is_http2.load(Ordering::Relaxed) {
            return;
        }
        // Relaxed: see above.
        if !self.in_head.load(Ordering::Relaxed) {
            // Relaxed: see above.
            self.since.store(now(), Ordering::Relaxed);
            // Relaxed: see above.
            self.in_head.store(true, Ordering::Relaxed);
        }
        // Relaxed: see above.
        self.head_came.store(true, Ordering::Relaxed);
        // Relaxed: see above.
        self.has_input.store(false, Ordering::Relaxed);
    }

    /// The connection speaks HTTP/2: what comes between requests is no head.
    pub(super) fn speaks_http2(&self) {
        // Relaxed: see above.
        self.is_http2.store(true, Ordering::Relaxed);
    }

    pub(super) fn request_begins(&self) {
        // Relaxed: see above.
        self.requests.fetch_add(1, Ordering::Relaxed);
        // Relaxed: see above.
        self.in_head.store(false, Ordering::Relaxed);
        // Relaxed: see above.
        self.head_came.store(false, Ordering::Relaxed);
    }

    pub(super) fn request_ends(&self, now: u64) {
        // Relaxed: see above.
        self.since.store(now, Ordering::Relaxed);
        // Relaxed: see above.
        self.requests.fetch_sub(1, Ordering::Relaxed);
    }

    /// The client takes bytes, or does not.
    pub(super) fn writes(&self, stuck: Option<u64>) {
        // Relaxed: see above.
        let before = self.writing.load(Ordering::Relaxed);
        match stuck {
            None if before == NEVER => {}
            // Relaxed: see above.
            None => self.writing.store(NEVER, Ordering::Relaxed),
            // Relaxed: see above.
            Some(now) if before == NEVER => self.writing.store(now, Ordering::Relaxed),
            Some(_) => {}
        }
    }

    /// Whether writing is stuck: the time is asked for only if it was not yet.
    pub(super) fn is_stuck(&self) -> bool {
        // Relaxed: see above.
        self.writing.load(Ordering::Relaxed) != NEVER
    }

    pub(super) fn drain(&self) {
        // Relaxed: see above.
        self.drains.store(true, Ordering::Relaxed);
    }

    pub(super) fn drains(&self) -> bool {
        // Relaxed: see above.
        self.drains.load(Ordering::Relaxed)
    }

    /// A read that found nothing has looked whether input is on its way.
    pub(super) fn saw_input(&self, any: bool) {
        // Relaxed: see above.
        self.has_input.store(any, Ordering::Relaxed);
    }

    /// Whether the connection may be told to close: it does so at once if it is idle, and else
    /// after its answers. Not while a request is on its way.
    pub(super) fn may_close(&self) -> bool {
        // Relaxed: see above.
        let busy = self.requests.load(Ordering::Relaxed) > 0;
        // Relaxed: see above.
        let came = self.head_came.load(Ordering::Relaxed);
        // Relaxed: see above.
        busy || !(came || self.has_input.load(Ordering::Relaxed))
    }

    /// The connection was told to close: if it is idle it may take as long as any head.
    pub(super) fn closes(&self, now: u64) {
        // Relaxed: see above.
        self.since.store(now, Ordering::Relaxed);
        // Relaxed: see above.
        self.in_head.store(true, Ordering::Relaxed);
    }

    /// The next limit: the instant, and which.
    pub(super) fn limit(&self, patience: &Patience) -> Option<(u64, Limit)> {
        // Relaxed: see above.
        let writing = self.writing.load(Ordering::Relaxed);
        let stuck = after(writing, patience.write).map(|at| (at, Limit::Slow));
        // Relaxed: see above.
        if self.requests.load(Ordering::Relaxed) > 0 {
            return stuck;
        }
        // Relaxed: see above.
        let since = self.since.load(Ordering::Relaxed);
        // Relaxed: see above.
        let waits = match self.in_head.load(Ordering::Relaxed) {
            true => after(since, patience.head).map(|at| (at, Limit::Slow)),
            false => after(since, patience.idle).map(|at| (at, Limit::Idle)),
        };
        match (stuck, waits) {
            (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
            (a, b) => a.or(b),
        }
    }
}

/// `None` is never.
fn after(since: u64, duration: Duration) -> Option<u64> {
    let nanos = u64::try_from(duration.as_nanos()).ok()?;
    since.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::{Activity, Limit, Patience};
    use std::time::Duration;

    const PATIENCE: Patience = Patience {
        head: Duration::from_nanos(10),
        idle: Duration::from_nanos(100),
        write: Duration::from_nanos(30),
    };

    #[test]
    fn limits_follow_what_a_connection_does() {
        let activity = Activity::new(1);
        assert_eq!(activity.limit(&PATIENCE), Some((11, Limit::Slow)));
        activity.bytes_came(|| panic!("the first head begins with the connection"));
        activity.request_begins();
        assert_eq!(activity.limit(&PATIENCE), None);
        activity.writes(Some(5));
        activity.writes(Some(6));
        assert_eq!(activity.limit(&PATIENCE), Some((35, Limit::Slow)));
        activity.writes(None);
        activity.request_ends(20);
        assert_eq!(activity.limit(&PATIENCE), Some((120, Limit::Idle)));
        activity.bytes_came(|| 50);
        activity.bytes_came(|| panic!("not the first ones"));
        assert_eq!(activity.limit(&PATIENCE), Some((60, Limit::Slow)));
    }

    #[test]
    fn frames_of_http2_between_requests_are_no_head() {
        let activity = Activity::new(1);
        activity.request_begins();
        activity.speaks_http2();
        activity.request_ends(50);
        activity.bytes_came(|| panic!("no head"));
        assert_eq!(activity.limit(&PATIENCE), Some((150, Limit::Idle)));
    }

    #[test]
    fn a_duration_beyond_the_clock_is_no_limit() {
        let forever = Patience {
            head: Duration::MAX,
            idle: Duration::MAX,
            write: Duration::MAX,
        };
        assert_eq!(Activity::new(1).limit(&forever), None);
    }

    #[test]
    fn a_connection_closes_unless_a_request_is_on_its_way() {
        let activity = Activity::new(1);
        assert!(activity.may_close());
        activity.saw_input(true);
        assert!(!activity.may_close(), "it is in the socket");
        activity.saw_input(false);
        activity.bytes_came(|| 2);
        assert!(!activity.may_close(), "half of it has been read");
        activity.request_begins();
        assert!(activity.may_close(), "after the answer");
        activity.request_ends(3);
        assert!(activity.may_close());
    }
}
