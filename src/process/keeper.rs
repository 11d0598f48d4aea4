//! Sees a process to its end: the task that keeps it in its group, and what reaps one that was let
//! go.
//!
//! The keeper is a service of the group, so the group ends after it, and no cut reaches it, not
//! even before its first poll. Where a service is cut, at the end of its group, the process is
//! asked to end.

use crate::api::child::closures::blocking;
use crate::api::group::handle::Group;
use crate::api::here::shield::shield;
use crate::pool::global;
use crate::pool::shared::Shared;
use crate::process::running::{First, Running};
use crate::signal::Signal;
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::time::{sleep, timeout};
use rustix::event::poll;
use std::panic::Location;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

/// The first pause between two looks at what is left of a process group. There is no event for it,
/// and processes die in real time, also where the clock of a test stands still.
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// The longest one.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// How long the keeper waits at most for processes that it has killed and that it cannot reap: far
/// longer than a kill takes.
const GONE: Duration = Duration::from_secs(1);

/// Has a process kept by a group.
pub(crate) fn keep_in<E: Send + 'static>(
    group: Group<'_, '_, E>,
    running: &Arc<Running>,
    name: String,
    location: &'static Location<'static>,
) {
    let let_go = {
        let running = Arc::clone(running);
        move || running.let_go()
    };
    let keeper = shield(keep(Arc::clone(running)));
    group.serve_uncut(keeper, let_go, name, location);
}

/// While it is there a shutdown waits: what ends has its time.
struct Patience(Arc<Shared>);

impl Patience {
    fn new() -> Self {
        let shared = global::runtime();
        // Relaxed: a shutdown looks now and then.
        shared.graces.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        // Relaxed: as above.
        self.0.graces.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn keep(running: Arc<Running>) {
    let first = running.first(false).await;
    if first != First::Detached {
        see_to_end(&running, first).await;
    }
    // It was let go, be it after it was asked to end. An error is its end, too.
    if let Ok(None) = running.try_reap() {
        reap_later(running);
    }
}

/// Waits until it has ended or was let go; kills it when it has had its time.
async fn see_to_end(running: &Running, first: First) {
    let patience = Patience::new();
    if timeout(running.ending.grace, end(running, first))
        .await
        .is_err()
    {
        // It has had its time, or what is left of its process group.
        if running.has_rest() {
            running.kill_rest();
        }
        _ = running.signal(Signal::KILL);
        drop(patience);
        running.first(true).await;
        // What was killed with it is seen to be gone.
        _ = timeout(GONE, end(running, First::Ended)).await;
    }
}

/// Waits until it has ended, and its process group, or was let go.
async fn end(running: &Running, first: First) {
    if first == First::Asked {
        running.first(true).await;
    }
    let mut pause = FIRST_LOOK;
    while running.has_rest() {
        wait_for(pause).await;
        pause = (2 * pause).min(LAST_LOOK);
    }
}

/// Waits for so long in real time: by a timer, which waits for no thread that others keep, unless
/// the timers go by the clock of a test.
async fn wait_for(pause: Duration) {
    match global::runtime().driver.is_real_time() {
        true => sleep(pause).await,
        false => blocking(move || nap(pause)).await,
    }
}

/// Blocks this thread for so long.
fn nap(pause: Duration) {
    if let Ok(pause) = pause.try_into() {
        // A signal may end it early.
        let _ = poll(&mut [], Some(&pause));
    }
}

/// Reaps it when it ends, whenever that is: on the thread that hears of it.
fn reap_later(running: Arc<Running>) {
    Arc::new(Reaper(running)).look();
}

/// The last waiter for the end of a process, which keeps it until then.
struct Reaper(Arc<Running>);

impl Reaper {
    fn look(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let mut cx = Context::from_waker(&waker);
        while self.0.watch.poll_end(None, &mut cx).is_ready() {
            // An error is its end, too.
            if !matches!(self.0.try_reap(), Ok(None)) {
                return;
            }
        }
    }
}

impl Wake for Reaper {
    fn wake(self: Arc<Self>) {
        self.look();
    }
}
