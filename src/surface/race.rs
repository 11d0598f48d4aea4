//! The first success wins; the losers are cancelled and joined.

use crate::group::errors::Errors;
use crate::group::frame;
use crate::group::node::Origin;
use crate::surface::group::Group;
use crate::sync::{Arc, Mutex};

/// Runs all contestants in parallel; the first `Ok` wins, and the others are cancelled and joined before it is returned.
///
/// # Errors
///
/// If all fail: every error, in the order in which they came. Errors of losers in a race that was won go to the
/// runtime's hook.
///
/// # Panics
///
/// A race of nothing panics. A panic of a contestant resumes in the caller after all have ended.
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

/// The winner's value travels as the group's error: failing fast is what a race is.
struct Won<T>(T);

async fn run<F, T, E>(contestants: Vec<F>) -> Result<T, Errors<E>>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let lost = Arc::new(Mutex::new(Errors::none()));
    let result = {
        let lost = &lost;
        crate::try_group(async move |g: Group<'_, '_, Won<T>>| {
            for contestant in contestants {
                let lost = Arc::clone(lost);
                g.spawn(async move {
                    match contestant.await {
                        Ok(value) => Err(Won(value)),
                        Err(error) => {
                            lose(&lost, error);
                            Ok(())
                        }
                    }
                });
            }
            Ok(())
        })
        .await
    };
    let lost = std::mem::replace(&mut *lost.lock(), Errors::none());
    match result {
        Ok(()) => Err(lost),
        Err(won) => {
            let spawn = crate::pool::context::runtime();
            for (error, origin) in lost.into_parts() {
                spawn.report(origin.unobserved(Box::new(error), false));
            }
            Ok(won.into_first().0)
        }
    }
}

fn lose<E: Send + 'static>(lost: &Mutex<Errors<E>>, error: E) {
    let origin = frame::current(|frame| {
        let task = frame?.task_view()?;
        Some(Origin {
            task: Some(task.id),
            name: task.name().cloned(),
            location: task.location,
        })
    });
    let Some(origin) = origin else { return };
    let omitted = lost.lock().record(error, origin, false);
    if let Err((error, origin)) = omitted {
        crate::pool::context::runtime().report(origin.unobserved(Box::new(error), false));
    }
}
