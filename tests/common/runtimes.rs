//! Runtimes as most tests want them: their hooks are heard, their time stands still.

use super::panics::text;
use spinney::time::ManualClock;
use spinney::{Runtime, RuntimeBuilder, Unobserved, group};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

/// What a runtime's hook was given.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    /// The texts so far, sorted: workers report in no order.
    pub(crate) fn texts(&self) -> Vec<String> {
        let mut texts = self.0.lock().unwrap().clone();
        texts.sort();
        texts
    }
}

/// A runtime whose hook notes the texts of payloads.
pub(crate) fn noting(builder: RuntimeBuilder) -> (Runtime, Seen) {
    noting_as(builder, |failure| text(&*failure.payload).to_owned())
}

/// A runtime whose hook notes what `say` makes of each failure.
pub(crate) fn noting_as(
    builder: RuntimeBuilder,
    say: impl Fn(&Unobserved) -> String + Send + Sync + 'static,
) -> (Runtime, Seen) {
    let seen = Seen::default();
    let hook = seen.clone();
    let builder = builder.on_unobserved(move |failure| {
        let said = say(&failure);
        hook.0.lock().unwrap().push(said);
    });
    // Tests hold up workers to make others wait.
    let builder = builder.replace_stalled(false).on_stall(drop);
    (builder.build().unwrap(), seen)
}

pub(crate) fn workers(workers: usize) -> (Runtime, Seen) {
    noting(Runtime::builder().workers(workers))
}

/// A runtime on whose one worker everything runs, one poll after the other.
pub(crate) fn one_by_one() -> (Runtime, Seen) {
    noting(Runtime::builder().workers(1).callers_take_part(false))
}

/// A runtime whose time stands still until the test moves it.
pub(crate) fn clocked(workers: usize) -> (Runtime, ManualClock, Seen) {
    let clock = ManualClock::new();
    let (runtime, seen) = noting(Runtime::builder().workers(workers).clock(&clock));
    (runtime, clock, seen)
}

/// Spares of a runtime for [`without_spares`].
pub(crate) const FEW_SPARES: usize = 16;

/// Calls `f` while guests have every seat that a spare worker could take, of a runtime with
/// [`FEW_SPARES`].
pub(crate) fn without_spares(runtime: &Runtime, f: impl FnOnce()) {
    let (release, released) = async_channel::bounded::<()>(1);
    let (ready, is_ready) = mpsc::channel();
    thread::scope(|threads| {
        for _ in 0..FEW_SPARES {
            let (ready, released) = (ready.clone(), released.clone());
            threads.spawn(move || {
                runtime.block_on(group(async |g| {
                    g.spawn(async {}).await;
                    ready.send(()).unwrap();
                    let _ = released.recv().await;
                }))
            });
        }
        for _ in 0..FEW_SPARES {
            is_ready.recv().unwrap();
        }
        f();
        // Also if `f` panics.
        drop(release);
    });
}
