//! The context of a thread: its runtime, its role and its seat there, its stack jobs, and the
//! runtimes entered on it.
//!
//! A context is on the stack of the function that made it, and is occupied while that function runs
//! something in it. They nest: a worker whose task blocks for another runtime has a context there,
//! too, above its own.

use crate::driver::beside::is_apart;
use crate::job::Job;
use crate::poll::budget;
use crate::pool::seats::{ClaimedSeat, OwnSeat};
use crate::pool::shared::Shared;
use crate::pool::stack_jobs::{Here, StackJobs};
use crate::scoped::{self, Entries, Place, Scoped};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, LocalKey};
use crate::tree::awaited::Awaited;
use std::cell::{Cell, RefCell};
use std::ptr;

/// What a thread is in its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreadRole {
    /// A worker's loop, which others rely on.
    Worker,
    /// A caller that is blocked.
    Caller,
    /// A thread for closures that block.
    Blocking,
}

/// A thread in a runtime. Dropping it gives the seat back.
pub(crate) struct ThreadCtx<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    /// The seat; a blocked caller claims one at its first push.
    pub(crate) seat: OwnSeat,
    pub(crate) role: ThreadRole,
    /// What a blocked caller waits for.
    pub(crate) awaited: Option<Awaited>,
    /// Guests of the runtime that are blocked in this context.
    pub(crate) guests: Cell<usize>,
    /// A thread for closures that block: it does not count against their limit, because it waits.
    pub(crate) waits: Cell<bool>,
    /// Its worker counts as searching while it calls what the driver found due: if that blocks, it
    /// searches no more.
    pub(crate) searching: Cell<bool>,
    /// Halves of `join` that were forked off here.
    pub(crate) stack_jobs: StackJobs,
    /// Entries with a smaller number were made before the context was occupied: they do not count
    /// in it.
    since: Cell<u64>,
}

/// Halves of one thread from which on it makes no more as long as none is to be published. A worker
/// that becomes idle gets the oldest at the next fork, as a rule a large piece of work, and more
/// such are left for those who become idle after it.
const ENOUGH: usize = 3;

/// The number of the next entry, in the whole process: entries and contexts of a thread are in its
/// order.
static NEXT_ENTRY: AtomicU64 = AtomicU64::new(1);

/// A context is entered while a thread occupies it.
#[derive(Clone, Copy)]
struct Occupied;

impl Scoped for Occupied {
    type At<'a> = Option<&'a ThreadCtx<'a>>;

    const NOTHING: Option<&'static ThreadCtx<'static>> = None;

    const PLACE: &'static LocalKey<Place<Self>> = &HERE;

    #[inline]
    fn shorten<'s, 'l>(ctx: Option<&'l ThreadCtx<'l>>) -> Option<&'s ThreadCtx<'s>>
    where
        'l: 's,
    {
        ctx
    }
}

thread_local! {
    /// The context that this thread occupies.
    static HERE: Place<Occupied> = const { Place::new() };
    static ENTERED: RefCell<Vec<(u64, Arc<Shared>)>> = const { RefCell::new(Vec::new()) };
    /// The number of the last of these, or zero.
    static NEWEST: Cell<u64> = const { Cell::new(0) };
}

impl<'a> ThreadCtx<'a> {
    #[inline]
    fn new(shared: &'a Arc<Shared>, seat: Option<ClaimedSeat>, role: ThreadRole) -> Self {
        Self {
            shared,
            seat: OwnSeat::new(seat),
            role,
            awaited: None,
            guests: Cell::new(0),
            waits: Cell::new(false),
            searching: Cell::new(false),
            stack_jobs: StackJobs::new(),
            since: Cell::new(0),
        }
    }

    /// The context of a worker.
    pub(crate) fn worker(shared: &'a Arc<Shared>, seat: ClaimedSeat) -> Self {
        Self::new(shared, Some(seat), ThreadRole::Worker)
    }

