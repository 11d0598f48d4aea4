//! The clock: the only place that reads the time.
//!
//! A driver has one clock. That of a test stands still until the test advances it: [`ManualClock`].

use crate::sync::{Arc, Mutex};
use crate::waiters::{Key, Waiters};
use std::fmt;
use std::task::Waker;
use std::time::{Duration, Instant};

/// Where a driver's time comes from.
#[derive(Clone, Default)]
pub(crate) enum Clock {
    /// The monotonic clock of the system.
    #[default]
    System,
    /// A clock that a test advances.
    Manual(ManualClock),
}

impl Clock {
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            Self::Manual(clock) => clock.now(),
        }
    }

    /// Has `waker` called when a test advances the clock; false if time passes by itself.
    pub(crate) fn wake_on_advance(&self, key: &mut Key, waker: &Waker) -> bool {
        match self {
            Self::System => false,
            Self::Manual(clock) => {
                clock.0.sleepers.register(key, waker);
                true
            }
        }
    }

    /// Takes that waker back.
    pub(crate) fn forget(&self, key: &mut Key) {
        if let Self::Manual(clock) = self {
            clock.0.sleepers.remove(key);
        }
    }
}

/// A clock that stands still until it is advanced: for tests of code that waits.
///
/// A runtime that was built with it sleeps, times out and meets deadlines by this clock alone.
///
/// # Examples
///
/// ```
/// use spinney::time::ManualClock;
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let runtime = spinney::Runtime::builder().workers(1).clock(&clock).build()?;
/// runtime.block_on(spinney::group(async |g| {
///     let nap = g.spawn(spinney::sleep(Duration::from_secs(3600)));
///     clock.advance(Duration::from_secs(3600));
///     nap.await; // at once
/// }));
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Manual>);

struct Manual {
    /// The instant of its making, on the system's clock: `Instant` has no zero.
    start: Instant,
    passed: Mutex<Duration>,
    /// Drivers that sleep.
    sleepers: Waiters,
}

impl ManualClock {
    /// A clock that shows the instant of its making.
    ///
    /// # Examples
    ///
    /// ```
    /// let clock = spinney::time::ManualClock::new();
    /// assert!(clock.now() <= std::time::Instant::now());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Manual {
            start: Instant::now(),
            passed: Mutex::new(Duration::ZERO),
            sleepers: Waiters::new(),
        }))
    }

    /// The instant that the clock shows.
    ///
    /// # Examples
    ///
    /// ```
    /// let clock = spinney::time::ManualClock::new();
    /// assert_eq!(clock.now(), clock.now()); // it stands still
    /// ```
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.start + *self.0.passed.lock()
    }

    /// Lets time pass.
    ///
    /// Timers that become due fire on the runtime's own threads, soon after this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::time::ManualClock;
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let (same, start) = (clock.clone(), clock.now());
    /// clock.advance(Duration::from_millis(5));
    /// assert_eq!(same.now() - start, Duration::from_millis(5)); // clones are one clock
    /// ```
    ///
    /// # Panics
    ///
    /// If the system's clock cannot represent the instant.
    pub fn advance(&self, by: Duration) {
        {
            let mut passed = self.0.passed.lock();
            let sum = passed.checked_add(by);
            let sum = sum.filter(|sum| self.0.start.checked_add(*sum).is_some());
            *passed = sum.expect("time has an end");
        }
        self.0.sleepers.wake_all();
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock")
            .field("passed", &*self.0.passed.lock())
            .finish()
    }
}
