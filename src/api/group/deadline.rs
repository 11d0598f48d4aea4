//! Deadlines of a group and graces of its stops: an instant at which it ends with an error.

use crate::api::group::handle::Group;
use crate::group::pool::Late;
use crate::report::reason::{CancelKind, Origin};
use crate::tree::zero_deadline;
use std::panic::Location;
use std::time::{Duration, Instant};

impl<E: Send + 'static> Group<'_, '_, E> {
    /// Ends the group with this error unless it has ended after `after`. Inner groups inherit the
    /// instant as a minimum.
    ///
    /// `Duration::MAX` means never. Zero means now: polls that run go on to their end, and what
    /// they give may come too late.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, block_on, try_group};
    /// use std::future::pending;
    /// use std::time::Duration;
    ///
    /// let result = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    ///     g.deadline(Duration::from_millis(1), "too late");
    ///     Ok(g.spawn(pending::<()>()).await)
    /// }));
    /// assert_eq!(result.unwrap_err().into_first(), "too late");
    /// ```
    #[track_caller]
    pub fn deadline(self, after: Duration, error: E) {
        let now = self.node().pool().now();
        self.deadline_since(now, after, error, Location::caller());
    }

    /// Asks the group to stop now, and ends it with this error after the grace.
    ///
    /// `Duration::MAX` means never.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, block_on, try_group};
    /// use std::time::Duration;
    ///
    /// let result = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    ///     let child = g.spawn(async move { Ok(g.stopping().await) });
    ///     g.stop_within(Duration::from_secs(5), "it did not stop");
    ///     Ok(child.await) // it has stopped: the grace is not needed
    /// }));
    /// assert!(result.is_ok());
    /// ```
    #[track_caller]
    pub fn stop_within(self, grace: Duration, error: E) {
        // Before a child hears of the stop: what it does then is within the grace.
        let now = self.node().pool().now();
        self.stop();
        if let Some(at) = now.checked_add(grace) {
            self.end_at(at, CancelKind::GraceOver, error, Location::caller());
        }
    }

    pub(crate) fn deadline_since(
        self,
        now: Instant,
        after: Duration,
        error: E,
        location: &'static Location<'static>,
    ) {
        if let Some(at) = self.note_deadline(now, after) {
            self.end_at(at, CancelKind::Deadline, error, location);
        }
    }

    /// Makes the instant visible to `current::deadline`; `None`: never.
    fn note_deadline(self, now: Instant, after: Duration) -> Option<Instant> {
        let at = now.checked_add(after)?;
        let mut slow = self.node().slow.lock();
        let own = &mut slow.rare().deadline;
        *own = Some(own.map_or(at, |earlier| earlier.min(at)));
        Some(at)
    }

    /// Ends the group at that instant.
    fn end_at(self, at: Instant, kind: CancelKind, error: E, location: &'static Location<'static>) {
        let late = self.late(at, kind, error, location);
        let node = self.node();
        let timer = node.pool().call_at(at, late);
        node.slow.lock().rare().kept_open.push(timer);
    }

    /// What ends the group because of that instant.
    fn late(
        self,
        at: Instant,
        kind: CancelKind,
        error: E,
        location: &'static Location<'static>,
    ) -> Late {
        let gate = self.gate();
        let origin = Origin::call(location);
        Box::new(move |pool| gate.cancel_late(pool, at, kind, error, origin))
    }

    /// A deadline that has passed, held back for one poll.
    #[cold]
    pub(crate) fn grant(self, error: E, location: &'static Location<'static>) {
        let now = self.node().pool().now();
        if let Some(at) = self.note_deadline(now, Duration::ZERO) {
            let late = self.late(at, CancelKind::Deadline, error, location);
            zero_deadline::hold_back(self.node(), late);
        }
    }
}
