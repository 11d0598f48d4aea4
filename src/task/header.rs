//! The header of a task: everything but the future, in 88 bytes.
//!
//! With an empty future a task is 88 bytes, which glibc serves from a 96-byte chunk. An assertion
//! below holds the size: a new field must push another one out.

#![expect(
    unsafe_code,
    reason = "headers are reached through counted raw pointers"
)]

use crate::group::list::Links;
use crate::group::node::{Host, Node};
use crate::group::pool::Grouped;
use crate::job::{Job, JobHeader, JobTable, Place, Ticket, TicketTable};
use crate::poll::frame::{self, TaskView};
use crate::poll::locals::Locals;
use crate::poll::running::age;
use crate::poll::tally;
use crate::report::dump::{TaskDump, TaskState};
use crate::report::failure::TaskId;
use crate::report::reason::Origin;
use crate::report::waits_for::WaitsFor;
use crate::spans::{About, TaskSpan};
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::cell::Cell;
use crate::task::awaiter::Awaiter;
use crate::task::state::State;
use crate::tree::blocked;
use crate::unwind::Payload;
use std::borrow::Cow;
use std::mem::{ManuallyDrop, offset_of};
use std::num::NonZero;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Context;
use std::time::Duration;

/// The result of a poll.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Polled {
    /// The future is still there.
    Pending,
    /// The future is gone; its output is in the cell.
    Value,
    /// The future is gone and there is no output: it failed, and its group knows.
    NoValue,
}

/// The typed half of a task, as a table.
///
/// # Safety
///
/// Each function is called with a task that has this table.
///
/// 1. For `poll` and `drop_future` the caller runs the task, and the future is there.
/// 2. For `unclaimed` the output is there, no handle will take it, and the task is still counted.
/// 3. For `free` the last reference is gone, and so are future and output.
#[repr(C)]
pub(crate) struct TaskTable {
    pub(crate) job: JobTable,
    /// Polls the future; drops it in place when it is done or has panicked.
    pub(crate) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Polled,
    /// Drops the future in place; a panic of its destructor goes to the group.
    pub(crate) drop_future: unsafe fn(NonNull<Header>),
    /// Disposes of an output that no handle will take, while the group is still counted.
    pub(crate) unclaimed: unsafe fn(NonNull<Header>),
    /// Frees the allocation. Future and output are gone.
    pub(crate) free: unsafe fn(NonNull<Header>),
    /// Where the output is, from the header on, in bytes.
    pub(crate) output: usize,
    /// Where the [`Place`] of a task that waits in a queue is, from the header on, in bytes.
    pub(crate) place: Option<NonZero<usize>>,
}

/// The table of tickets for tasks.
static TICKET: TicketTable = TicketTable {
    claim: Header::claim,
    release: Header::give_ticket_up,
    place: Header::place_of,
};

/// The rarely used part of a task.
pub(crate) struct Extension {
    pub(crate) name: Option<Cow<'static, str>>,
    /// The task runs inside a shield from beginning to end: a cascade does not cut it.
    pub(crate) shielded: bool,
    /// The task-locals that its spawner saw. Taken by the runner that completes the task; only
    /// polls look at it before.
    pub(crate) locals: Cell<Locals>,
    pub(crate) span: TaskSpan,
}

impl Extension {
    /// An extension, if there is anything to put into it.
    #[inline]
    pub(crate) fn of(name: Option<Cow<'static, str>>, locals: Locals) -> Option<Box<Self>> {
        if name.is_none() && locals.is_none() {
            return None;
        }
        Some(Box::new(Self::new(name, false, locals)))
    }

    /// That of a task which no cascade cuts.
    pub(crate) fn shielded(name: Option<Cow<'static, str>>, locals: Locals) -> Self {
        Self::new(name, true, locals)
    }

    #[inline]
    fn new(name: Option<Cow<'static, str>>, shielded: bool, locals: Locals) -> Self {
        Self {
            name,
            shielded,
            locals: Cell::new(locals),
            span: TaskSpan::none(),
        }
    }

    /// The extension of a task that begins in this group, with a span if it is in one. `bytes`: of
    /// its future.
    #[cold]
    pub(crate) fn watched(
        this: Option<Box<Self>>,
        node: &Node,
        id: TaskId,
        location: &'static Location<'static>,
        bytes: usize,
        is_blocking: bool,
    ) -> Option<Box<Self>> {
        let mut span = TaskSpan::open(
            &node.span,
            &About {
                id: id.0,
                name: this.as_ref().and_then(|this| this.name.as_deref()),
                is_blocking,
                bytes,
                location,
                group: &|| node.label(),
            },
        );
        if span.is_none() {
            return this;
        }
        let new = || Box::new(Self::new(None, false, Locals::none()));
        let mut this = this.unwrap_or_else(new);
        this.span = span;
        Some(this)
    }
}

