//! Time: sleeping, deadlines on any future, and ticks.
//!
//! Timers never fire early. Every duration is accepted: one that reaches beyond the clock means
//! never.

use crate::driver::driver::{Driver, Timer};
use crate::poll::{budget, frame};
use crate::pool::global;
use crate::sync::Arc;
use pin_project_lite::pin_project;
use std::error::Error;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

pub use crate::driver::clock::ManualClock;

/// A timer that is so late is late for the budget of its poll. None is on an idle machine.
const OVERRUN: Duration = Duration::from_millis(1);

/// Waits for `duration`. `Duration::MAX` means never; zero is ready at the first poll.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// spinney::block_on(spinney::sleep(Duration::from_millis(1)));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep {
        at: global::now().checked_add(duration),
        is_fresh: duration >= OVERRUN,
        timer: None,
    }
}

/// Waits until `at`.
///
/// # Examples
///
/// ```
/// use spinney::time::sleep_until;
/// use std::time::{Duration, Instant};
///
/// let at = Instant::now() + Duration::from_millis(1);
/// spinney::block_on(sleep_until(at));
/// assert!(Instant::now() >= at);
/// ```
///
/// # Cancellation
///
/// Dropping the future cancels the timer.
pub fn sleep_until(at: Instant) -> Sleep {
    Sleep {
        at: Some(at),
        is_fresh: false,
        timer: None,
    }
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// # Examples
///
/// ```
/// use spinney::time::{Sleep, sleep};
/// use std::time::Duration;
///
/// fn pause() -> Sleep {
///     sleep(Duration::from_millis(1))
/// }
///
/// spinney::block_on(pause());
/// ```
///
/// # Cancellation
///
/// Dropping it cancels the timer.
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    /// `None`: never.
    at: Option<Instant>,
    /// It was made with a duration, and not polled yet.
    is_fresh: bool,
    timer: Option<Timer>,
}

impl Sleep {
    /// When it ends; `None`: never.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::time::{sleep, sleep_until};
    /// use std::time::{Duration, Instant};
    ///
    /// let at = Instant::now();
    /// assert_eq!(sleep_until(at).deadline(), Some(at));
    /// assert_eq!(sleep(Duration::MAX).deadline(), None);
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.at
    }

    /// Lets it end at another instant, also after it has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// spinney::block_on(async {
    ///     let mut sleep = spinney::sleep(Duration::MAX);
    ///     sleep.reset(Instant::now() + Duration::from_millis(1));
    ///     sleep.await;
    /// });
    /// ```
    pub fn reset(&mut self, at: Instant) {
        self.timer = None;
        self.is_fresh = false;
        self.at = Some(at);
    }

    /// Whether it is over; if not, the waker is called when it is. `late` may put it off where it
    /// is late.
    fn poll_due(
        &mut self,
        cx: &mut Context<'_>,
        late: impl FnOnce(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        let Some(at) = self.at else {
            frame::note_leaf();
            return Poll::Pending;
        };
        // Nearly always it was made a moment ago, and the clock need not be read again. If that was
        // long ago after all, the next turn of the driver finds it due.
        let is_fresh = mem::take(&mut self.is_fresh) && global::was_over(at) == Some(false);
        if !is_fresh {
            let now = match &self.timer {
                Some(timer) => timer.now(),
                None => global::now(),
            };
            if now >= at {
                if now.duration_since(at) >= OVERRUN {
                    ready!(late(cx));
                }
                self.timer = None;
                return Poll::Ready(());
            }
        }
        let set = self
            .timer
            .as_ref()
            .is_some_and(|timer| timer.update(cx.waker()));
        if !set {
            let waker = cx.waker().clone();
            let set = |driver: &Arc<Driver>, seat| driver.insert_waker(seat, at, waker);
            self.timer = Some(global::with_driver(set));
        }
        frame::note_leaf();
        Poll::Pending
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        budget::poll(cx, |cx| self.poll_due(cx, budget::late_timer))
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("at", &self.at).finish()
    }
}

/// Gives `future` at most `duration`. A value that is ready in the same poll wins; zero grants one
/// poll.
///
/// # Examples
///
/// ```
/// use std::future::{pending, ready};
/// use std::time::Duration;
///
/// spinney::block_on(async {
///     let short = Duration::from_millis(1);
///     assert_eq!(spinney::timeout(short, ready(1)).await, Ok(1));
///     assert!(spinney::timeout(short, pending::<()>()).await.is_err());
/// });
/// ```
///
/// # Errors
///
/// [`Elapsed`], when the time is over; the future has been dropped then.
///
/// # Cancellation
///
/// A group that is dropped by a timeout cancels its children at once; whatever encloses it joins
/// them.
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout {
        future: Some(future),
        sleep: sleep(duration),
        begun: false,
    }
}

pin_project! {
    /// The future of [`timeout`].
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::time::{Timeout, timeout};
    /// use std::future::ready;
    /// use std::time::Duration;
    ///
    /// fn soon<F: Future>(future: F) -> Timeout<F> {
    ///     timeout(Duration::from_secs(1), future)
    /// }
    ///
    /// assert_eq!(spinney::block_on(soon(ready(1))), Ok(1));
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct Timeout<F> {
        #[pin]
        future: Option<F>,
        sleep: Sleep,
        begun: bool,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("polled after it was ready");
        let polled = if *this.begun {
            future.poll(cx)
        } else {
            ready!(budget::spend(cx));
            *this.begun = true;
            // It may be the one poll that is granted.
            let _granted = budget::granted();
            future.poll(cx)
        };
        if let Poll::Ready(value) = polled {
            return Poll::Ready(Ok(value));
        }
        // Without a unit: a future that has taken the last one is not to outlive its time.
        ready!(this.sleep.poll_due(cx, |_| Poll::Ready(())));
        this.future.set(None);
        Poll::Ready(Err(Elapsed(())))
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("at", &self.sleep.at)
            .finish_non_exhaustive()
    }
}

/// The time of a [`timeout`] is over.
///
/// # Examples
///
/// ```
/// use spinney::time::Elapsed;
/// use std::future::pending;
/// use std::time::Duration;
///
/// async fn answer() -> Result<(), Elapsed> {
///     spinney::timeout(Duration::from_millis(1), pending()).await
/// }
///
/// assert_eq!(spinney::block_on(answer()).unwrap_err().to_string(), "the time is over");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is over")
    }
}

impl Error for Elapsed {}

/// Ticks every `period`, first at once. A tick that comes late does not shift the later ones; ticks
/// that were missed altogether are skipped.
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
    assert!(!period.is_zero(), "the period of an interval is not zero");
    Interval {
        period,
        sleep: sleep_until(global::now()),
    }
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
        let due = self.sleep.at.unwrap_or_else(global::now);
        let late = global::now().saturating_duration_since(due);
        let missed = u32::try_from(late.as_nanos() / self.period.as_nanos()).unwrap_or(u32::MAX);
        let step = self.period.checked_mul(missed.saturating_add(1));
        self.sleep.timer = None;
        self.sleep.at = step.and_then(|step| due.checked_add(step));
        due
    }
}
