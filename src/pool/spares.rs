//! What stands in for a thread that blocks: its queue is handed away, and a spare worker, or one
//! more thread for closures that block, takes its place. So progress never depends on a thread that
//! waits.
//!
//! Spares are counted under one lock: how many workers are blocked, and how many spares there are.
//! A spare that is one too many retires when it looks for work the next time.

use crate::pool::blocking_threads;
use crate::pool::shared::Shared;
use crate::pool::thread_ctx::{self, Contexts, ThreadRole};
use crate::pool::worker::{self, Kind};
use crate::sync::Arc;

/// The thread below counts as blocked while this lives, whether it sleeps or its wait never does.
pub(super) enum Replaced {
    Worker(Arc<Shared>),
    /// One for closures that block.
    Blocking,
}

impl Drop for Replaced {
    fn drop(&mut self) {
        match self {
            Self::Worker(shared) => shared.spares.lock().blocked -= 1,
            Self::Blocking => thread_ctx::with_all(|contexts| {
                if let Some(ctx) = contexts.of_role(ThreadRole::Blocking) {
                    blocking_threads::end_wait(ctx);
                }
            }),
        }
    }
}

/// Hands the queue away, and whatever else others could do meanwhile, also in the runtimes further
/// down.
pub(super) fn hand_away(contexts: Contexts<'_>) {
    for ctx in contexts.iter() {
        ctx.publish_all();
        ctx.shared.flush(&ctx.seat);
        if ctx.searching.replace(false) {
            // Those who push trust that a searcher finds what they pushed.
            let _last = ctx.shared.sleep.stop_search();
            ctx.shared.notify();
        }
    }
}

/// Blocks this thread in `sleep`. Queues are handed away first, and a spare takes a worker's place.
pub(crate) fn blocked<R>(sleep: impl FnOnce() -> R) -> R {
    let mut sleep = Some(sleep);
    let mut slept = None;
    let mut run = || slept = sleep.take().map(|sleep| sleep());
    if !blocked_if(&mut run) {
        run();
    }
    slept.expect("slept once")
}

/// Calls `sleep` with this thread counted as blocked; false, without calling it, if it is a worker
/// and no spare could be had for it.
pub(super) fn blocked_if(sleep: impl FnOnce()) -> bool {
    thread_ctx::with_all(|contexts| {
        hand_away(contexts);
        let Some(worker) = contexts.of_role(ThreadRole::Worker) else {
            let _replaced = replace_blocking(contexts);
            sleep();
            return true;
        };
        let Some(_replaced) = replace_me(&worker.shared) else {
            return false;
        };
        sleep();
        true
    })
}

/// Counts this thread as blocked, if it is one for closures that block and does not count yet.
pub(super) fn replace_blocking(contexts: Contexts<'_>) -> Option<Replaced> {
    let blocking = contexts.of_role(ThreadRole::Blocking);
    let begun = blocking.is_some_and(blocking_threads::begin_wait);
    begun.then_some(Replaced::Blocking)
}

/// Counts this worker as blocked, and starts a spare if there are too few; `None` if none could be
/// had. A worker that was forked off by itself gets none: what is left to do belongs to the process
/// of its runtime, which does it there.
pub(super) fn replace_me(shared: &Arc<Shared>) -> Option<Replaced> {
    let enough = {
        let mut spares = shared.spares.lock();
        spares.blocked += 1;
        let enough = spares.running >= spares.blocked || shared.is_elsewhere();
        spares.running += usize::from(!enough);
        enough
    };
    let counted = Replaced::Worker(Arc::clone(shared));
    if enough {
        // A spare that sleeps may have been the one to wake.
        shared.notify();
        return Some(counted);
    }
    let seat = shared.seats.claim_from(shared.workers);
    if seat.is_some_and(|seat| worker::start(shared, seat, Kind::Spare, "spare")) {
        shared.counters.spares.bump_shared();
        return Some(counted);
    }
    shared.spares.lock().running -= 1;
    None
}
