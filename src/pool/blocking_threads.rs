//! The threads for closures that block: how one is started, what it does with a piece of work, and
//! what becomes of the work when none can be had. Which thread comes, and when, is decided by the
//! queue: see `blocking`.

use crate::job::{Job, Ticket};
use crate::keyed_queue::Key;
use crate::pool::blocking::{Call, Queue, Work};
use crate::pool::recorder;
use crate::pool::shared::Shared;
use crate::pool::thread_ctx::ThreadCtx;
use crate::recycle;
use crate::sync::Arc;
use crate::sync::bed::MutexGuard;
use crate::unwind;

/// Has a child run by one of the threads of this runtime.
pub(crate) fn push_child(shared: &Arc<Shared>, ticket: Ticket) {
    match shared.blocking.push_child(ticket) {
        Ok(queue) => call(shared, queue),
        // It was cut on its way.
        Err(ticket) => drop(ticket),
    }
}

/// Has a call of our own made by one of the threads of this runtime; `Blocking::take_out` takes it
/// back by the key.
pub(crate) fn push_call(shared: &Arc<Shared>, function: Box<dyn FnOnce() + Send>) -> Key {
    let (queue, key) = shared.blocking.push_call(function);
    call(shared, queue);
    key
}

/// Sees to it that a thread comes for what is in the queue.
fn call(shared: &Arc<Shared>, queue: MutexGuard<'_, Queue>) {
    let started = match shared.blocking.call(queue, || shared.is_elsewhere()) {
        Call::Settled => return,
        Call::Start => start(shared),
        Call::GiveUp => false,
    };
    if !started {
        for work in shared.blocking.give_up().into_values() {
            strand(shared, work);
        }
    }
}

/// The thread of this context waits for others: it does not count against the limit from now on.
/// False if it did not before.
pub(crate) fn begin_wait(ctx: &ThreadCtx<'_>) -> bool {
    if ctx.waits.replace(true) {
        return false;
    }
    call(ctx.shared, ctx.shared.blocking.begin_wait());
    true
}

/// The wait that `begin_wait` began is over.
pub(crate) fn end_wait(ctx: &ThreadCtx<'_>) {
    ctx.waits.set(false);
    ctx.shared.blocking.end_wait();
}

fn run(work: Work) {
    match work {
        Work::Child(ticket) => {
            if let Some(job) = ticket.redeem() {
                recorder::around(job, Job::run);
            }
        }
        Work::Call(call) => {
            if let Err(payload) = unwind::catch(call) {
                unwind::discard(payload);
            }
        }
    }
}

fn start(shared: &Arc<Shared>) -> bool {
    let theirs = Arc::clone(shared);
    let started = shared.thread("blocking").spawn(move || {
        let ctx = ThreadCtx::blocking(&theirs);
        ctx.occupy(|| {
            theirs.thread_started();
            serve(&theirs, &ctx);
            // It does not count any more.
            ctx.waits.set(true);
            theirs.hooks.thread_stops();
            ctx.leave_seat();
        });
        theirs.blocking.leave();
    });
    started.is_ok()
}

fn serve(shared: &Arc<Shared>, ctx: &ThreadCtx<'_>) {
    let run = |work| {
        run(work);
        ctx.leave_seat();
        // It spawns little, and may be idle from now on.
        recycle::give_back();
    };
    shared.blocking.serve(|queue| call(shared, queue), run);
}

/// No thread can be had: a worker runs the child, though it may block there.
#[cold]
fn strand(shared: &Arc<Shared>, work: Work) {
    match work {
        Work::Child(ticket) => {
            if let Some(job) = ticket.redeem() {
                shared.counters.last_resorts.bump_shared();
                shared.inject(job);
            }
        }
        Work::Call(call) => drop(call),
    }
}
