//! Ticks: when the next one is due, and what becomes of those that were missed.

use super::{Sleep, sleep_until};
use crate::pool::global;
use std::time::{Duration, Instant};

/// Ticks every `period`, first at once. A tick that comes late does not shift the later ones; ticks
/// that were missed altogether are skipped, unless
/// [`set_missed_tick_behavior`](Interval::set_missed_tick_behavior) says otherwise.
///
/// # Examples
///
/// ```
/// use spinney::time::interval;
/// use std::time::Duration;
///
/// spinney::block_on(async {
///     let mut ticks = interval(Duration::from_millis(1));
///     let first = ticks.tick().await;
///     assert!(ticks.tick().await - first >= Duration::from_millis(1));
/// });
/// ```
///
/// # Panics
///
/// A period of zero panics.
pub fn interval(period: Duration) -> Interval {
    interval_at(global::now(), period)
}

/// As [`interval`], with the first tick at `start`.
///
/// # Examples
///
/// ```
/// use spinney::time::{interval_at, now};
/// use std::time::Duration;
///
/// spinney::block_on(async {
///     let start = now() + Duration::from_millis(2); // not at once
///     let mut ticks = interval_at(start, Duration::from_secs(60));
///     assert_eq!(ticks.tick().await, start);
///     assert!(now() >= start);
/// });
/// ```
///
/// # Panics
///
/// A period of zero panics.
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval is not zero");
    Interval {
        period,
        sleep: sleep_until(start),
        missed: MissedTickBehavior::Skip,
    }
}

/// What an [`Interval`] does about ticks that it has missed, because the task that reads it was
/// busy for a period or longer.
///
/// # Examples
///
/// With a period of 10 s, read at 0 s, and then not before 35 s:
///
/// ```
/// use spinney::time::{ManualClock, MissedTickBehavior, interval};
/// use spinney::Runtime;
/// use std::time::Duration;
///
/// fn ticks(missed: MissedTickBehavior) -> [u64; 4] {
///     let clock = ManualClock::new();
///     let start = clock.now();
///     let runtime = Runtime::builder().workers(1).clock(&clock).build().unwrap();
///     runtime.block_on(async {
///         let mut ticks = interval(Duration::from_secs(10));
///         ticks.set_missed_tick_behavior(missed);
///         ticks.tick().await;
///         clock.advance(Duration::from_secs(35)); // busy
///         let mut due = [0; 4];
///         for due in &mut due {
///             let tick = ticks.tick();
///             clock.advance(Duration::from_secs(10)); // it may be due later
///             *due = (tick.await - start).as_secs();
///         }
///         due
///     })
/// }
///
/// assert_eq!(ticks(MissedTickBehavior::Skip)[..2], [10, 50]);
/// assert_eq!(ticks(MissedTickBehavior::Burst), [10, 20, 30, 40]);
/// assert_eq!(ticks(MissedTickBehavior::Delay)[..2], [10, 55]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MissedTickBehavior {
    /// They come one after the other, each at once, until the interval has caught up: for what
    /// counts ticks.
    Burst,
    /// The next one comes a whole period after the late one was read, and so do all after it: for
    /// pauses between pieces of work.
    Delay,
    /// They are left out; the next one is due a multiple of the period after the first: for what
    /// keeps to the clock.
    #[default]
    Skip,
}

/// Ticks: see [`interval`].
///
/// # Examples
///
/// ```
/// use spinney::time::{Interval, interval};
/// use std::time::Duration;
///
/// struct Heart {
///     beats: Interval,
/// }
///
/// spinney::block_on(async {
///     let mut heart = Heart { beats: interval(Duration::from_millis(1)) };
///     heart.beats.tick().await;
/// });
/// ```
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    sleep: Sleep,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick and returns when it was due.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::time::interval;
    /// use std::time::{Duration, Instant};
    ///
    /// spinney::block_on(async {
    ///     let due = interval(Duration::from_secs(1)).tick().await;
    ///     assert!(due <= Instant::now()); // the first one comes at once
    /// });
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no tick.
    pub async fn tick(&mut self) -> Instant {
        (&mut self.sleep).await;
        let now = global::now();
        let due = self.sleep.deadline().unwrap_or(now);
        self.sleep.put_off(match self.missed {
            MissedTickBehavior::Burst => due.checked_add(self.period),
            MissedTickBehavior::Delay => now.checked_add(self.period),
            MissedTickBehavior::Skip => {
                let late = now.saturating_duration_since(due).as_nanos();
                let missed = u32::try_from(late / self.period.as_nanos()).unwrap_or(u32::MAX);
                let step = self.period.checked_mul(missed.saturating_add(1));
                step.and_then(|step| due.checked_add(step))
            }
        });
        due
    }

    /// Says what becomes of ticks that were missed; without a word they are skipped.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::time::{MissedTickBehavior, interval};
    /// use std::time::Duration;
    ///
    /// let mut pauses = interval(Duration::from_secs(1));
    /// pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    /// ```
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// Lets the next tick come one period from now, and the others after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::time::interval;
    /// use std::time::Duration;
    ///
    /// spinney::block_on(async {
    ///     let mut idle = interval(Duration::from_millis(2));
    ///     idle.reset(); // the one that is due at once does not come
    ///     let due = idle.tick().await;
    ///     assert!(due <= spinney::time::now());
    /// });
    /// ```
    pub fn reset(&mut self) {
        self.sleep.put_off(global::now().checked_add(self.period));
    }
}
