//! A child that is started again when it fails.

use crate::api::child::completion::{Completing, Completion};
use crate::api::child::failure::Failure;
use crate::api::group::handle::Group;
use crate::api::here::current;
use crate::poll::budget;
use crate::report::reason::Origin;
use crate::unwind::{self, Payload};
use std::future::poll_fn;
use std::panic::{Location, resume_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Pauses between attempts double up to this, unless the first one is longer already.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often a failing child is started again: a policy for [`Restart::run`].
///
/// # Examples
///
/// ```
/// use spinney::{Group, Restart, block_on, try_group};
/// use std::time::Duration;
///
/// let result = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
///     let policy = Restart::at_most(2).backoff(Duration::from_millis(1));
///     let mut calls = 0;
///     let attempt = move || {
///         calls += 1;
///         async move { if calls < 3 { Err("not yet") } else { Ok(calls) } }
///     };
///     Ok(g.spawn(policy.run(g, attempt)).await)
/// }));
/// assert_eq!(result.unwrap(), 3);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a policy does nothing until it runs something"]
pub struct Restart {
    limit: usize,
    pause: Duration,
}

/// A failed attempt that is to be tried again. If that comes true, or the pause before it is cut,
/// the hook gets it.
struct Retried<'s, 'p, E: Send + 'static> {
    failure: Option<Failure<E>>,
    group: Group<'s, 'p, E>,
    location: &'static Location<'static>,
}

impl<E: Send + 'static> Drop for Retried<'_, '_, E> {
    fn drop(&mut self) {
        let Some(failure) = self.failure.take() else {
            return;
        };
        let origin = current::origin().unwrap_or(Origin {
            task: None,
            name: None,
            location: self.location,
        });
        let node = self.group.node();
        match failure {
            Failure::Error(error) => node.report_error(error, origin),
            Failure::Panic(payload) => node.report_panic(payload, origin),
        }
    }
}

/// Waits, but no longer than until the group is stopping.
async fn pause_in<E: Send + 'static>(group: Group<'_, '_, E>, pause: Duration) {
    let mut sleep = pin!(crate::time::sleep(pause));
    let mut stopping = pin!(group.stopping());
    poll_fn(|cx| match stopping.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => sleep.as_mut().poll(cx),
    })
    .await;
}

/// Passes on how an attempt ended.
struct Caught;

impl<O> Completion<O> for Caught {
    type Output = Result<O, Payload>;

    fn complete(self, end: Result<O, Payload>) -> Result<O, Payload> {
        end
    }
}

impl Restart {
    /// At most `limit` restarts after the first attempt; with zero, one attempt is all.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, Restart, block_on, try_group};
    ///
    /// let result = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    ///     g.spawn(Restart::at_most(0).run(g, || async { Err::<(), _>("no") })).await;
    ///     Ok(())
    /// }));
    /// assert_eq!(result.unwrap_err().into_first(), "no");
    /// ```
    pub const fn at_most(limit: usize) -> Self {
        Self {
            limit,
            pause: Duration::ZERO,
        }
    }

    /// Waits so long before the first restart, and twice as long before each later one, up to a
    /// minute. Default: not at all.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Restart;
    /// use std::time::Duration;
    ///
    /// // Pauses of 100 ms, 200 ms, 400 ms, and so on.
    /// const POLICY: Restart = Restart::at_most(10).backoff(Duration::from_millis(100));
    /// ```
    pub const fn backoff(mut self, first: Duration) -> Self {
        self.pause = first;
        self
    }

    /// Runs attempts until one succeeds, for [`Group::spawn`].
    ///
    /// The failures of attempts that are tried again go to the runtime's hook. Once `group` is
    /// stopping there are no further attempts, and no pauses: the last failure comes out at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, Restart};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let result = spinney::block_on(spinney::try_group(async |g: Group<'_, '_, &'static str>| {
    ///     let tries = g.keep(AtomicU32::new(0));
    ///     let flaky = move || async move {
    ///         if tries.fetch_add(1, Ordering::Relaxed) < 2 { Err("not yet") } else { Ok(()) }
    ///     };
    ///     g.spawn(Restart::at_most(5).run(g, flaky)).await;
    ///     Ok(tries.load(Ordering::Relaxed))
    /// }));
    /// assert_eq!(result.unwrap(), 3);
    /// ```
    ///
    /// # Errors
    ///
    /// That of the last attempt.
    ///
    /// # Panics
    ///
    /// A panic of the last attempt is passed on.
    #[track_caller]
    pub fn run<'s, F, B, T, E>(
        self,
        group: Group<'s, '_, E>,
        mut attempt: F,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        F: FnMut() -> B + Send + 's,
        B: Future<Output = Result<T, E>> + Send + 's,
        T: Send + 's,
        E: Send + 'static,
    {
        let location = Location::caller();
        async move {
            let mut pause = self.pause;
            let mut left = self.limit;
            loop {
                // The call is a part of the attempt: it may panic, too.
                let failure =
                    match Completing::<_, _, E>::new(async { attempt().await }, Caught).await {
                        Ok(Ok(value)) => return Ok(value),
                        Ok(Err(error)) => Failure::Error(error),
                        Err(payload) if unwind::is_cut(&*payload) => resume_unwind(payload),
                        Err(payload) => Failure::Panic(payload),
                    };
                let mut retried = Retried {
                    failure: Some(failure),
                    group,
                    location,
                };
                if left > 0 && !group.is_stopping() {
                    poll_fn(budget::spend).await;
                    if !pause.is_zero() {
                        pause_in(group, pause).await;
                    }
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE.max(self.pause));
                }
                if left == 0 || group.is_stopping() {
                    match retried.failure.take() {
                        Some(Failure::Panic(payload)) => resume_unwind(payload),
                        Some(Failure::Error(error)) => return Err(error),
                        None => unreachable!("taken here only"),
                    }
                }
                left -= 1;
            }
        }
    }
}
