//! A child that is started again when it fails.

use crate::group::node::Origin;
use crate::surface::current;
use crate::surface::group::Group;
use crate::surface::watch::{Report, Watch};
use crate::unwind::{self, Payload};
use std::any::Any;
use std::panic::{Location, resume_unwind};
use std::time::Duration;

/// Pauses between attempts double up to this, unless the first one is longer already.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often a failing child is started again: a policy for [`Restart::run`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a policy does nothing until it runs something"]
pub struct Restart {
    limit: usize,
    pause: Duration,
}

/// Passes on how an attempt ended.
struct Caught;

impl<O> Report<O> for Caught {
    type Output = Result<O, Payload>;

    fn ended(self, end: Result<O, Payload>) -> Result<O, Payload> {
        end
    }
}

/// The task that runs the attempts, if it is one.
fn origin(location: &'static Location<'static>) -> Origin {
    current::origin().unwrap_or(Origin {
        task: None,
        name: None,
        location,
    })
}

impl Restart {
    /// At most `limit` restarts after the first attempt; with zero, one attempt is all.
    pub const fn at_most(limit: usize) -> Self {
        Self {
            limit,
            pause: Duration::ZERO,
        }
    }

    /// Waits so long before the first restart, and twice as long before each later one, up to a minute. Default: not at
    /// all.
    pub const fn backoff(mut self, first: Duration) -> Self {
        self.pause = first;
        self
    }

    /// Runs attempts until one succeeds, for [`Group::spawn`].
    ///
    /// The failures of attempts that are tried again go to the runtime's hook. Once `group` is stopping there are no
    /// further attempts.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, Restart};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let tries = AtomicU32::new(0);
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
                let failure: Box<dyn Any + Send>;
                let is_panic;
                match Watch::new(attempt(), Caught).await {
                    Ok(Ok(value)) => return Ok(value),
                    Ok(Err(error)) if left == 0 || group.is_stopping() => return Err(error),
                    Ok(Err(error)) => (failure, is_panic) = (Box::new(error), false),
                    Err(payload)
                        if left == 0 || group.is_stopping() || unwind::is_cut(&*payload) =>
                    {
                        resume_unwind(payload)
                    }
                    Err(payload) => (failure, is_panic) = (payload, true),
                }
                left -= 1;
                group.report(origin(location).unobserved(failure, is_panic));
                if !pause.is_zero() {
                    crate::sleep(pause).await;
                    pause = (2 * pause).min(LONGEST_PAUSE.max(self.pause));
                }
            }
        }
    }
}
