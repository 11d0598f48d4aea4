//! Running a task: poll, cut, complete.
//!
//! # A cut waits for joins, never for polls
//!
//! A task that is to be cut is dropped at the end of the first poll, or instead of a poll, at which
//! every group that is open in it is quiet and no shield was reached: see `tree::cut`.

#![expect(
    unsafe_code,
    reason = "a runner has the exclusive right to a task's insides"
)]

use crate::group::node::Node;
use crate::job::{Described, JobHeader, JobTable};
use crate::poll::budget;
use crate::poll::frame::{self, Frame};
use crate::poll::running::Publication;
use crate::poll::tally;
use crate::spans::TaskSpan;
use crate::sync::atomic::Ordering;
use crate::task::cell::fail_with_panic;
use crate::task::header::{Header, Polled};
use crate::task::state::Pause;
use crate::task::waker;
use crate::tree::cut::{self, Cut, Knew};
use crate::tree::leave;
use std::borrow::Cow;
use std::ptr::NonNull;
use std::task::Context;

/// How jobs of tasks are run.
pub(crate) const JOB: JobTable = JobTable {
    run,
    group,
    id,
    describe,
    on_stack: false,
};

/// `JobTable::group` of tasks.
unsafe fn group(job: NonNull<JobHeader>) -> *const () {
    // SAFETY: `JobTable::group`: the job has not been run. It is the right to run the task, which
    // is alive until it is run.
    unsafe { job.cast::<Header>().as_ref() }
        .group
        .as_ptr()
        .cast_const()
        .cast()
}

/// `JobTable::id` of tasks.
unsafe fn id(job: NonNull<JobHeader>) -> Option<u64> {
    // SAFETY: `JobTable::id`: the job has not been run. It is the right to run the task, which is
    // alive until it is run.
    Some(unsafe { job.cast::<Header>().as_ref() }.id.0)
}

/// `JobTable::describe` of tasks.
unsafe fn describe(job: NonNull<JobHeader>) -> Option<Described> {
    // SAFETY: `JobTable::describe`: the job has not been run. It is the right to run the task,
    // which is alive until it is run.
    let header = unsafe { job.cast::<Header>().as_ref() };
    // SAFETY: (1): the job is the right to run the task. (2): the reference is not used after this
    // function.
    let node = unsafe { header.node() };
    Some(Described {
        id: header.id.0,
        name: header.name().cloned(),
        location: header.location,
        group: node.name().cloned(),
    })
}

/// `JobTable::run` of tasks.
unsafe fn run(job: NonNull<JobHeader>) {
    let this = job.cast::<Header>();
    // SAFETY: the job is the right to run the task, so it is not complete and has the engine's
    // reference.
    let header = unsafe { this.as_ref() };
    let before = header.state.start();
    // SAFETY: (1), (2): the right to run is held to the end of this function, or handed on as its
    // last step.
    let node = unsafe { header.node() };
    let shielded = header.is_shielded();
    let mut cutting = before.is_cancelled() || (node.is_cancelled() && !shielded);
    // SAFETY: it is used while this runner runs the task, so the task is not complete; its drop has
    // no effect.
    let waker = unsafe { waker::borrowed(this) };
    let knew = Knew::of(cutting);
    if cutting && cut::before_poll(&header.open, &waker, before.is_held()) == Cut::Drop {
        // SAFETY: (1): this runner runs the task. (2): `before_poll` says that all groups in it are
        // quiet. (3): the future is there: it was not polled to its end.
        return unsafe { cut(this, before.is_linked()) };
    }
    let (polled, held) = poll(
        this,
        header,
        node,
        cutting,
        &mut Context::from_waker(&waker),
    );
    if polled != Polled::Pending {
        // SAFETY: (1): this runner runs the task. (2): a poll that is not pending leaves no future.
        // (3): the answer of that poll says whether there is an output, and `before` whether the
        // task is linked.
        return unsafe { complete(this, polled == Polled::Value, before.is_linked()) };
    }
    if !before.is_linked() {
        // SAFETY: this runner runs the task, which counts in its group, and is in no list.
        cutting |= unsafe { link(this, node, shielded) };
    }
    loop {
        if cutting && cut::after_poll(&header.open, &waker, held, knew) == Cut::Drop {
            // SAFETY: (1): this runner runs the task. (2): `after_poll` says that all groups in it
            // are quiet. (3): the future is there: the poll was pending.
            return unsafe { cut(this, true) };
        }
        match header.state.pause(held, cutting) {
            Pause::Idle => return,
            // SAFETY: `pause` gave the right to run the task again to this runner, so no other job
            // exists.
            Pause::Requeue => return unsafe { Header::queue_woken(this) },
            Pause::Cut => cutting = true,
        }
    }
}

