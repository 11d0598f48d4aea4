//! A job: one word that a deque holds and a worker runs.
//!
//! Tasks, reapers and stack jobs all have a header, to which the job points: a pointer to a table
//! whose first entry is the function that runs them. So a deque element is one pointer, and running
//! it is one indirect call.

#![expect(
    unsafe_code,
    reason = "a job is a thin pointer whose table says what it points to"
)]

use crate::keyed_queue::Key;
use crate::sync::Mutex;
use crate::unwind;
use std::borrow::Cow;
use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::num::NonZero;
use std::panic::Location;
use std::ptr::NonNull;

/// The header of all that can be queued.
#[repr(C)]
pub(crate) struct JobHeader {
    pub(crate) table: &'static JobTable,
}

/// The table of a kind of job; larger tables begin with it (`#[repr(C)]`).
#[repr(C)]
pub(crate) struct JobTable {
    /// Runs the job once. It never unwinds.
    ///
    /// # Safety
    ///
    /// 1. The pointer is the one given to [`Job::new`], with its provenance.
    /// 2. It is called once for each `Job::new`.
    pub(crate) run: unsafe fn(NonNull<JobHeader>),
    /// The group for which the job is run, by the address of its node; null if there is none: for a
    /// reaper, and for a half that was forked outside every group.
    ///
    /// # Safety
    ///
    /// The job has not been run.
    pub(crate) group: unsafe fn(NonNull<JobHeader>) -> *const (),
    /// The number of the task whose job it is; none if it is no task's.
    ///
    /// # Safety
    ///
    /// The job has not been run.
    pub(crate) id: unsafe fn(NonNull<JobHeader>) -> Option<u64>,
    /// What a trace says of the task whose job it is; none if it is no task's.
    ///
    /// # Safety
    ///
    /// The job has not been run.
    pub(crate) describe: unsafe fn(NonNull<JobHeader>) -> Option<Described>,
    /// Whether it is a half of a `join`, on the stack of the thread that forked it.
    pub(crate) on_stack: bool,
}

/// What a trace says of a task.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) id: u64,
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) location: &'static Location<'static>,
    /// The name of its group.
    pub(crate) group: Option<Cow<'static, str>>,
}

/// The right, and the duty, to run something once.
///
/// A job that is dropped without being run is lost; nothing drops one.
///
/// The pointer is aligned: two bits of it say whether the job is [stamped](Job::stamped), and
/// [traced](Job::traced).
#[must_use = "a job that is not queued or run is lost"]
pub(crate) struct Job(NonNull<JobHeader>);

const STAMPED: usize = 1;
const TRACED: usize = 1 << 1;
const MARKS: usize = STAMPED | TRACED;

const _: () = assert!(align_of::<JobHeader>() > MARKS);

// SAFETY: `Job::new` asks for a target that any thread may run.
unsafe impl Send for Job {}

impl Job {
    /// Makes the right to run `target`.
    ///
    /// # Safety
    ///
    /// 1. `target` stays valid until its `run` has been entered, which then owns it.
    /// 2. Any thread may run it.
    /// 3. No other `Job` for `target` exists, or its `run` may be entered once for each, also on
    ///    two threads at once.
    pub(crate) unsafe fn new(target: NonNull<JobHeader>) -> Self {
        Self(target)
    }

    /// The same job, whose way through the queues is timed.
    pub(crate) fn stamped(self) -> Self {
        Self(self.0.map_addr(|address| address | STAMPED))
    }

    /// The same job, of a task whose polls are recorded.
    pub(crate) fn traced(self) -> Self {
        Self(self.0.map_addr(|address| address | TRACED))
    }

    /// Whether its runner has more to do than to run it.
    #[inline]
    pub(crate) fn is_marked(&self) -> bool {
        self.0.addr().get() & MARKS != 0
    }

    /// Whether it is to be timed.
    pub(crate) fn is_stamped(&self) -> bool {
        self.0.addr().get() & STAMPED != 0
    }

    /// Whether it is to be recorded.
    pub(crate) fn is_traced(&self) -> bool {
        self.0.addr().get() & TRACED != 0
    }

    /// The pointer that was given to [`Job::new`].
    #[inline]
    fn target(&self) -> NonNull<JobHeader> {
        let address = |address: NonZero<usize>| {
            // A header is not at one of the first addresses.
            NonZero::new(address.get() & !MARKS).unwrap_or(address)
        };
        self.0.map_addr(address)
    }

    /// The address of the header.
    pub(crate) fn address(&self) -> *const () {
        self.target().as_ptr().cast_const().cast()
    }

    /// The half of a `join`, if the job is one.
    pub(crate) fn on_stack(&self) -> Option<NonNull<JobHeader>> {
        // SAFETY: `Job::new` (1): the target is valid until it runs.
        let table = unsafe { self.target().as_ref() }.table;
        table.on_stack.then_some(self.target())
    }

