//! What a connection does at the moment, and until when it may go on doing so.
//!
//! Nothing here costs a timer for each request: the connection has one timer, which is set for the
//! earliest limit, and looks anew when it fires. An instant is a number of nanoseconds since the
//! server started.
//!
//! What every request notes goes by the clock as a worker has seen it last: a millisecond before
//! now or so, or the longest job of the workers.
//!
//! The words are written by the connection's task, as hyper reads and writes, and by the tasks of
//! its streams, if it is HTTP/2; they are hints about time, and order nothing.

use crate::pool::metrics::Level;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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

/// How long a connection of HTTP/1.1 is idle before it rests.
pub(super) const QUIET: Duration = Duration::from_secs(1);

/// Which limit comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Between requests, for a while: it may rest.
    Quiet,
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
    since: Level,
    /// A head has begun, and no request has come of it; the first one begins with the connection.
    in_head: Flag,
    /// Of that head bytes have come, or are about to.
    head_came: Flag,
    /// Since when the client takes no bytes.
    writing: Level,
    /// It speaks HTTP/2, in which what comes in between requests is no head.
    is_http2: Flag,
    /// The server drains: a read that finds nothing looks for input that is on its way.
    drains: Flag,
    has_input: Flag,
    /// hyper holds nothing but buffers once it is idle: the last request had no body, of which a
    /// part might be left.
    had_no_body: Flag,
    /// It is ending: hyper has said so to the transport.
    farewell: Flag,
}

impl Activity {
    /// Idle since now.
    pub(super) fn new(now: u64) -> Self {
        let activity = Self {
            requests: AtomicUsize::new(0),
            since: Level::default(),
            in_head: Flag::new(true),
            head_came: Flag::new(false),
            writing: Level::default(),
            is_http2: Flag::new(false),
            drains: Flag::new(false),
            has_input: Flag::new(false),
            had_no_body: Flag::new(false),
            farewell: Flag::new(false),
        };
        activity.since.set(now);
        activity.writing.set(NEVER);
        activity
    }

    /// Bytes have come. `now` is asked for if they are the first ones after an answer.
    pub(super) fn bytes_came(&self, now: impl FnOnce() -> u64) {
        if self.is_busy() || self.is_http2.get() {
            return;
        }
        if !self.in_head.get() {
            self.since.set(now());
            self.in_head.set(true);
        }
        self.head_came.set(true);
        self.has_input.set(false);
    }

    /// The first head is on its way, for all that is known: its client could not send it before the
    /// end of the handshake, and that was just now.
    pub(super) fn expects_head(&self) {
        self.head_came.set(true);
    }

    /// The connection speaks HTTP/2: what comes between requests is no head.
    pub(super) fn speaks_http2(&self) {
        self.is_http2.set(true);
    }

    /// The request that has begun has a body, or none.
    pub(super) fn has_body(&self, any: bool) {
        self.had_no_body.set(!any);
    }

    /// It rests: it need not be told again before the next request.
    pub(super) fn rests(&self) {
        self.had_no_body.set(false);
    }

    pub(super) fn says_farewell(&self) {
        self.farewell.set(true);
    }

    /// Whether hyper holds nothing but buffers: see `src/serve/conversation.rs`. An answer that the
    /// client does not take is no such thing.
    fn may_rest(&self) -> bool {
        let is_idle = !self.is_busy() && !self.in_head.get() && self.writing.get() == NEVER;
        is_idle && self.had_no_body.get() && !self.is_http2.get() && !self.farewell.get()
    }

    pub(super) fn request_begins(&self) {
        // Relaxed: see the head of the file, here and below.
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_head.set(false);
        self.head_came.set(false);
    }

    pub(super) fn request_ends(&self, now: u64) {
        self.since.set(now);
        // Relaxed: as above.
        self.requests.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn is_busy(&self) -> bool {
        // Relaxed: as above.
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// The client takes bytes, or is stuck. `now` is asked for if it was not before.
    pub(super) fn writes(&self, is_stuck: bool, now: impl FnOnce() -> u64) {
        let was_stuck = self.writing.get() != NEVER;
        if is_stuck != was_stuck {
            self.writing.set(if is_stuck { now() } else { NEVER });
        }
    }

    pub(super) fn drain(&self) {
        self.drains.set(true);
    }

    pub(super) fn drains(&self) -> bool {
        self.drains.get()
    }

    /// A read that found nothing has looked whether input is on its way.
    pub(super) fn saw_input(&self, any: bool) {
        self.has_input.set(any);
    }

    /// Whether the connection may be told to close: it does so at once if it is idle, and else
    /// after its answers. Not while a request is on its way.
    pub(super) fn may_close(&self) -> bool {
        self.is_busy() || !(self.head_came.get() || self.has_input.get())
    }

    /// The connection was told to close: if it is idle it may take as long as any head.
    pub(super) fn closes(&self, now: u64) {
        self.since.set(now);
        self.in_head.set(true);
    }

    /// The next limit: the instant, and which.
    pub(super) fn limit(&self, patience: &Patience) -> Option<(u64, Limit)> {
        let stuck = after(self.writing.get(), patience.write).map(|at| (at, Limit::Slow));
        if self.is_busy() {
            return stuck;
        }
        let since = self.since.get();
        let waits = match self.in_head.get() {
            true => after(since, patience.head).map(|at| (at, Limit::Slow)),
            false => after(since, patience.idle).map(|at| (at, Limit::Idle)),
        };
        let quiet = after(since, QUIET).filter(|_| self.may_rest());
        let all = [stuck, waits, quiet.map(|at| (at, Limit::Quiet))];
        all.into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

/// A hint: see the head of the file.
#[derive(Debug)]
struct Flag(AtomicBool);

impl Flag {
    fn new(up: bool) -> Self {
        Self(AtomicBool::new(up))
    }

    fn get(&self) -> bool {
        // Relaxed: a hint, here and below.
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, up: bool) {
        // Relaxed: as above.
        self.0.store(up, Ordering::Relaxed);
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
        activity.writes(true, || 5);
        activity.writes(true, || 6);
        assert_eq!(activity.limit(&PATIENCE), Some((35, Limit::Slow)));
        activity.writes(false, || panic!("it is not stuck"));
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
    fn a_connection_rests_where_hyper_holds_nothing() {
        const SECOND: u64 = 1_000_000_000;
        let patience = Patience {
            idle: Duration::from_secs(75),
            ..PATIENCE
        };
        let activity = Activity::new(0);
        let quiet = || activity.limit(&patience) == Some((9 + SECOND, Limit::Quiet));
        let request = |has_body| {
            activity.request_begins();
            activity.has_body(has_body);
            activity.request_ends(9);
        };
        request(true);
        assert!(!quiet(), "a part of the body may be left");
        request(false);
        assert!(quiet());
        activity.writes(true, || 10);
        assert!(!quiet(), "the answer is not with the system");
        activity.writes(false, || panic!("it is not stuck"));
        activity.bytes_came(|| 9);
        assert!(!quiet(), "a head has begun");
        request(false);
        assert!(quiet());
        activity.rests();
        assert_eq!(
            activity.limit(&patience),
            Some((9 + 75 * SECOND, Limit::Idle))
        );
        request(false);
        activity.says_farewell();
        assert!(!quiet(), "it is closing");
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
        let shaken = Activity::new(1);
        shaken.expects_head();
        assert!(!shaken.may_close(), "its first head could not come before");
    }
}
