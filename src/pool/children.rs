//! What a thread does first that waits for a group to join: it runs the group's children.
//!
//! A scope on a thread from outside takes its place in the runtime for the whole of it: what its
//! body spawns is on a seat of its own, where thieves find it, and the caller runs what they leave.
//! On a worker it is the same without a place that is taken.
//!
//! # Whom it runs
//!
//! Children of the group, and what is in groups below: whatever they want from the frames below on
//! this stack, the join would wait for it, too. A stranger is left to the workers. When there is
//! none on its own seat, the thread looks at the seats of workers for some time, as a worker does
//! that searches: where a child was taken, those that it has started since lie there. What any of
//! them waits for in turn is further down the tree than what this thread waits for, so they stand
//! on as many stack frames as the tree has levels, like a tree of calls.
//!
//! It does not sleep here, and registers no waker. What is left is for [`waiting`](super::waiting).

use crate::group::node::Node;
use crate::job::Job;
use crate::poll::budget;
use crate::poll::frame::{self, Frame};
use crate::poll::tally;
use crate::pool::seats;
use crate::pool::shared::Shared;
use crate::pool::thread_ctx::{self, ThreadCtx};
use crate::pool::wanted::Wanted;
use crate::pool::worker;
use crate::sync::Arc;
use crate::tree::awaited::Awaited;
use crate::tree::zero_deadline;
use std::ptr;

/// Runs `f`, which joins the awaited group. A thread from outside, on which nothing of any
/// runtime is below, has a place in this one meanwhile.
pub(crate) fn in_place<R>(shared: &Arc<Shared>, awaited: Awaited, f: impl FnOnce() -> R) -> R {
    let outside = thread_ctx::with(|ctx| ctx.is_none_or(|ctx| !ctx.is_of(shared)));
    if outside && frame::current(|frame| frame.is_none()) {
        let ctx = ThreadCtx::blocked(shared, awaited);
        let own = thread_ctx::with(|ctx| ctx.is_some());
        return match shared.driver.beside() {
            Some(beside) => beside.around(own, || ctx.occupy(f)),
            None => ctx.occupy(f),
        };
    }
    f()
}

/// Runs children of the group, until none is left that this thread may run; whether all have ended.
/// The caller waits for the join.
pub(crate) fn run(group: &Node) -> bool {
    if group.word.count() == 0 {
        return true;
    }
    zero_deadline::blocks();
    // The poll below on this stack goes on afterwards with what is left of its budget.
    let _apart = budget::apart();
    thread_ctx::with(|ctx| {
        let of_group =
            |ctx: &&ThreadCtx<'_>| ptr::addr_eq(group.pool_ptr().as_ptr(), &raw const **ctx.shared);
        let Some(ctx) = ctx.filter(of_group) else {
            return;
        };
        if ctx.shared.driver.is_hidden() {
            return;
        }
        // A caller without a seat pushed nothing, and has no counts.
        let Some(index) = ctx.seat.index() else {
            return;
        };
        let awaited = Awaited::Group(group);
        // Where the place was taken for this join nothing is published but what runs here; else the
        // task below is, which is blocked.
        let seat = ctx.shared.seats.get(index);
        let taken = ctx.awaited.is_some_and(|other| other.is(awaited));
        let running = taken.then_some(&seat.running);
        if !taken {
            ctx.shared.keeps_others_waiting(&ctx.seat);
        }
        tally::with_tally(running, Some(&seat.counts), || {
            let mut search = Search {
                ctx,
                group,
                wanted: Wanted {
                    awaited,
                    task: None,
                },
                index,
                taken,
                woken: true,
                others: true,
            };
            while let Some(job) = search.next() {
                seat.counters.awaited_jobs.bump();
                frame::outside(|| ctx.shared.run(Some(index), job));
            }
        });
    });
    group.word.count() == 0
}

/// A look for children.
struct Search<'a> {
    ctx: &'a ThreadCtx<'a>,
    group: &'a Node,
    wanted: Wanted,
    index: usize,
    /// The place was taken for this join.
    taken: bool,
    /// No stranger was met among the woken jobs of the own seat.
    woken: bool,
    /// No stranger was met on the seat of another thread: one look is enough.
    others: bool,
}

impl Search<'_> {
    /// The next child; none when all have ended, or when it took too long to find one.
    fn next(&mut self) -> Option<Job> {
        if self.is_over() {
            return None;
        }
        // Only what runs here pushes to the own seat: one look.
        if let Some(job) = self.own() {
            return Some(job);
        }
        // As long as a worker searches: about what it takes to sleep and be woken.
        for round in 0..worker::SEARCH_ROUNDS {
            let job = self.of_others();
            if job.is_some() {
                return job;
            }
            worker::pause(round);
            if self.is_over() {
                return None;
            }
        }
        None
    }

    /// All children have ended, or a cut of the task that waits is to be passed on to the group,
    /// before another one begins.
    fn is_over(&self) -> bool {
        let cut = |frame: &Frame<'_>| frame.cancel_requested() && !self.group.is_cancelled();
        self.group.word.count() == 0 || frame::current(|frame| frame.is_some_and(cut))
    }

    /// The newest child on the own seat, or the oldest of those in order. A stranger among these
    /// goes to the queue for outsiders, to which the whole seat is handed away if this thread
    /// sleeps; and so does any on a seat that was taken for this join, as others may be below it.
    fn own(&mut self) -> Option<Job> {
        let (seat, shared) = (&self.ctx.seat, self.ctx.shared);
        while let Some(newest) = seat.pop_fork() {
            let job = match self.taken {
                true => self.wanted.take_or_inject(shared, newest),
                false => self.wanted.take_or_put_back(self.ctx, newest),
            };
            if job.is_some() {
                return job;
            }
            if !self.taken {
                break;
            }
        }
        while self.woken || self.taken {
            let job = self.wanted.take_or_inject(shared, seat.pop_in_order()?);
            if job.is_some() {
                return job;
            }
            self.woken = false;
        }
        None
    }

    /// The oldest child of the first worker that has any. A caller is let alone: it would find that
    /// a half of its own, which is a stranger here, is no more on its seat, and it has no spare.
    fn of_others(&mut self) -> Option<Job> {
        if !self.others {
            return None;
        }
        let shared = self.ctx.shared;
        let others = shared.seats.active_from(0).filter(|at| *at != self.index);
        let seats = others.map(|at| shared.seats.get(at));
        let mut workers = seats.filter(|seat| seat.worker.get() != 0);
        let stolen = workers.find_map(|seat| seats::settled(|| seat.steal_fork()))?;
        let job = self.wanted.take_or_inject(shared, stolen);
        self.others = job.is_some();
        job
    }
}