    /// The context of a thread for closures that block.
    pub(crate) fn blocking(shared: &'a Arc<Shared>) -> Self {
        Self::new(shared, None, ThreadRole::Blocking)
    }

    /// The context of a caller that blocks until something has ended.
    #[inline]
    pub(crate) fn blocked(shared: &'a Arc<Shared>, awaited: Awaited) -> Self {
        let mut ctx = Self::new(shared, None, ThreadRole::Caller);
        ctx.awaited = Some(awaited);
        ctx
    }

    /// Whether the context is in this runtime.
    pub(crate) fn is_of(&self, shared: &Shared) -> bool {
        ptr::eq(&raw const **self.shared, shared)
    }

    /// From where its timers are set: threads without a seat share one place.
    #[inline]
    pub(crate) fn timer_seat(&self) -> usize {
        self.seat.index().unwrap_or(self.shared.workers)
    }

    /// Counts a task that begins and pushes its job, if there is a seat, or one can be claimed.
    #[inline]
    pub(crate) fn push_new(&self, job: Job) -> Result<(), Job> {
        match self.seat.push_new(job) {
            Ok(()) => Ok(()),
            Err(job) if self.claims_seat() => self.seat.push_new(job),
            Err(job) => Err(job),
        }
    }

    /// Whether there is a seat. A caller that is to push for the first time claims one.
    #[cold]
    fn claims_seat(&self) -> bool {
        if self.seat.index().is_some() {
            return true;
        }
        // A worker without one has lent it to a job, whose context has it: see `waiting::run_as`.
        if self.role == ThreadRole::Worker || !self.shared.callers_take_part || is_apart() {
            return false;
        }
        let claimed = self.shared.seats.claim_from(self.shared.workers);
        claimed.map(|claimed| self.seat.put(claimed)).is_some()
    }

    /// Gives the seat back, if one was claimed.
    #[cold]
    pub(crate) fn leave_seat(&self) {
        // Taken out first: where no thread can be had, the flush runs jobs here, and what they push
        // must not go to a seat that was drained.
        let own = OwnSeat::new(self.seat.take());
        if own.index().is_some() {
            self.shared.flush(&own);
        }
    }

    /// Whether there are as many halves as are worth making: those that are forked now would be
    /// published last, and nothing is to be published now.
    #[inline]
    pub(crate) fn offers_enough(&self) -> bool {
        self.stack_jobs.len() >= ENOUGH && !self.is_asked()
    }

    /// Whether a worker is idle, and there is nothing to steal here.
    #[inline]
    fn is_asked(&self) -> bool {
        self.shared.sleep.is_anyone_idle() && self.seat.is_fork_empty()
    }

    /// Publishes the oldest half, if a worker is idle and there is nothing else to steal here.
    #[inline]
    pub(crate) fn offer(&self) {
        if self.is_asked() {
            self.publish_oldest();
        }
    }

    #[cold]
    fn publish_oldest(&self) {
        if self.claims_seat() && self.seat.is_fork_empty() {
            self.publish();
        }
    }

    /// Publishes every half, because this thread is about to block.
    pub(crate) fn publish_all(&self) {
        if !self.stack_jobs.is_empty() && self.claims_seat() {
            while self.publish() {}
        }
    }

    /// Publishes the oldest half; false if there is none that may be published.
    fn publish(&self) -> bool {
        let Some(job) = self.stack_jobs.publish(self.shared) else {
            return false;
        };
        self.shared.counters.forks.bump_shared();
        match self.seat.push_fork(job) {
            // Halves are large as a rule, and this thread does not get on while it joins.
            Ok(()) => self.shared.keeps_others_waiting(&self.seat),
            Err(job) => self.shared.inject(job),
        }
        true
    }

