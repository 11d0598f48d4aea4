//! Stack jobs: halves of `join` on the stack of the thread that forked them. What the forker does
//! when it comes back to one that another thread may have is in `join`.
//!
//! A half is first in a private list, which costs a few plain stores and no fence, and as a rule
//! the forker takes it back from there. Only when another thread is idle, and nothing of this one's
//! can be stolen as it is, the *oldest* half in the list, as a rule the largest piece of work, is
//! published: pushed to the fork deque of the seat. The forker looks whether to do so when it forks
//! and when it comes back. Measured: with every half in the deque a `join` costs twice a call.
//!
//! # States
//!
//! A half is in the list; published: its one [`Job`] is in a deque or with a thief; or done.
//!
//! # Protocol
//!
//! A half that is in the list when its forker comes back is taken out there, and runs here. Else
//! the forker must come back with its one job, which is the right to run it, or after its latch was
//! set: by the thief, in the last line of its run. So a half leaves every queue, and every other
//! thread, before the frame in which it lives goes away.
//!
//! # Shutdown
//!
//! A half outside every task counts in the root while it is published: a shutdown knows its runner.

#![expect(
    unsafe_code,
    reason = "a half lives on the stack of the thread that forked it"
)]

use crate::group::node::Node;
use crate::job::{Job, JobHeader, JobTable};
use crate::latch::Latch;
use crate::poll::frame::{self, Fork};
use crate::pool::shared::Shared;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::cell::UnsafeCell;
use crate::tree::awaited::LEVELS;
use crate::tree::{branch, leave};
use crate::unwind::{self, Payload};
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::{self, NonNull};
use std::task::Waker;

/// Where a thread keeps its stack jobs, for a thief that runs one.
pub(crate) trait Here {
    /// Calls `f` with the stack jobs of this thread and its seat, if it has such.
    fn here<R>(f: impl FnOnce(Option<(&StackJobs, Option<usize>)>) -> R) -> R;
}

/// A half without its types. It is not `Sync`: its forker's thread alone has references to it.
#[repr(C)]
pub(crate) struct StackJob {
    job: JobHeader,
    /// Neighbours in the private list.
    older: Cell<*const StackJob>,
    newer: Cell<*const StackJob>,
    published: Cell<bool>,
    /// The forker unwound when it forked. Where it began to unwind inside the other half, that is
    /// caught before the two come together again, and this half can be cut as ever.
    unwinds: bool,
    /// The root in which it counts while it is published, as no task that waits for it does.
    counted: Cell<Option<NonNull<Node>>>,
    /// The seat whose thread runs it, plus one; zero as long as none does.
    runner: AtomicUsize,
    latch: Latch,
    /// The half that the forker ran for another thread when it forked this one.
    inside: *const StackJob,
    /// Where it was forked.
    fork: Fork,
}

/// A published half that its forker has taken back.
pub(crate) struct TakenBack<'a>(&'a StackJob);

