//! Which jobs a blocked caller runs: those that it waits for. Others on its seat are strangers, and
//! one of them may be long, or want a lock that a frame below on this stack holds.

use crate::job::Job;
use crate::poll::frame::AwaitedTask;
use crate::pool::shared::Shared;
use crate::pool::stack_jobs::group_of;
use crate::pool::thread_ctx::ThreadCtx;
use crate::tree::awaited::Awaited;

/// What a caller waits for: a task, or, without one, all that is awaited.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) awaited: Awaited,
    pub(super) task: Option<AwaitedTask>,
}

impl Wanted {
    fn has(self, job: &Job) -> bool {
        let is_in = |awaited: Awaited| group_of(job).is_some_and(|group| awaited.contains(group));
        match self.task {
            // The task, or a child of a group that is open in it.
            Some(task) => job.id() == Some(task.id.0) || is_in(Awaited::In(task.host)),
            None => is_in(self.awaited),
        }
    }

    /// The job, if it is wanted; else it is on the caller's seat again. A thief may have looked for
    /// it in vain meanwhile, and have fallen asleep.
    pub(super) fn take_or_put_back(self, ctx: &ThreadCtx<'_>, job: Job) -> Option<Job> {
        if self.has(&job) {
            return Some(job);
        }
        put_back(ctx, job);
        None
    }

    /// The job, if it is wanted; else it is in the queue for outsiders.
    pub(super) fn take_or_inject(self, shared: &Shared, job: Job) -> Option<Job> {
        if self.has(&job) {
            return Some(job);
        }
        shared.inject(job);
        None
    }
}

/// The next job that is wanted, wherever it is on the caller's seat: those in order first, and of
/// other children the newest, or the oldest, which is the one that a body awaits first.
pub(super) fn next_of_seat(ctx: &ThreadCtx<'_>, wanted: Wanted) -> Option<Job> {
    while let Some(job) = ctx.seat.pop_in_order() {
        if let Some(job) = wanted.take_or_inject(ctx.shared, job) {
            return Some(job);
        }
    }
    let newest = ctx.seat.pop_fork()?;
    if wanted.has(&newest) {
        return Some(newest);
    }
    let oldest = ctx.seat.pop_oldest();
    put_back(ctx, newest);
    wanted.take_or_put_back(ctx, oldest?)
}

/// The newest child on this thread's seat, if it is wanted. A tree of blocking scopes runs on as
/// many stack frames as it has levels, like a tree of calls.
pub(super) fn next_own(ctx: &ThreadCtx<'_>, wanted: Wanted) -> Option<Job> {
    wanted.take_or_put_back(ctx, ctx.seat.pop_fork()?)
}

fn put_back(ctx: &ThreadCtx<'_>, job: Job) {
    match ctx.seat.push_fork(job) {
        Ok(()) => ctx.shared.notify(),
        Err(job) => ctx.shared.inject(job),
    }
}
