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

mod interval;

pub use crate::driver::clock::ManualClock;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};

/// Now, on the clock of the runtime that the caller uses: the system's, or its
/// [`ManualClock`].
///
/// What is measured by it goes along when a test moves the clock.
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, time};
/// use std::time::Duration;
///
/// let clock = time::ManualClock::new();
/// let runtime = Runtime::builder().workers(1).clock(&clock).build()?;
/// let elapsed = runtime.block_on(async {
///     let begun = time::now();
///     clock.advance(Duration::from_secs(3600));
///     time::now() - begun
/// });
/// assert_eq!(elapsed, Duration::from_secs(3600));
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[must_use]
pub fn now() -> Instant {
    global::now()
}

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
        self.put_off(Some(at));
    }

    /// As [`Sleep::reset`]; `None`: it never ends.
    fn put_off(&mut self, at: Option<Instant>) {
        self.timer = None;
        self.is_fresh = false;
        self.at = at;
    }

    /// As a poll, for one that is polled again and again long before its end. Once it is set it
    /// goes by what a worker has seen of the clock last, and so ends when that worker looks again.
    #[cfg(feature = "serve")]
    pub(crate) fn poll_coarsely(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let runs = |timer: &Timer, at| !timer.was_over(at) && timer.update(cx.waker());
        match (&self.timer, self.at) {
            (Some(timer), Some(at)) if runs(timer, at) => {
                frame::note_leaf();
                Poll::Pending
            }
            _ => Pin::new(self).poll(cx),
        }
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
/// Around the handle of a child it ends the wait, and not the child, which goes on in its group:
/// put the timeout into the child, or [`cancel`](crate::Task::cancel) it afterwards.
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
