//! What stands in for a thread that blocks: its queue is handed away, and a spare worker, or one
//! more thread for closures that block, takes its place. So progress never depends on a thread that
//! waits.
//!
//! Spares are counted under one lock: how many workers are blocked, and how many spares there are.
//! A spare that is one too many retires when it looks for work the next time. It first runs what
//! waits in order on its seat then: elsewhere that would wait once more, behind all that does
//! there.

use crate::pool::blocking_threads;
use crate::pool::shared::Shared;
use crate::pool::thread_ctx::{self, Contexts, ThreadCtx, ThreadRole};
use crate::pool::worker::{self, Kind};
use crate::sync::Arc;
use crate::sync::atomic::Ordering;

/// The thread below counts as blocked while this lives, whether it sleeps or its wait never does.
pub(super) enum Replaced {
    /// A worker, whose seat said before whether it waits.
    Worker(Arc<Shared>, Option<(usize, bool)>),
    /// One for closures that block.
    Blocking,
}

impl Drop for Replaced {
    fn drop(&mut self) {
        match self {
            Self::Worker(shared, seat) => {
                if let Some((index, waited)) = seat {
                    // Relaxed: a hint for the sentinel, here and below.
                    shared
                        .seats
                        .get(*index)
                        .waits
                        .store(*waited, Ordering::Relaxed);
                }
                shared.spares.lock().blocked -= 1;
                // What it does next may not return.
                shared.raise_sentinel();
            }
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
        let Some(_replaced) = replace_me(worker) else {
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
    // Made only then: it undoes the count when it is dropped.
    begun.then(|| Replaced::Blocking)
}

/// Counts this worker as blocked, and starts a spare if there are too few; `None` if none could be
/// had. A worker that was forked off by itself gets none: what is left to do belongs to the process
/// of its runtime, which does it there.
pub(super) fn replace_me(worker: &ThreadCtx<'_>) -> Option<Replaced> {
    let shared = worker.shared;
    let index = worker.seat.index();
    // One that was stalled and waits now has a spare already.
    // Relaxed: a hint; the next tick counts again.
    let was_stalled = index.is_some_and(|index| {
        shared
            .seats
            .get(index)
            .stalled
            .swap(false, Ordering::Relaxed)
    });
    if was_stalled {
        shared.counters.ended_stalls.bump_shared();
    }
    let enough = {
        let mut spares = shared.spares.lock();
        spares.stalled = spares.stalled.saturating_sub(usize::from(was_stalled));
        spares.blocked += 1;
        let enough = spares.running >= spares.wanted() || shared.is_elsewhere();
        spares.running += usize::from(!enough);
        enough
    };
    let waits = |index: usize| {
        // Relaxed: as above.
        let waited = shared.seats.get(index).waits.swap(true, Ordering::Relaxed);
        (index, waited)
    };
    let counted = Replaced::Worker(Arc::clone(shared), index.map(waits));
    if enough {
        // A spare that sleeps may have been the one to wake.
        shared.notify();
        return Some(counted);
    }
    start(shared).then_some(counted)
}

/// Starts a spare for a worker that does not come back from a job, if there are too few.
pub(super) fn stand_in(shared: &Arc<Shared>) {
    let too_few = {
        let mut spares = shared.spares.lock();
        let too_few = spares.running < spares.wanted();
        spares.running += usize::from(too_few);
        too_few
    };
    if too_few {
        start(shared);
    }
}

/// Starts a spare that is counted already; false if none can be had.
fn start(shared: &Arc<Shared>) -> bool {
    let seat = shared.seats.claim_from(shared.workers);
    let started = seat.is_some_and(|seat| worker::start(shared, seat, Kind::Spare, "spare"));
    match started {
        true => shared.counters.spares.bump_shared(),
        false => shared.spares.lock().running -= 1,
    }
    started
}