/// A task without its types.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) table: &'static TaskTable,
    pub(crate) state: State,
    pub(crate) group: NonNull<Node>,
    pub(crate) links: Links,
    pub(crate) location: &'static Location<'static>,
    pub(crate) awaiter: Awaiter,
    /// As a host: the groups that are open in this task.
    pub(crate) open: Host,
    /// Written by the runner only.
    pub(crate) polls: AtomicU32,
    /// Coarse milliseconds since the runtime was built, wrapping.
    pub(crate) birth: u32,
    pub(crate) id: TaskId,
    pub(crate) extension: Option<Box<Extension>>,
}

const _: () = assert!(size_of::<Header>() == 88 || !crate::sync::EXACT_SIZES);

impl frame::PolledTask for Header {
    fn cancel_requested(&self) -> bool {
        self.state.load().is_cancelled()
    }

    fn is_shielded(&self) -> bool {
        Self::is_shielded(self)
    }

    fn age(&self) -> Duration {
        Self::age(self)
    }

    fn group(&self) -> &Node {
        // SAFETY: (1): asked during a poll, in which the task runs and is counted. (2): the answer
        // is used within that poll.
        unsafe { self.node() }
    }
}

impl Header {
    #[inline]
    pub(crate) fn name(&self) -> Option<&Cow<'static, str>> {
        self.extension.as_ref()?.name.as_ref()
    }

    /// The span, if it was asked for one when it began.
    #[inline]
    pub(crate) fn span(&self) -> Option<&TaskSpan> {
        Some(&self.extension.as_ref()?.span)
    }

    #[inline]
    pub(crate) fn is_shielded(&self) -> bool {
        self.extension
            .as_ref()
            .is_some_and(|extension| extension.shielded)
    }

    /// How long ago it was spawned. Asked while the task is counted: in a poll, or while it is
    /// linked and the lock of its group is held.
    fn age(&self) -> Duration {
        // SAFETY: (1), (2): the task is in a poll, or linked under the lock of its group, for the
        // length of this call.
        let node = unsafe { self.node() };
        age(self.birth, node.pool().coarse_millis())
    }

    /// The host of the groups that are open in this task.
    #[inline]
    pub(crate) fn open(&self) -> Pin<&Host> {
        // SAFETY: a header stays in its cell, which does not move, until it is dropped there:
        // `TaskCell::allocate` alone makes headers.
        unsafe { Pin::new_unchecked(&self.open) }
    }

    /// The view that frames have of this task.
    ///
    /// # Safety
    ///
    /// The caller runs the task, and uses the view before it calls [`Header::drop_locals`].
    #[inline]
    pub(crate) unsafe fn view(&self) -> TaskView<'_> {
        let extension = self.extension.as_deref();
        TaskView {
            id: self.id,
            name: extension.and_then(|extension| extension.name.as_ref()),
            location: self.location,
            locals: extension.map(|extension| {
                // SAFETY: the list is replaced by `drop_locals` alone, after the view is used.
                unsafe { &*extension.locals.as_ptr().cast_const() }
            }),
            task: self,
        }
    }

    /// Drops the task-locals, when the future is gone; returns the payload of a destructor that
    /// panicked.
    ///
    /// # Safety
    ///
    /// The caller runs the task, or the task was never run and no other thread drops them.
    #[inline]
    pub(crate) unsafe fn drop_locals(&self) -> Result<(), Payload> {
        match &self.extension {
            Some(extension) => frame::drop_quietly(extension.locals.replace(Locals::none())),
            None => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            task: Some(self.id),
            name: self.name().cloned(),
            location: self.location,
        }
    }

    /// The group, while the task is not complete.
    ///
    /// # Safety
    ///
    /// 1. The caller has the right to run the task or to queue it, or runs it, or holds the lock of
    ///    its group in whose list it is.
    /// 2. The reference is not used after that is given up: the task counts in the group until it
    ///    is complete.
    #[inline]
    pub(crate) unsafe fn node<'a>(&self) -> &'a Node {
        // SAFETY: (1), (2): the task counts in the group, which outlives its children, while the
        // reference is used.
        unsafe { self.group.as_ref() }
    }

    /// The job that is the right to run this task.
    ///
    /// # Safety
    ///
    /// The caller owns that right (`SCHEDULED` is set and no other job exists), and gives it to the
    /// job.
    #[inline]
    pub(crate) unsafe fn job(this: NonNull<Self>) -> Job {
        // SAFETY: (1): a task has the engine's reference until it is complete, and only a runner
        // completes it. (2): tasks are `Send`. (3): the right to run is exclusive.
        unsafe { Job::new(this.cast::<JobHeader>()) }
    }

    /// The ticket of a task that waits in a queue.
    ///
    /// # Safety
    ///
    /// The caller gives up the ticket's reference, of which there is one. The table of the task
    /// says where its [`Place`] is.
    pub(crate) unsafe fn ticket(this: NonNull<Self>) -> Ticket {
        // SAFETY: the ticket's reference keeps the task until `claim` or `give_ticket_up`, one of
        // which is called once and gives it back; tasks may be claimed on any thread.
        unsafe { Ticket::new(this.cast(), &TICKET) }
    }

    /// The place in a queue of a task that may wait in one.
    ///
    /// # Safety
    ///
    /// The task is alive while the place is used.
    pub(crate) unsafe fn place<'a>(this: NonNull<Self>) -> Option<&'a Place> {
        // SAFETY: it is alive.
        let offset = unsafe { this.as_ref() }.table.place?;
        // SAFETY: in bounds of the task: the table's own offset.
        let place = unsafe { this.byte_add(offset.get()) }.cast::<Place>();
        // SAFETY: it is there from the allocation of the task until it is freed.
        Some(unsafe { place.as_ref() })
    }

    /// `TicketTable::place`.
    ///
    /// # Safety
    ///
    /// The ticket's reference is there.
    unsafe fn place_of(job: NonNull<JobHeader>) -> NonNull<Place> {
        // SAFETY: the ticket's reference keeps it alive.
        let place = unsafe { Self::place(job.cast()) };
        NonNull::from(place.expect("a task with a ticket has a place"))
    }

    /// `TicketTable::release`.
    ///
    /// # Safety
    ///
    /// The caller owns the ticket's reference and gives it up.
    unsafe fn give_ticket_up(job: NonNull<JobHeader>) {
        // SAFETY: the caller's reference is given up.
        unsafe { Self::release(job.cast()) };
    }

    /// Takes the right to run a task that waits in a queue, unless a canceller has claimed it
    /// there.
    ///
    /// # Safety
    ///
    /// The caller owns the ticket's reference and gives it up.
    unsafe fn claim(job: NonNull<JobHeader>) -> Option<Job> {
        let this = job.cast::<Self>();
        // SAFETY: the ticket's reference keeps it alive.
        let header = unsafe { this.as_ref() };
        // SAFETY: `wake` gave the right to run it to this caller.
        let job = header.state.wake().then(|| unsafe { Self::job(this) });
        // SAFETY: the ticket's reference is given up. The job is covered by the engine's reference.
        unsafe { Self::release(this) };
        job
    }

    /// Queues a woken task.
    ///
    /// # Safety
    ///
    /// As [`Header::job`].
    pub(crate) unsafe fn queue_woken(this: NonNull<Self>) {
        // SAFETY: the caller owns the right to run it, so it is not complete, and has the engine's
        // reference.
        let header = unsafe { this.as_ref() };
        // SAFETY: (1): the caller owns the right to run it. (2): a group outlives its children, and
        // is asked for its pool alone, before the job is out.
        let pool = unsafe { header.node() }.pool();
        // SAFETY: the right to run it, which the caller owns, is given to the job.
        let job = unsafe { Self::job(this) };
        pool.wake(job);
    }

    /// Gives a reference back and frees the task if it was the last one.
    ///
    /// # Safety
    ///
    /// The caller owns one reference and gives it up.
    #[inline]
    pub(crate) unsafe fn release(this: NonNull<Self>) {
        // SAFETY: the reference that is given up keeps it alive until the decrement.
        let header = unsafe { this.as_ref() };
        let table = header.table;
        if header.state.drop_reference() {
            // SAFETY: (3): the last reference is gone, so the engine's is, and the task is
            // complete; an output is taken, or given to `unclaimed`, before the reference of its
            // holder is given back.
            unsafe { (table.free)(this) };
        }
    }

    /// The task whose links these are.
    ///
    /// # Safety
    ///
    /// They were made by [`Header::links_of`].
    unsafe fn of_links(links: NonNull<Links>) -> NonNull<Self> {
        // SAFETY: `links_of` added this offset to a pointer to a whole task, so the result is in
        // bounds.
        unsafe { links.byte_sub(offset_of!(Self, links)) }.cast()
    }

    /// The links, with the provenance of the whole task.
    ///
    /// # Safety
    ///
    /// The task is alive.
    pub(crate) unsafe fn links_of(this: NonNull<Self>) -> NonNull<Links> {
        // SAFETY: the offset of a field is in bounds of the task.
        unsafe { this.byte_add(offset_of!(Self, links)) }.cast()
    }
}