/// One poll, with its frame and its public record. The second half of the answer: a shield was
/// reached and is not done.
#[inline]
fn poll(
    this: NonNull<Header>,
    header: &Header,
    node: &Node,
    cutting: bool,
    cx: &mut Context<'_>,
) -> (Polled, bool) {
    // Relaxed: a statistic, with the runner as its one writer.
    let polls = header.polls.load(Ordering::Relaxed);
    // Relaxed: a statistic; dumps may read it a poll later.
    header.polls.store(polls.wrapping_add(1), Ordering::Relaxed);
    let name = header.name();
    // SAFETY: `view`: the caller runs the task, and gives the view up before it completes.
    let view = unsafe { header.view() };
    budget::begin();
    let frame = Frame::task(node, header.open(), &view, cutting);
    let polled = tally::with_record(|record| {
        if let Some(record) = record {
            record.begin(&Publication {
                task: header.id,
                location: header.location,
                name: match name {
                    Some(Cow::Borrowed(name)) => Some(name),
                    _ => None,
                },
                group: node.whole.addr().get(),
                birth: header.birth,
            });
        }
        let polled = frame.enter(|| {
            let _in_span = header.span().map(TaskSpan::enter);
            // SAFETY: `TaskTable` (1): the caller runs the task, and the future is there.
            unsafe { (header.table.poll)(this, cx) }
        });
        if let Some(record) = record {
            record.end();
        }
        polled
    });
    (polled, frame.ended_in_shield())
}

/// Puts a task into its group's list at its first suspension. Whether the group was cancelled
/// meanwhile.
///
/// # Safety
///
/// The caller runs the task, or no other thread knows it; it counts in `node`, and is in no list.
pub(crate) unsafe fn link(this: NonNull<Header>, node: &Node, shielded: bool) -> bool {
    // SAFETY: `links_of`: the task is alive, as it is counted.
    let links = unsafe { Header::links_of(this) };
    let slow = node.slow.lock();
    let cancelled = node.is_cancelled();
    let list = if cancelled || shielded {
        &slow.marked
    } else {
        &slow.members
    };
    // SAFETY: (1): the lock is held, and the task is in no list. (2): tasks do not move, and this
    // one unlinks before it is complete; the list is in the node, which does not move.
    unsafe { list.push(links) };
    cancelled && !shielded
}

/// Drops the future and completes the task without a value.
///
/// # Safety
///
/// 1. The caller runs the task, and gives that up.
/// 2. All groups that are open in it are quiet.
/// 3. The future is there; `linked` says whether the task was put into its group's list.
unsafe fn cut(this: NonNull<Header>, linked: bool) {
    // SAFETY: (1): the task runs, so it has the engine's reference.
    let header = unsafe { this.as_ref() };
    // The destructors of the future run where its polls ran: in the task, and as in a shield.
    // SAFETY: `Header::node` (1): the caller runs the task. (2): the group is not used after
    // `complete`.
    let node = unsafe { header.node() };
    // SAFETY: `view`: the caller runs the task, (1); it completes after the last use of the view.
    let view = unsafe { header.view() };
    let frame = Frame::task(node, header.open(), &view, true);
    frame.enter_to_drop(|| {
        let _in_span = header.span().map(TaskSpan::enter);
        // SAFETY: `TaskTable` (1): the caller runs the task, (1), and the future is there, (3).
        unsafe { (header.table.drop_future)(this) };
    });
    // SAFETY: it is alive, as it has the engine's reference until `complete`.
    if let Some(place) = unsafe { Header::place(this) } {
        // No thread comes for it any more.
        node.pool().leave_blocking(place);
    }
    node.pool().count_cut();
    // SAFETY: (1): the caller runs the task, and gives that up. (2): the future was just dropped.
    // (3): there is no output, and `linked` is the caller's.
    unsafe { complete(this, false, linked) };
}

/// The end of a task. *Drop before count, count before wake.*
///
/// # Safety
///
/// 1. The caller runs the task, and gives that up.
/// 2. The future is gone.
/// 3. `value` says whether the output is in the cell; `linked` whether the task was put into its
///    group's list.
unsafe fn complete(this: NonNull<Header>, value: bool, linked: bool) {
    // SAFETY: (1): the task runs, so it has the engine's reference, which is given up in the last
    // line only.
    let header = unsafe { this.as_ref() };
    header.open.clear();
    // SAFETY: `drop_locals`: the caller runs the task, whose future is gone.
    if let Err(payload) = unsafe { header.drop_locals() } {
        // SAFETY: `Header::node` (1): the caller runs the task. (2): the group is used in this call
        // only.
        fail_with_panic(payload, unsafe { header.node() }, header.origin());
    }
    if let Some(span) = header.span() {
        span.close();
    }
    if linked {
        // SAFETY: `Header::node` (1): the caller runs the task. (2): the lock is given back before
        // the count is.
        let slow = unsafe { header.node() }.slow.lock();
        // SAFETY: (1): the lock of the lists in which the task may be is held. (2): its neighbours
        // are linked, and so alive.
        unsafe { header.links.unlink() };
        drop(slow);
    }
    // Before the end can be awaited: an awaiter of the task, or of its group, does not find it
    // alive afterwards.
    tally::with_counts(|counts| match counts {
        Some(counts) => counts.tasks.end(),
        // SAFETY: `Header::node` (1): the caller runs the task. (2): the group is used in this call
        // only.
        None => unsafe { header.node() }.pool().task_ends(),
    });
    let group = header.group;
    let before = header.state.complete(value);
    if value && !before.has_handle() {
        // SAFETY: `TaskTable` (2): the output is in the cell, (3), there is no handle to take it,
        // and the task is still counted.
        unsafe { (header.table.unclaimed)(this) };
    }
    let waiting = if before.has_handle() {
        header.awaiter.close()
    } else {
        None
    };
    // SAFETY: (1): the task's one count is given up. (2): this is the last touch of the group
    // through this task.
    unsafe { leave::leave(group) };
    frame::wake(waiting);
    // SAFETY: the engine's reference is given up: a complete task does not have it.
    unsafe { Header::release(this) };
}