    /// Runs `f` with this thread in this context.
    #[inline]
    pub(crate) fn occupy<R>(&self, f: impl FnOnce() -> R) -> R {
        // Relaxed: compared with numbers that this thread drew; an RMW chain on one word is in
        // order for each thread.
        self.since.set(NEXT_ENTRY.load(Ordering::Relaxed));
        let _whole = budget::set_whole(self.shared.operations_per_poll);
        scoped::enter::<Occupied, _>(Some(self), f)
    }
}

impl Drop for ThreadCtx<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.seat.is_claimed() {
            self.leave_seat();
        }
    }
}

impl Here for ThreadCtx<'static> {
    fn here<R>(f: impl FnOnce(Option<(&StackJobs, Option<usize>)>) -> R) -> R {
        with(|ctx| f(ctx.map(|ctx| (&ctx.stack_jobs, ctx.seat.index()))))
    }
}

/// Calls `f` with this thread's context, if it has one.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&ThreadCtx<'_>>) -> R) -> R {
    scoped::with::<Occupied, _>(f)
}

/// The contexts of a thread. They are occupied as long as this can be used.
#[derive(Clone, Copy)]
pub(crate) struct Contexts<'a>(Entries<'a, Occupied>);

impl<'a> Contexts<'a> {
    pub(crate) fn innermost(self) -> Option<&'a ThreadCtx<'a>> {
        self.0.top()
    }

    /// All of them, the innermost first.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a ThreadCtx<'a>> {
        self.0.iter().flatten()
    }

    /// The innermost one of this role.
    pub(crate) fn of_role(self, role: ThreadRole) -> Option<&'a ThreadCtx<'a>> {
        self.iter().find(|ctx| ctx.role == role)
    }
}

/// Calls `f` with all contexts of this thread.
pub(crate) fn with_all<R>(f: impl FnOnce(Contexts<'_>) -> R) -> R {
    scoped::with_all::<Occupied, _>(|entries| f(Contexts(entries)))
}

/// The runtime that was entered on this thread, or in whose context it is. What was entered before
/// the context was occupied does not count: a child must not depend on which thread runs it.
pub(crate) fn runtime_here() -> Option<Arc<Shared>> {
    let (since, occupied) = with(|ctx| match ctx {
        Some(ctx) => (ctx.since.get(), Some(Arc::clone(ctx.shared))),
        None => (0, None),
    });
    let entered = ENTERED.try_with(|entered| {
        let entered = entered.borrow();
        let (_, shared) = entered.last().filter(|(number, _)| *number >= since)?;
        Some(Arc::clone(shared))
    });
    entered.ok().flatten().or(occupied)
}

/// Calls `f` with this thread's context, if that is in the runtime of free functions: none was
/// entered since.
#[inline]
pub(crate) fn of_free_functions<R>(f: impl FnOnce(Option<&ThreadCtx<'_>>) -> R) -> R {
    with(|ctx| f(ctx.filter(|ctx| NEWEST.get() < ctx.since.get())))
}

/// Whether no runtime was entered on this thread, and it is in no context.
#[inline]
pub(crate) fn is_bare() -> bool {
    NEWEST.get() == 0 && with(|ctx| ctx.is_none())
}

/// Enters a runtime on this thread; the answer names the entry.
pub(crate) fn enter(shared: Arc<Shared>) -> u64 {
    // Relaxed: only uniqueness and the order within this thread matter.
    let number = NEXT_ENTRY.fetch_add(1, Ordering::Relaxed);
    ENTERED.with_borrow_mut(|entered| entered.push((number, shared)));
    NEWEST.set(number);
    number
}

/// Undoes an entry; entries may end in any order.
pub(crate) fn exit(number: u64) {
    let entry = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let at = entered.iter().rposition(|entry| entry.0 == number)?;
        let entry = entered.remove(at);
        NEWEST.set(entered.last().map_or(0, |last| last.0));
        Some(entry)
    });
    // After the borrow: it may be the last reference to the runtime.
    drop(entry);
}