/// A counted reference to a task.
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: the header is reached through its atomics, and a counted reference, which may be given
// back on any thread, keeps it.
unsafe impl Send for TaskRef {}
// SAFETY: a shared reference gives a `&Header`, which is reached through its atomics.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// Takes a reference over.
    ///
    /// # Safety
    ///
    /// The caller owns one reference to the task, and gives it up.
    #[inline]
    pub(crate) unsafe fn from_raw(task: NonNull<Header>) -> Self {
        Self(task)
    }

    /// Where the task is, with the provenance of the whole.
    #[inline]
    pub(crate) fn as_ptr(&self) -> NonNull<Header> {
        self.0
    }

    /// The task, whose reference is the caller's from now on.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    /// Marks the task to be cut by itself, queues it if it is idle, and wakes it if it is blocked.
    pub(crate) fn cancel(&self) {
        // A task that ends meanwhile does not matter: nothing of it waits for the mark any more.
        let before = self.state.load();
        if self.state.cancel() {
            // SAFETY: `cancel` gave the right to run it to this caller.
            unsafe { Header::queue_woken(self.0) };
        }
        let after = self.state.load();
        if [before, after]
            .iter()
            .any(|state| state.is_held() || state.is_running())
        {
            // Its poll may be blocked in a wait, or code in a shield may wait for the mark.
            blocked::cut(self.0.addr().get());
        }
    }
}

