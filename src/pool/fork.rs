//! Halves of `join`: jobs on the stack of the thread that forked them.
//!
//! A half is first in a private list, which costs a few plain stores and no fence, and as a rule the forker takes it back
//! from there. Only when another thread is idle, and nothing of this one's can be stolen as it is, the *oldest* half in the
//! list, as a rule the largest piece of work, is published: pushed to the fork deque of the seat. The forker looks whether to
//! publish when it forks and when it comes back. Source: the prototype's measurements; with every half in the deque the
//! price of a `join` was twice that of a call.
//!
//! # Protocol
//!
//! Coming back to a published half, the forker pops its fork deque. A half that is still there is taken back; what lies
//! above it are new children, which go to the wake deque. If it is not there, a thief has it, or had it and will run it: the
//! forker helps, and then waits for its latch. So a half leaves every queue, and every other thread, before the frame in
//! which it lives goes away.
//!
//! # Whom a forker helps
//!
//! Only whoever runs its half, and only with what was forked inside that half: a stranger might want a lock that a frame
//! below on this stack holds. rayon runs anything here (its issue 592 is such a deadlock). Only a worker for which no spare
//! can be had does so, too, as in every wait (`waiting`): if it slept, nobody might be left to run what its half waits for.
//!
//! # Shutdown
//!
//! A half that is part of no task counts in the root while it is published, so a shutdown knows of the worker that runs it.

#![expect(
    unsafe_code,
    reason = "a half lives on the stack of the thread that forked it"
)]

use crate::group::node::Node;
use crate::job::{Job, JobHeader, JobTable};
use crate::latch::Latch;
use crate::poll::frame;
use crate::pool::context::{self, Place};
use crate::pool::seats::{Deques, Seat};
use crate::pool::waiting::{self, Step};
use crate::pool::worker;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::cell::UnsafeCell;
use crate::sync::deque::Steal;
use crate::tree::awaited::{Awaited, LEVELS};
use crate::tree::branch::Branch;
use crate::tree::leave;
use crate::unwind::{self, Payload};
use std::cell::Cell;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::{self, NonNull};

/// A half without its types.
#[repr(C)]
pub(crate) struct Fork {
    job: JobHeader,
    /// Neighbours in the private list.
    older: Cell<*const Fork>,
    newer: Cell<*const Fork>,
    published: Cell<bool>,
    /// The forker unwound when it forked. Where it began to unwind inside the other half, that is caught before the two come
    /// together again, and this half can be cut as ever.
    unwinds: bool,
    /// The root in which it counts while it is published, as no task that waits for it does.
    counted: Cell<Option<NonNull<Node>>>,
    /// The seat whose thread runs it, plus one; zero as long as nobody does.
    runner: AtomicUsize,
    latch: Latch,
    /// The half that the forker ran for another thread when it forked this one.
    inside: *const Fork,
    branch: Branch,
}

impl Fork {
    /// It was run, or taken back: it does not count any more.
    fn leave_root(&self) {
        if let Some(root) = self.counted.get() {
            // SAFETY: counted when it was published, and it ends once.
            unsafe { leave::leave(root) };
        }
    }
}

/// The halves of one place: the private list, and the half of another thread that is run there.
pub(crate) struct Forks {
    oldest: Cell<*const Fork>,
    newest: Cell<*const Fork>,
    inside: Cell<*const Fork>,
    /// The deques of the place's seat, once there was something to publish; null before.
    deques: Cell<*const Deques>,
}

impl Forks {
    pub(crate) fn new() -> Self {
        Self {
            oldest: Cell::new(ptr::null()),
            newest: Cell::new(ptr::null()),
            inside: Cell::new(ptr::null()),
            deques: Cell::new(ptr::null()),
        }
    }

    /// The place has no seat any more.
    pub(crate) fn forget_seat(&self) {
        self.deques.set(ptr::null());
    }

    /// Adds the newest half.
    ///
    /// # Safety
    ///
    /// It stays where it is until it is taken out.
    #[inline]
    unsafe fn push(&self, fork: NonNull<Fork>) {
        let before = self.newest.replace(fork.as_ptr());
        // SAFETY: there, says the caller.
        unsafe { fork.as_ref() }.older.set(before);
        // SAFETY: halves in the list are further down on this thread's stack.
        match unsafe { before.as_ref() } {
            Some(before) => before.newer.set(fork.as_ptr()),
            None => self.oldest.set(fork.as_ptr()),
        }
    }

    /// Takes out the newest half, which was not published.
    #[inline]
    fn pop(&self, fork: &Fork) {
        debug_assert!(ptr::eq(self.newest.get(), fork), "halves nest");
        let before = fork.older.get();
        self.newest.set(before);
        // SAFETY: as in `push`.
        match unsafe { before.as_ref() } {
            Some(before) => before.newer.set(ptr::null()),
            None => self.oldest.set(ptr::null()),
        }
    }