    /// The address of the node of its group, or null: see [`JobTable::group`].
    pub(crate) fn group(&self) -> *const () {
        // SAFETY: `Job::new` (1): the target is valid until it runs.
        let table = unsafe { self.target().as_ref() }.table;
        // SAFETY: `JobTable::group`: it has not been run, as `run` consumes it.
        unsafe { (table.group)(self.target()) }
    }

    /// The number of the task whose job it is, if it is one's. An address is none: the next task
    /// may be where this one was.
    pub(crate) fn id(&self) -> Option<u64> {
        // SAFETY: `Job::new` (1): the target is valid until it runs.
        let table = unsafe { self.target().as_ref() }.table;
        // SAFETY: `JobTable::id`: it has not been run, as `run` consumes it.
        unsafe { (table.id)(self.target()) }
    }

    /// What a trace says of its task, if it is a task's.
    pub(crate) fn describe(&self) -> Option<Described> {
        // SAFETY: `Job::new` (1): the target is valid until it runs.
        let table = unsafe { self.target().as_ref() }.table;
        // SAFETY: `JobTable::describe`: it has not been run, as `run` consumes it.
        unsafe { (table.describe)(self.target()) }
    }

    /// Runs it on this thread.
    #[inline]
    pub(crate) fn run(self) {
        let target = self.target();
        // SAFETY: `Job::new` (1): the target is valid until it runs.
        let table = unsafe { target.as_ref() }.table;
        // Further down this stack there may be a scope, whose children borrow from it.
        // SAFETY: `JobTable::run`: (1) the pointer is the one given to `Job::new`; (2) `self` is
        // consumed, so this is the one call.
        unwind::never(|| unsafe { (table.run)(target) });
    }
}

/// What a ticket asks of the kind of its target.
///
/// # Safety
///
/// Each function is called with the target of a ticket. `claim` and `release` give the ticket's
/// reference up, which keeps the target until then, so one of them is called once.
pub(crate) struct TicketTable {
    /// The right to run the target, unless a canceller or a reaper has it.
    pub(crate) claim: unsafe fn(NonNull<JobHeader>) -> Option<Job>,
    /// Leaves the target to the canceller.
    pub(crate) release: unsafe fn(NonNull<JobHeader>),
    /// Where the target keeps its place in the queue; valid as long as the target.
    pub(crate) place: unsafe fn(NonNull<JobHeader>) -> NonNull<Place>,
}

/// Where a target is in its queue. It is changed under the lock of the queue.
#[derive(Debug, Default)]
pub(crate) struct Place(Mutex<Where>);

#[derive(Debug, Default)]
enum Where {
    /// On its way there.
    #[default]
    Before,
    At(Key),
    /// A canceller has cut the target: it has left the queue, or will not come there.
    Left,
}

impl Place {
    /// The target comes into the queue, where it will have this key. False if it was cut on its
    /// way.
    pub(crate) fn enter(&self, key: Key) -> bool {
        let mut place = self.0.lock();
        if matches!(*place, Where::Left) {
            return false;
        }
        *place = Where::At(key);
        true
    }

    /// The target leaves the queue, for good. Where it was there, and may still be.
    pub(crate) fn leave(&self) -> Option<Key> {
        match mem::replace(&mut *self.0.lock(), Where::Left) {
            Where::At(key) => Some(key),
            Where::Before | Where::Left => None,
        }
    }
}

/// A place in a queue, for a job that a canceller or a reaper may take meanwhile, to cut a task
/// that waits in that queue.
#[must_use = "a ticket that is not redeemed leaves its target to a canceller"]
pub(crate) struct Ticket {
    target: NonNull<JobHeader>,
    table: &'static TicketTable,
}

// SAFETY: `Ticket::new` asks for a target that any thread may claim and release.
unsafe impl Send for Ticket {}

impl Ticket {
    /// A ticket for `target`.
    ///
    /// # Safety
    ///
    /// The functions of `table` may be called with `target`, on any thread, as [`TicketTable`]
    /// says.
    pub(crate) unsafe fn new(target: NonNull<JobHeader>, table: &'static TicketTable) -> Self {
        Self { target, table }
    }

    /// Where the target is in the queue.
    pub(crate) fn place(&self) -> &Place {
        // SAFETY: `Ticket::new`: it may be called while there is a ticket.
        let place = unsafe { (self.table.place)(self.target) };
        // SAFETY: `TicketTable`: it is valid as long as the target, which the ticket keeps.
        unsafe { place.as_ref() }
    }

    /// The job, unless a canceller or a reaper has taken it.
    pub(crate) fn redeem(self) -> Option<Job> {
        let this = ManuallyDrop::new(self);
        // SAFETY: `Ticket::new`: it may be called once, and the ticket is consumed and not dropped,
        // so this is the one call of `claim` or `release`.
        unsafe { (this.table.claim)(this.target) }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // SAFETY: `Ticket::new`: it may be called once, and the ticket was not redeemed, so this is
        // the one call of `claim` or `release`.
        unsafe { (self.table.release)(self.target) };
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.0).finish()
    }
}
