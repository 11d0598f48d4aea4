//! A runtime of tokio's, which is driven by the thread that has it, and can be dropped anywhere.
//!
//! One of tokio's must not be dropped where tokio drives, and drops what is left of its tasks. So
//! that is done on a thread of its own.

use crate::scoped::{self, Place, Scoped};
use crate::sync::{Arc, LocalKey, Mutex, thread};
use crate::unwind;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::unconstrained;

/// Whether code on this thread must run no jobs.
pub(super) struct Apart;

impl Scoped for Apart {
    type At<'a> = bool;

    const NOTHING: bool = false;

    const PLACE: &'static LocalKey<Place<Self>> = &APART;

    fn shorten<'s, 'l>(apart: bool) -> bool
    where
        'l: 's,
    {
        apart
    }
}

crate::sync::thread_local! {
    static APART: Place<Apart> = const { Place::new() };
}

/// Whether code on this thread must run no jobs: tokio drives further down on the stack, and some
/// of its leaves that are polled here get on only when that goes on.
pub(crate) fn is_apart() -> bool {
    scoped::with::<Apart, _>(|apart| apart)
}

/// A runtime of tokio's that can be dropped anywhere.
pub(crate) struct Owned {
    runtime: Option<Box<Runtime>>,
    process: u32,
}

impl Owned {
    pub(super) fn new(runtime: Runtime) -> Self {
        Self {
            runtime: Some(Box::new(runtime)),
            process: std::process::id(),
        }
    }

    /// Drives the runtime until the future is ready. tokio catches the panics of its tasks; one of
    /// a waker ends the turn.
    pub(super) fn drive(&mut self, future: impl Future<Output = ()>) {
        let Some(runtime) = &self.runtime else { return };
        let driven = || runtime.block_on(unconstrained(future));
        let driven = unwind::catch(|| scoped::enter::<Apart, _>(true, driven));
        if let Err(payload) = driven {
            unwind::discard(payload);
        }
    }

    /// Ends the runtime: its tasks are dropped, and closures of `spawn_blocking` waited for, for
    /// `limit` at most. How many tasks there were: no more than `left` says before, if it knows.
    pub(crate) fn end(
        mut self,
        limit: Duration,
        left: impl FnOnce() -> Option<usize> + Send + 'static,
    ) -> usize {
        self.end_apart(limit, left)
    }

    /// On a thread of its own: this one may be in the middle of another runtime of tokio's.
    fn end_apart(
        &mut self,
        limit: Duration,
        left: impl FnOnce() -> Option<usize> + Send + 'static,
    ) -> usize {
        let Some(runtime) = self.runtime.take() else {
            return 0;
        };
        if self.process != std::process::id() {
            // Its threads are in the process from which this one was forked.
            std::mem::forget(runtime);
            return 0;
        }
        let slot = Arc::new(Mutex::new(Some(runtime)));
        let theirs = Arc::clone(&slot);
        let ends = move || {
            let Some(runtime) = theirs.lock().take() else {
                return 0;
            };
            let alive = settle(&runtime);
            let left = left().unwrap_or(alive);
            runtime.shutdown_timeout(limit);
            alive.min(left)
        };
        let builder = thread::Builder::new().name("tokio-end".to_owned());
        match builder.spawn(ends) {
            Ok(thread) => thread.join().unwrap_or(0),
            Err(_) => {
                let runtime = slot.lock().take();
                if let Some(runtime) = runtime {
                    // Also where this is allowed nowhere else: it does not wait.
                    runtime.shutdown_background();
                }
                0
            }
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.end_apart(Duration::ZERO, || None);
    }
}

/// Lets tasks end that have only to be polled once more, because what they served is gone; how many
/// are left.
fn settle(runtime: &Runtime) -> usize {
    let alive = || runtime.metrics().num_alive_tasks();
    let mut before = alive();
    while before > 0 {
        runtime.block_on(tokio::task::yield_now());
        let now = alive();
        if now >= before {
            break;
        }
        before = now;
    }
    before
}