impl StackJob {
    /// Takes a published half back, if `job` is its job; else the job comes back.
    pub(crate) fn take_back(&self, job: Job) -> Result<TakenBack<'_>, Job> {
        if ptr::eq(job.address(), ptr::from_ref(self).cast()) {
            self.leave_root();
            return Ok(TakenBack(self));
        }
        Err(job)
    }

    /// Whether another thread has run it.
    pub(crate) fn is_done(&self) -> bool {
        self.latch.is_set()
    }

    /// As [`StackJob::is_done`]; if not, `waker`, or one of an earlier call, is woken when it is.
    pub(crate) fn poll_done(&self, waker: &Waker) -> bool {
        // SAFETY: `Latch::wait`: only one thread waits, the forker's: no other has a `&StackJob`.
        unsafe { self.latch.wait(waker) }
    }

    /// The seat of the thread that runs it: a hint for a forker that helps.
    pub(crate) fn runner(&self) -> Option<usize> {
        // Relaxed: a hint.
        self.runner.load(Ordering::Relaxed).checked_sub(1)
    }

    /// The forker has come back to a half that was published.
    pub(crate) fn note_return(&self, shared: &Shared) {
        if self.counted.get().is_some() {
            // Relaxed: as in `count`.
            shared.halves.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether a job is a half that was forked inside this one.
    pub(crate) fn contains(&self, job: &Job) -> bool {
        let mut at: *const Self = job
            .on_stack()
            .map_or(ptr::null(), |half| half.as_ptr().cast());
        for _ in 0..LEVELS {
            // SAFETY: `Job::new` (1): the first half is there, as its job was not run. A half is
            // inside the one that its forker runs: whose forker waits until that run is over, and
            // so until the one inside is done.
            let Some(half) = (unsafe { at.as_ref() }) else {
                return false;
            };
            at = half.inside;
            if ptr::eq(at, self) {
                return true;
            }
        }
        false
    }

    /// It was run, or taken back: it does not count any more.
    fn leave_root(&self) {
        if let Some(root) = self.counted.get() {
            // SAFETY: `leave`: 1. `count` took the count when the half was published, and it ends
            // once: with its job. 2. The node is not touched afterwards.
            unsafe { leave::leave(root) };
        }
    }
}

/// A half that is outside every task may be run by a worker from now on: it counts in the root, as
/// that worker may take its time. The root, which the count keeps; none if the runtime is ending.
#[cold]
fn count(shared: &Shared) -> Option<NonNull<Node>> {
    let root = shared.open_root().filter(|root| root.enter())?;
    if root.is_cancelled() {
        // SAFETY: `leave`: 1. `enter` counted in the line above. 2. `root` is a reference of its
        // own.
        unsafe { leave::leave(root.as_ptr()) };
        return None;
    }
    // Relaxed: a number for messages.
    shared.halves.fetch_add(1, Ordering::Relaxed);
    Some(root.as_ptr())
}

/// The group of a job that was not run.
pub(crate) fn group_of(job: &Job) -> Option<&Node> {
    let group: *const Node = job.group().cast();
    // SAFETY: `JobTable::group` gives the address of a node, or null. The node is alive until the
    // job was run, which is not before the borrow ends: a task counts in its group, and a half's
    // forker is in the group and waits for it.
    unsafe { group.as_ref() }
}

/// The stack jobs of one context of a thread: the private list, and the half of another thread that
/// is run there.
pub(crate) struct StackJobs {
    oldest: Cell<*const StackJob>,
    newest: Cell<*const StackJob>,
    len: Cell<usize>,
    inside: Cell<*const StackJob>,
}

impl StackJobs {
    pub(crate) fn new() -> Self {
        Self {
            oldest: Cell::new(ptr::null()),
            newest: Cell::new(ptr::null()),
            len: Cell::new(0),
            inside: Cell::new(ptr::null()),
        }
    }

    /// Whether there is none that could be published.
    pub(crate) fn is_empty(&self) -> bool {
        self.oldest.get().is_null()
    }

    /// How many could be published.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    /// Runs `a` on this thread and `b` on this or another one, each to its end; catches panics.
    ///
    /// `offer` may publish halves. `come_back` is called after `a` if this half was published: it
    /// takes the half back, or returns once it is done.
    #[inline]
    pub(crate) fn fork<H: Here, RA, RB: Send>(
        &self,
        a: impl FnOnce() -> RA,
        b: impl FnOnce() -> RB + Send,
        fork: Fork,
        offer: impl Fn(),
        come_back: impl FnOnce(&StackJob) -> Option<TakenBack<'_>>,
    ) -> (Result<RA, Payload>, Result<RB, Payload>) {
        let half = Half::<_, _, H>::new(b, fork, self.inside.get());
        // The pointer is one to the whole half, whose stack job is first.
        let whole = NonNull::from(&half).cast();
        // SAFETY: `push`: the half stays in this frame, which is left at its end alone: nothing
        // here unwinds. It is taken out of the list below, or was when it was published.
        unsafe { self.push(whole) };
        unwind::never(&offer);
        let first = unwind::catch(a);
        if !half.job.published.get() {
            self.pop(&half.job);
            unwind::never(&offer);
        } else if !unwind::never(|| half.comes_back(come_back)) {
            // SAFETY: the latch is set, says `comes_back`: the thief has written the result, once.
            let second = half
                .result
                .with(|place| unsafe { place.cast::<Result<RB, Payload>>().read() });
            return (first, second);
        }
        // SAFETY: `take_closure`: the half was in the list, so no job of it was made; or its one
        // job has come back.
        let closure = unsafe { half.take_closure() };
        (first, unwind::catch(closure))
    }

    /// Makes the job of the oldest half, which leaves the list. None if the list is empty, or if
    /// the runtime is ending: a half that is part of no task would be one that it does not know of.
    pub(crate) fn publish(&self, shared: &Shared) -> Option<Job> {
        // SAFETY: halves in the list are there: see `push`.
        let oldest = unsafe { self.oldest.get().as_ref() }?;
        // SAFETY: `follow`: this thread is the forker, further down its stack, and stays there
        // meanwhile.
        if !unsafe { oldest.fork.follow() }.is_in_task() {
            oldest.counted.set(Some(count(shared)?));
        }
        let half = self.pop_oldest()?;
        oldest.published.set(true);
        // SAFETY: `Job::new`: 1. the forker stays until the half is done, or this job came back;
        // 2. `F` and `R` are `Send`; 3. a half that leaves the list gets a job, once.
        Some(unsafe { Job::new(half.cast()) })
    }

    /// Adds the newest half.
    ///
    /// # Safety
    ///
    /// It stays where it is until it is taken out.
    #[inline]
    unsafe fn push(&self, half: NonNull<StackJob>) {
        self.len.set(self.len.get() + 1);
        let before = self.newest.replace(half.as_ptr());
        // SAFETY: `push`: it stays where it is, says the caller.
        unsafe { half.as_ref() }.older.set(before);
        // SAFETY: it was pushed and not taken out, so it is where it was: see `push`.
        match unsafe { before.as_ref() } {
            Some(before) => before.newer.set(half.as_ptr()),
            None => self.oldest.set(half.as_ptr()),
        }
    }

    /// Takes out the newest half, which was not published.
    #[inline]
    fn pop(&self, half: &StackJob) {
        debug_assert!(ptr::eq(self.newest.get(), half), "halves nest");
        self.len.set(self.len.get() - 1);
        let before = half.older.get();
        self.newest.set(before);
        // SAFETY: it was pushed and not taken out, so it is where it was: see `push`.
        match unsafe { before.as_ref() } {
            Some(before) => before.newer.set(ptr::null()),
            None => self.oldest.set(ptr::null()),
        }
    }

    /// Takes out the oldest half.
    fn pop_oldest(&self) -> Option<NonNull<StackJob>> {
        let oldest = self.oldest.get();
        // SAFETY: it was pushed and not taken out, so it is where it was: see `push`.
        let half = unsafe { oldest.as_ref() }?;
        self.len.set(self.len.get() - 1);
        let next = half.newer.get();
        self.oldest.set(next);
        // SAFETY: it was pushed and not taken out, so it is where it was: see `push`.
        match unsafe { next.as_ref() } {
            Some(next) => next.older.set(ptr::null()),
            None => self.newest.set(ptr::null()),
        }
        NonNull::new(oldest.cast_mut())
    }
}

/// A half with its types.
#[repr(C)]
struct Half<F, R, H> {
    job: StackJob,
    /// Taken by the thread that runs the half.
    closure: UnsafeCell<ManuallyDrop<F>>,
    /// Written by a thread that runs it for the forker.
    result: UnsafeCell<MaybeUninit<Result<R, Payload>>>,
    here: PhantomData<H>,
}

impl<F: FnOnce() -> R, R, H: Here> Half<F, R, H> {
    const TABLE: JobTable = JobTable {
        run: Self::run,
        group,
        id: |_| None,
        describe: |_| None,
        on_stack: true,
    };

    #[inline]
    fn new(closure: F, fork: Fork, inside: *const StackJob) -> Self {
        Self {
            job: StackJob {
                job: JobHeader {
                    table: &Self::TABLE,
                },
                older: Cell::new(ptr::null()),
                newer: Cell::new(ptr::null()),
                published: Cell::new(false),
                unwinds: frame::is_panicking(),
                counted: Cell::new(None),
                runner: AtomicUsize::new(0),
                latch: Latch::new(),
                inside,
                fork,
            },
            closure: UnsafeCell::new(ManuallyDrop::new(closure)),
            result: UnsafeCell::new(MaybeUninit::uninit()),
            here: PhantomData,
        }
    }

    /// Whether `come_back` has taken this half back; if not, another thread has run it.
    #[cold]
    fn comes_back(&self, come_back: impl FnOnce(&StackJob) -> Option<TakenBack<'_>>) -> bool {
        match come_back(&self.job) {
            Some(taken) => {
                assert!(
                    ptr::eq(taken.0, &raw const self.job),
                    "the job of this half"
                );
                true
            }
            None => {
                assert!(self.job.is_done(), "the forker waits");
                false
            }
        }
    }

    /// # Safety
    ///
    /// The caller has the right to run the half, and calls this once.
    #[inline]
    unsafe fn take_closure(&self) -> F {
        // SAFETY: `take_closure`: the right to run the half is the caller's, so no other thread
        // reads it, and it is read once. The cell is transparent.
        self.closure
            .with_mut(|place| unsafe { place.cast::<F>().read() })
    }

    unsafe fn run(job: NonNull<JobHeader>) {
        let this = job.cast::<Self>();
        // SAFETY: `JobTable::run` (1): it points to the half. The forker waits for the latch, which
        // is set in the last line.
        let half = unsafe { this.as_ref() };
        let result = inside::<H, _>(&half.job, || {
            // SAFETY: `take_closure`: the job is the right to run it, and runs once:
            // `JobTable::run` (2).
            let closure = unsafe { half.take_closure() };
            // SAFETY: `follow`: the forker stays in its frame until the latch is set.
            let forked = unsafe { half.job.fork.follow() };
            unwind::catch(|| branch::enter(forked, half.job.unwinds, closure))
        });
        // SAFETY: only the thread that runs the job writes it, and the forker reads it after the
        // latch was set.
        half.result
            .with_mut(|place| unsafe { (*place).write(result) });
        half.job.leave_root();
        let latch = NonNull::from(&half.job.latch);
        // SAFETY: `Latch::set`: it is set here alone, once for each job; the frame stays until it
        // is seen set, and this is the last access to the half.
        unsafe { Latch::set(latch) };
    }
}

/// `JobTable::group` of halves.
unsafe fn group(job: NonNull<JobHeader>) -> *const () {
    // SAFETY: `JobTable::group`: the job has not been run, so its forker is there.
    let half = unsafe { job.cast::<StackJob>().as_ref() };
    // SAFETY: `follow`: the forker waits until the job was run.
    let node = unsafe { half.fork.follow() }.node();
    node.map_or(ptr::null(), |node| node.whole.as_ptr().cast_const().cast())
}

/// Runs `f` with this thread known to be inside a half of another thread.
fn inside<H: Here, R>(half: &StackJob, f: impl FnOnce() -> R) -> R {
    H::here(|here| {
        let Some((jobs, seat)) = here else { return f() };
        // Relaxed: a hint for a forker that helps.
        half.runner
            .store(seat.map_or(0, |seat| seat + 1), Ordering::Relaxed);
        let before = jobs.inside.replace(half);
        let value = f();
        jobs.inside.set(before);
        value
    })
}