    /// Takes out the oldest half.
    fn pop_oldest(&self) -> Option<NonNull<Fork>> {
        let oldest = self.oldest.get();
        // SAFETY: as in `push`.
        let fork = unsafe { oldest.as_ref() }?;
        let next = fork.newer.get();
        self.oldest.set(next);
        // SAFETY: as in `push`.
        match unsafe { next.as_ref() } {
            Some(next) => next.older.set(ptr::null()),
            None => self.newest.set(ptr::null()),
        }
        NonNull::new(oldest.cast_mut())
    }
}

/// A half with its types.
#[repr(C)]
struct Half<F, R> {
    fork: Fork,
    /// Taken by whoever runs the half.
    closure: UnsafeCell<ManuallyDrop<F>>,
    /// Written by a thread that runs it for the forker.
    result: UnsafeCell<MaybeUninit<Result<R, Payload>>>,
}

impl<F: FnOnce() -> R, R> Half<F, R> {
    const TABLE: JobTable = JobTable {
        run: Self::run,
        group,
        fork: true,
    };

    /// # Safety
    ///
    /// The caller has the right to run the half, and calls this once.
    #[inline]
    unsafe fn take_closure(&self) -> F {
        // SAFETY: it is there, the caller's alone, and read once; the cell is transparent.
        self.closure
            .with_mut(|place| unsafe { place.cast::<F>().read() })
    }

    unsafe fn run(job: NonNull<JobHeader>) {
        let this = job.cast::<Self>();
        // SAFETY: the forker waits for the latch, which is set in the last line.
        let half = unsafe { this.as_ref() };
        let result = inside(&half.fork, || {
            // SAFETY: the job is the right to run it, once.
            let closure = unsafe { half.take_closure() };
            // SAFETY: the forker stays where it is until the latch is set.
            unwind::catch(|| unsafe { half.fork.branch.enter(half.fork.unwinds, closure) })
        });
        // SAFETY: as above; the latch gives it to the forker.
        half.result
            .with_mut(|place| unsafe { (*place).write(result) });
        half.fork.leave_root();
        let latch = NonNull::from(&half.fork.latch);
        // SAFETY: it is set once, here.
        unsafe { Latch::set(latch) };
    }
}

/// `JobTable::group` of halves.
unsafe fn group(job: NonNull<JobHeader>) -> *const () {
    // SAFETY: the job is the right to run the half, so its forker is there.
    let fork = unsafe { job.cast::<Fork>().as_ref() };
    let node = fork.branch.node();
    node.map_or(ptr::null(), |node| node.as_ptr().cast_const().cast())
}

/// Runs `f` with this thread known to be inside a half of another thread.
fn inside<R>(fork: &Fork, f: impl FnOnce() -> R) -> R {
    context::place(|place| {
        let Some(place) = place else { return f() };
        let runner = place.seat.get().map_or(0, |seat| seat + 1);
        // Relaxed: a hint for who helps.
        fork.runner.store(runner, Ordering::Relaxed);
        let before = place.forks.inside.replace(fork);
        let value = f();
        place.forks.inside.set(before);
        value
    })
}

/// Runs `a` on this thread and `b` on this or another one, each to its end. Their panics are caught.
#[inline]
pub(crate) fn both<RA, RB: Send>(
    place: &Place,
    a: impl FnOnce() -> RA,
    b: impl FnOnce() -> RB + Send,
    branch: Branch,
) -> (Result<RA, Payload>, Result<RB, Payload>) {
    let half = half(b, place, branch);
    // The pointer is one to the whole half, whose fork is first.
    let whole = NonNull::from(&half).cast();
    // SAFETY: it is taken out of the list below, or when it is published; nothing in between unwinds.
    unsafe { place.forks.push(whole) };
    offer(place);
    let first = unwind::catch(a);
    if !half.fork.published.get() {
        place.forks.pop(&half.fork);
        offer(place);
    } else if !unwind::never(|| come_back(place, &half.fork)) {
        // SAFETY: the latch is set: the thread that ran the half has written the result and given it back.
        let second = half
            .result
            .with(|place| unsafe { place.cast::<Result<RB, Payload>>().read() });
        return (first, second);
    }
    // SAFETY: nobody else has, or can have, the half, so it was not run.
    let closure = unsafe { half.take_closure() };
    (first, unwind::catch(closure))
}

#[inline]
fn half<F: FnOnce() -> R, R>(closure: F, place: &Place, branch: Branch) -> Half<F, R> {
    Half {
        fork: Fork {
            job: JobHeader {
                table: &Half::<F, R>::TABLE,
            },
            older: Cell::new(ptr::null()),
            newer: Cell::new(ptr::null()),
            published: Cell::new(false),
            unwinds: frame::is_panicking(),
            counted: Cell::new(None),
            runner: AtomicUsize::new(0),
            latch: Latch::new(),
            inside: place.forks.inside.get(),
            branch,
        },
        closure: UnsafeCell::new(ManuallyDrop::new(closure)),
        result: UnsafeCell::new(MaybeUninit::uninit()),
    }
}

