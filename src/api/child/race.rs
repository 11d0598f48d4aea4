//! The first success wins; the losers are cancelled and joined.

use crate::api::group::futures::try_group;
use crate::api::group::handle::Group;
use crate::api::here::current;
use crate::pool::shared::Shared;
use crate::report::errors::Errors;
use crate::report::failure::Over;
use crate::report::reason::Origin;
use crate::sync::{Arc, Mutex};

/// Runs all contestants in parallel; the first `Ok` wins, and the others are cancelled and joined
/// before it is returned.
///
/// # Examples
///
/// ```
/// async fn even(n: u32) -> Result<u32, String> {
///     if n % 2 == 0 { Ok(n) } else { Err(format!("{n} is odd")) }
/// }
///
/// let won = spinney::block_on(spinney::race([even(1), even(2), even(3)]));
/// assert_eq!(won.unwrap(), 2);
///
/// let lost = spinney::block_on(spinney::race([even(1), even(3)]));
/// assert_eq!(lost.unwrap_err().len(), 2);
/// ```
///
/// # Errors
///
/// If all fail: every error, in the order in which they came. Errors of losers in a race that was
/// won go to the runtime's hook.
///
/// # Panics
///
/// A race of nothing panics. A panic of a contestant resumes in the caller after all have ended.
///
/// # Cancellation
///
/// Dropped early it cancels all contestants at once; the group around it joins them.
pub async fn race<I, F, T, E>(contestants: I) -> Result<T, Errors<E>>
where
    I: IntoIterator<Item = F>,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let contestants: Vec<F> = contestants.into_iter().collect();
    assert!(
        !contestants.is_empty(),
        "a race needs at least one contestant"
    );
    run(contestants).await
}

/// What contestants leave behind. Errors that the race does not return go to the hook, however it
/// ends.
struct Finish<T, E: Send + 'static> {
    runtime: Arc<Shared>,
    state: Mutex<State<T, E>>,
}

struct State<T, E> {
    winner: Option<T>,
    lost: Errors<E>,
}

impl<T, E: Send + 'static> Finish<T, E> {
    fn won(&self, value: T) {
        let beaten = {
            let mut state = self.state.lock();
            match state.winner {
                None => state.winner.replace(value),
                Some(_) => Some(value),
            }
        };
        // Dropped outside the lock: it is user code.
        drop(beaten);
    }

    fn lost(&self, error: E) {
        let origin = current::origin().expect("a contestant runs in a task");
        let omitted = self.state.lock().lost.record(error, origin, false);
        if let Err((error, origin)) = omitted {
            self.report(error, origin);
        }
    }

    fn report(&self, error: E, origin: Origin) {
        self.runtime
            .report(origin.lost_error(error, current::path()));
    }

    fn take(&self) -> (Option<T>, Errors<E>) {
        let mut state = self.state.lock();
        let lost = std::mem::replace(&mut state.lost, Errors::none());
        (state.winner.take(), lost)
    }
}

impl<T, E: Send + 'static> Drop for Finish<T, E> {
    fn drop(&mut self) {
        for (error, origin) in self.take().1.into_parts() {
            self.report(error, origin);
        }
    }
}

async fn run<F, T, E>(contestants: Vec<F>) -> Result<T, Errors<E>>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let finish = Arc::new(Finish {
        runtime: crate::pool::global::runtime(),
        state: Mutex::new(State {
            winner: None,
            lost: Errors::none(),
        }),
    });
    let shared = Arc::clone(&finish);
    let group = try_group(async move |g: Group<'_, '_, Over>| {
        for contestant in contestants {
            let finish = Arc::clone(&shared);
            g.spawn(async move {
                match contestant.await {
                    Ok(value) => {
                        finish.won(value);
                        Err(Over)
                    }
                    Err(error) => {
                        finish.lost(error);
                        Ok(())
                    }
                }
            });
        }
        Ok(())
    });
    // All contestants have ended, so what they left does not change any more.
    let _ = group.await;
    match finish.take() {
        (Some(value), lost) => {
            for (error, origin) in lost.into_parts() {
                finish.report(error, origin);
            }
            Ok(value)
        }
        (None, lost) => Err(lost),
    }
}