impl Deref for TaskRef {
    type Target = Header;

    #[inline]
    fn deref(&self) -> &Header {
        // SAFETY: the reference keeps the task.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        self.state.add_reference();
        Self(self.0)
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the reference is given up.
        unsafe { Header::release(self.0) };
    }
}

/// `NodeTable::mark_member`.
///
/// # Safety
///
/// 1. The links are those of a task that is linked, and so alive.
/// 2. The lock of its group is held.
pub(crate) unsafe fn mark_member(links: NonNull<Links>) -> Option<Job> {
    // SAFETY: members are linked by the links that `links_of` made.
    let task = unsafe { Header::of_links(links) };
    // SAFETY: (1): the task is linked and alive; (2): it cannot unlink while the lock is held.
    let header = unsafe { task.as_ref() };
    if header.is_shielded() {
        return None;
    }
    tally::with_counts(|counts| {
        if let Some(counts) = counts {
            counts.mark();
        }
    });
    // SAFETY: `cancel` gave the right to run it to this caller.
    header.state.cancel().then(|| unsafe { Header::job(task) })
}

/// `NodeTable::describe_member`.
///
/// # Safety
///
/// 1 and 2 of [`mark_member`].
pub(crate) unsafe fn describe_member(links: NonNull<Links>) -> TaskDump {
    // SAFETY: members are linked by the links that `links_of` made.
    let task = unsafe { Header::of_links(links) };
    // SAFETY: (1): the task is linked and alive; (2): it cannot unlink while the lock is held.
    let header = unsafe { task.as_ref() };
    let state = header.state.load();
    // Relaxed: a statistic.
    let polls = header.polls.load(Ordering::Relaxed);
    TaskDump {
        id: header.id,
        name: header.name().map(ToString::to_string),
        location: header.location,
        age: header.age(),
        polls,
        state: match (state.is_running(), state.is_scheduled()) {
            (true, _) => TaskState::Running,
            (false, true) => TaskState::Queued,
            (false, false) => TaskState::Waiting,
        },
        is_cancelled: state.is_cancelled(),
        // A closure that blocks is in the line until it is called.
        waits_for: match header.table.place {
            Some(_) if polls == 0 => vec![WaitsFor::BlockingThread],
            _ => Vec::new(),
        },
        has_waited: Duration::ZERO,
        address: task.addr().get(),
        awaited_by: header.awaiter.address(),
    }
}

/// `NodeTable::keep_member`.
///
/// # Safety
///
/// 1 and 2 of [`mark_member`].
pub(crate) unsafe fn keep_member(links: NonNull<Links>) {
    // SAFETY: members are linked by the links that `links_of` made.
    let task = unsafe { Header::of_links(links) };
    // SAFETY: (1): the task is linked and alive; (2): it cannot unlink while the lock is held.
    let header = unsafe { task.as_ref() };
    header.state.add_reference();
}

/// `NodeTable::release_member`.
///
/// # Safety
///
/// A reference that [`keep_member`] took by these links is given up. No lock is held.
pub(crate) unsafe fn release_member(links: NonNull<Links>) {
    // SAFETY: as above.
    let task = unsafe { Header::of_links(links) };
    // SAFETY: the reference is the caller's, who gives it up.
    unsafe { Header::release(task) };
}