/// Publishes the oldest half, if somebody is idle and there is nothing else to steal here.
#[inline]
fn offer(place: &Place) {
    if place.shared.sleep.is_anyone_idle() {
        // SAFETY: the deques are those of this place's seat, which this thread has claimed.
        let deques = unsafe { place.forks.deques.get().as_ref() };
        if deques.is_none_or(|deques| deques.fork.is_empty()) {
            publish_oldest(place);
        }
    }
}

#[cold]
fn publish_oldest(place: &Place) {
    if let Some(deques) = deques(place) {
        if deques.fork.is_empty() {
            publish(place, deques);
        }
    }
}

/// Publishes every half, because this thread is about to block.
pub(crate) fn publish_all(place: &Place) {
    if !place.forks.oldest.get().is_null() {
        if let Some(deques) = deques(place) {
            while publish(place, deques) {}
        }
    }
}

/// Publishes the oldest half; false if there is none, or if the runtime is ending: a half that is part of no task
/// would be one that it does not know of.
fn publish(place: &Place, deques: &Deques) -> bool {
    // SAFETY: halves in the list are further down on this thread's stack.
    let Some(oldest) = (unsafe { place.forks.oldest.get().as_ref() }) else {
        return false;
    };
    if oldest.branch.task().is_none() {
        let root = place.shared.half_begins();
        if root.is_none() {
            return false;
        }
        oldest.counted.set(root);
    }
    let Some(fork) = place.forks.pop_oldest() else {
        return false;
    };
    oldest.published.set(true);
    // SAFETY: its forker waits until it was run or taken back; `F` and `R` are `Send`; there is no other job for it.
    let job = unsafe { Job::new(fork.cast()) };
    deques.fork.push(job);
    place.shared.counters.forks.bump_shared();
    place.shared.notify();
    true
}

fn deques(place: &Place) -> Option<&Deques> {
    let seat = place.shared.seat_of(place)?;
    // SAFETY: the seat of this thread's place is claimed by it.
    let deques = unsafe { place.shared.seats.get(seat).deques() };
    place.forks.deques.set(deques);
    Some(deques)
}

/// Comes back to a published half; false if another thread has run it.
#[cold]
fn come_back(place: &Place, fork: &Fork) -> bool {
    let taken = take_back(place, fork);
    if fork.counted.get().is_some() {
        // Relaxed: as in `half_begins`.
        place.shared.halves.fetch_sub(1, Ordering::Relaxed);
    }
    taken
}

/// Takes a published half back; false if another thread has run it.
fn take_back(place: &Place, fork: &Fork) -> bool {
    if let Some(deques) = deques(place) {
        while let Some(job) = deques.fork.pop() {
            if ptr::eq(job.address(), ptr::from_ref(fork).cast()) {
                fork.leave_root();
                return true;
            }
            // A child that was spawned since. It is in order among those that were woken, and not run on this stack.
            deques.wake.push(job);
            place.shared.notify();
        }
    }
    wait(place, fork);
    false
}

/// Waits for the thread that runs the half.
fn wait(place: &Place, fork: &Fork) {
    let mut helps = true;
    // As long as a worker searches: about what it takes to sleep and be woken.
    for round in 0..worker::SEARCH_ROUNDS {
        if fork.latch.is_set() {
            return;
        }
        if !(helps && help(place, fork, &mut helps)) {
            worker::pause(round);
        }
    }
    waiting::wait(&place.shared, Awaited::Nothing, &mut |cx| {
        // SAFETY: only the forker waits.
        if unsafe { fork.latch.wait(cx.waker()) } {
            return Step::Ready(());
        }
        Step::Pending {
            take_part: false,
            task: None,
        }
    });
}

/// Runs a half that was forked inside this one by the thread that runs it; whether there was one. One look at a stranger is
/// enough: there is no help needed there.
fn help(place: &Place, fork: &Fork, helps: &mut bool) -> bool {
    // Relaxed: a hint.
    let runner = fork.runner.load(Ordering::Relaxed);
    let Some(seat) = runner.checked_sub(1) else {
        return false;
    };
    // Where no thread can be had, a half may be run in a place of another runtime, which has other seats.
    let seat = place.shared.seats.iter().nth(seat);
    let Some(Steal::Success(job)) = seat.map(Seat::steal_fork) else {
        return false;
    };
    if is_inside(&job, fork) {
        job.run();
        return true;
    }
    *helps = false;
    place.shared.inject(job);
    false
}

/// Whether a job is a half that was forked inside this one.
fn is_inside(job: &Job, fork: &Fork) -> bool {
    let mut at: *const Fork = job.fork().map_or(ptr::null(), |half| half.as_ptr().cast());
    for _ in 0..LEVELS {
        // SAFETY: the job was not run, so its forker waits for it; that one is inside the half that it runs, whose forker
        // waits, too; and so on.
        let Some(half) = (unsafe { at.as_ref() }) else {
            return false;
        };
        at = half.inside;
        if ptr::eq(at, fork) {
            return true;
        }
    }
    false
}
