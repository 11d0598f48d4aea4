//! `join`: what a forker does when it comes back to a half that was published. Before that, see
//! `stack_jobs`.
//!
//! # Protocol
//!
//! The forker pops its fork deque. A half that is still there is taken back; what lies above it are
//! new children, which go to the wake deque. If it is not there, a thief has it, or had it and will
//! run it: the forker helps, and then waits for its latch.
//!
//! # Whom a forker helps
//!
//! Only the thief of its half, and only with what was forked inside that half: a stranger might
//! want a lock that a frame below on this stack holds. rayon runs anything here (its issue 592 is
//! such a deadlock). Only a worker for which no spare can be had does so, too, as in every wait
//! (`waiting`): if it slept, no thread might be left to run what its half waits for.

use crate::poll::frame::Fork;
use crate::pool::seats::Seat;
use crate::pool::stack_jobs::{StackJob, TakenBack};
use crate::pool::thread_ctx::ThreadCtx;
use crate::pool::waiting::{self, Pending, Step};
use crate::pool::worker;
use crate::sync::deque::Steal;
use crate::tree::awaited::Awaited;
use crate::unwind::Payload;

/// Runs `a` on this thread and `b` on this or another one, each to its end; catches panics.
#[inline(never)]
pub(crate) fn both<RA, RB: Send>(
    ctx: &ThreadCtx<'_>,
    a: impl FnOnce() -> RA,
    b: impl FnOnce() -> RB + Send,
) -> (Result<RA, Payload>, Result<RB, Payload>) {
    let fork = Fork::here();
    let offer = || ctx.offer();
    ctx.stack_jobs
        .fork::<ThreadCtx<'static>, _, _>(a, b, fork, offer, |half| come_back(ctx, half))
}

/// Comes back to a published half. None if another thread has run it.
#[cold]
fn come_back<'a>(ctx: &ThreadCtx<'_>, half: &'a StackJob) -> Option<TakenBack<'a>> {
    let taken = take_back(ctx, half);
    half.note_return(ctx.shared);
    taken
}

/// Takes a published half back, or waits until another thread has run it.
fn take_back<'a>(ctx: &ThreadCtx<'_>, half: &'a StackJob) -> Option<TakenBack<'a>> {
    while let Some(job) = ctx.seat.pop_fork() {
        let job = match half.take_back(job) {
            Ok(taken) => return Some(taken),
            Err(job) => job,
        };
        // A child that was spawned since. It is in order among those that were woken, and not run
        // on this stack.
        match ctx.seat.push_woken(job) {
            Ok(()) => ctx.shared.notify(),
            Err(job) => ctx.shared.inject(job),
        }
    }
    wait(ctx, half);
    None
}

/// Waits for the thread that runs the half.
fn wait(ctx: &ThreadCtx<'_>, half: &StackJob) {
    let mut helps = true;
    // As long as a worker searches: about what it takes to sleep and be woken.
    for round in 0..worker::SEARCH_ROUNDS {
        if half.is_done() {
            return;
        }
        if !(helps && help(ctx, half, &mut helps)) {
            worker::pause(round);
        }
    }
    waiting::wait(ctx.shared, Awaited::Nothing, true, |cx| {
        if half.poll_done(cx.waker()) {
            return Step::Ready(());
        }
        Step::Pending(Pending {
            take_part: false,
            task: None,
        })
    });
}

/// Runs a half that was forked inside this one by the thread that runs it; whether there was one.
/// One look at a stranger is enough: there is no help needed there.
fn help(ctx: &ThreadCtx<'_>, half: &StackJob, helps: &mut bool) -> bool {
    let Some(seat) = half.runner() else {
        return false;
    };
    // Where no thread can be had, a half may be run in a context of another runtime, which has
    // other seats.
    let seat = ctx.shared.seats.iter().nth(seat);
    let Some(Steal::Success(job)) = seat.map(Seat::steal_fork) else {
        return false;
    };
    if half.contains(&job) {
        job.run();
        return true;
    }
    *helps = false;
    ctx.shared.inject(job);
    false
}
