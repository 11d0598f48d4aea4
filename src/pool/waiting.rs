//! How a thread blocks for something that tasks do.
//!
//! An outside thread polls in place. What its poll spawns or wakes lands on a seat of its own,
//! where thieves find it; it runs those jobs itself only right after a poll that waits for nothing
//! but its own children, and only until it has parked once, so that a loop that accepts requests is
//! never stuck behind a request. It runs what it waits for: the one task that its body awaits, or,
//! at a join, any child. A sibling of the awaited task may take long, and the body would go on only
//! after that.
//!
//! A worker that blocks first runs the new children of what it awaits, and no others. Then it
//! hands its queue away and has a spare worker take its place, so progress never depends on it. The
//! same goes for one that waits without ever sleeping, because its future wakes itself again and
//! again: after some polls in a row it counts as blocked, until its wait is over.

use crate::job::Job;
use crate::parker::Parker;
use crate::poll::budget;
use crate::poll::frame::{self, AwaitedTask};
use crate::poll::running::Seen;
use crate::poll::tally;
use crate::pool::reports::Report;
use crate::pool::shared::Shared;
use crate::pool::spares::{self, Replaced};
use crate::pool::thread_ctx::{self, ThreadCtx, ThreadRole};
use crate::pool::wanted::{Wanted, next_of_seat, next_own};
use crate::pool::worker::{Kind, Worker};
use crate::pool::{circles, looks};
use crate::sync::{Arc, Mutex, thread};
use crate::tree::awaited::Awaited;
use crate::unwind;
use std::cell::Cell;
use std::task::{Context, Wake, Waker};

/// What a poll of the blocked caller came to.
pub(crate) enum Step<R> {
    Ready(R),
    Pending(Pending),
}

/// What the blocked caller waits for.
pub(crate) struct Pending {
    /// Its own children and nothing else of ours.
    pub(crate) take_part: bool,
    /// A task.
    pub(crate) task: Option<AwaitedTask>,
}

/// What wakes a blocked caller.
struct Sleeper {
    parker: Parker,
    /// Where it sleeps as a worker meanwhile: its parker says then that it is in the driver.
    seat: Mutex<Option<(Arc<Shared>, usize)>>,
}

impl Sleeper {
    #[cold]
    fn wake_worker(&self) {
        let seat = self.seat.lock().clone();
        if let Some((shared, index)) = seat {
            shared.driver.unpark(&shared.seats.get(index).parker);
        }
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.parker.unpark() {
            self.wake_worker();
        }
    }
}

/// A sleeper, and the waker that is polled with.
struct Bed {
    sleeper: Arc<Sleeper>,
    waker: Waker,
}

impl Bed {
    #[inline]
    fn take() -> Self {
        let bed = BED.try_with(Cell::take).ok().flatten();
        bed.unwrap_or_else(Self::new)
    }

    #[cold]
    fn new() -> Self {
        let sleeper = Arc::new(Sleeper {
            parker: Parker::new(),
            seat: Mutex::new(None),
        });
        let waker = Waker::from(Arc::clone(&sleeper));
        Self { sleeper, waker }
    }

    #[inline]
    fn put_back(self) {
        let _ = BED.try_with(|slot| slot.set(Some(self)));
    }
}

thread_local! {
    /// The bed of this thread's outermost wait; nested waits make their own.
    static BED: Cell<Option<Bed>> = const { Cell::new(None) };
}

/// Whose threads a caller waits for.
#[derive(Clone, Copy)]
struct Home<'a> {
    shared: &'a Shared,
    /// Only the future waits. A scope, or the forker of a half, has lent its stack, and so cannot
    /// be unwound.
    unwinds: bool,
}

impl Home<'_> {
    /// Before the caller sleeps, or after it was in vain so often: panics, or aborts, if this
    /// process has been forked from that of the runtime.
    fn must_be_here(self) {
        if self.unwinds {
            self.shared.must_be_here();
        } else {
            unwind::never(|| self.shared.must_be_here());
        }
    }
}

/// Blocks the calling thread until `step` is ready, which waits for what is `awaited`.
/// `takes_part`: it may run jobs before it sleeps.
///
/// The first step is as cheap as can be: as a rule of sync code that calls async code it is the
/// only one.
#[inline]
pub(crate) fn wait<R>(
    shared: &Arc<Shared>,
    awaited: Awaited,
    takes_part: bool,
    mut step: impl FnMut(&mut Context<'_>) -> Step<R>,
) -> R {
    let bed = Bed::take();
    // The poll below on this stack goes on afterwards with what is left of its budget.
    let _apart = budget::apart();
    let here = thread_ctx::with(|ctx| ctx.is_some_and(|ctx| ctx.is_of(shared)));
    let mut drive = |runs| {
        budget::begin_wait();
        match step(&mut Context::from_waker(&bed.waker)) {
            Step::Ready(value) => value,
            Step::Pending(pending) => {
                let home = Home {
                    shared,
                    unwinds: matches!(awaited, Awaited::In(_)),
                };
                drive(home, &bed, runs, pending, &mut step)
            }
        }
    };
    let value = if here {
        drive(match takes_part {
            true => Runs::Own(awaited),
            false => Runs::Nothing,
        })
    } else {
        // Dropped also when the poll panicked.
        let ctx = ThreadCtx::blocked(shared, awaited);
        let alone = takes_part && frame::current(|frame| frame.is_none());
        let runs = match alone {
            true => Runs::Seat(awaited),
            false => Runs::Nothing,
        };
        ctx.occupy(|| drive(runs))
    };
    bed.put_back();
    value
}

/// What a blocked caller runs before it parks.
#[derive(Clone, Copy)]
enum Runs {
    /// What it awaits, wherever that is on its seat: nothing of this runtime is below on this
    /// stack. Others are left to the workers, which may be long in them.
    Seat(Awaited),
    /// New children of what it awaits. Others on the seat are strangers, and one of them might want
    /// a lock that the frame below holds.
    Own(Awaited),
    /// Nothing: it waits for another runtime, or tokio drives below on this stack.
    Nothing,
}

/// Waits on after a first step.
#[inline(never)]
fn drive<R>(
    home: Home<'_>,
    bed: &Bed,
    runs: Runs,
    mut pending: Pending,
    step: &mut dyn FnMut(&mut Context<'_>) -> Step<R>,
) -> R {
    let parker = &bed.sleeper.parker;
    let mut parked = false;
    let mut turns = 0;
    let mut busy = None;
    loop {
        let Pending { take_part, task } = pending;
        let mut ran = false;
        let mut run = |ctx: &ThreadCtx<'_>| match runs {
            Runs::Seat(awaited) => {
                let wanted = Wanted { awaited, task };
                run_jobs(ctx, parker, true, &mut ran, || next_of_seat(ctx, wanted))
            }
            Runs::Own(_) if ctx.shared.driver.is_hidden() => false,
            Runs::Own(awaited) => {
                let wanted = Wanted { awaited, task };
                // Not published: what is, is the task below, which is blocked.
                run_jobs(ctx, parker, false, &mut ran, || next_own(ctx, wanted))
            }
            Runs::Nothing => false,
        };
        let woken = take_part && !parked && thread_ctx::with(|ctx| ctx.is_some_and(&mut run));
        let at_once = if woken {
            !ran
        } else {
            parked = true;
            park(
                home,
                &bed.sleeper,
                busy.is_some(),
                task.filter(|_| take_part),
            )
        };
        turns = if at_once { turns + 1 } else { 0 };
        if turns == BUSY_AFTER {
            turns = 0;
            home.must_be_here();
            give_way(&mut busy);
        }
        budget::begin();
        pending = match step(&mut Context::from_waker(&bed.waker)) {
            Step::Ready(value) => return value,
            Step::Pending(pending) => pending,
        };
    }
}

/// A wait whose future was woken already after this many polls in a row, in which nothing else ran
/// on this thread, holds up what is on its seat and, on a worker, what that worker would do. As
/// often as a worker looks at time and I/O.
const BUSY_AFTER: u32 = looks::LOOK_EVERY;

/// Hands the queue away, and has others take the place of the thread that waits here, if it is a
/// worker or one for closures that block.
#[cold]
fn give_way(busy: &mut Option<Replaced>) {
    thread_ctx::with_all(|contexts| {
        spares::hand_away(contexts);
        if busy.is_some() {
            return;
        }
        let Some(worker) = contexts.of_role(ThreadRole::Worker) else {
            *busy = spares::replace_blocking(contexts);
            return;
        };
        *busy = spares::replace_me(worker);
        if busy.is_some() {
            return;
        }
        // No spare can be had: this thread does what a worker would do, one job at a time.
        worker.shared.counters.last_resorts.bump_shared();
        turn(worker.shared);
        if let Some(job) = any_job(worker, true) {
            run_as(worker, job);
        }
    });
    thread::yield_now();
}

/// Runs jobs of this thread's seat until the caller's future was woken (true) or `next` has none
/// (false). `ran` says whether it ran any. `publish`: in the seat's record.
fn run_jobs(
    ctx: &ThreadCtx<'_>,
    parker: &Parker,
    publish: bool,
    ran: &mut bool,
    mut next: impl FnMut() -> Option<Job>,
) -> bool {
    let Some(index) = ctx.seat.index() else {
        return parker.take_token();
    };
    let seat = ctx.shared.seats.get(index);
    let running = publish.then_some(&seat.running);
    if !publish {
        ctx.shared.keeps_others_waiting(&ctx.seat);
    }
    let mut jobs = 0;
    tally::with_tally(running, Some(&seat.counts), || {
        loop {
            if parker.take_token() {
                return true;
            }
            jobs += 1;
            if jobs % BUSY_AFTER == 0 && publish && is_one_too_many(ctx) {
                return false;
            }
            let Some(job) = next() else {
                return false;
            };
            seat.counters.awaited_jobs.bump();
            *ran = true;
            frame::outside(|| ctx.shared.run(Some(index), job));
        }
    })
}

/// Whether this caller is a thread more than there are processors, as a rule: every worker is busy.
/// It looks neither at outsiders nor at time and I/O, and would keep a worker that does from its
/// processor. Few jobs are left here, so it is cheap to hand them away; and none waits for a worker
/// that does not come back.
#[cold]
fn is_one_too_many(ctx: &ThreadCtx<'_>) -> bool {
    let few = ctx
        .seat
        .waiting(|_, waiting| waiting <= BUSY_AFTER as usize);
    few == Some(true) && ctx.shared.replace_stalled && !ctx.shared.sleep.is_anyone_idle()
}

/// Sleeps until there is a token; true if there was one already. `busy`: this thread counts as
/// blocked as it is. `task`: the one that it waits for, if that is all.
fn park(home: Home<'_>, sleeper: &Sleeper, busy: bool, task: Option<AwaitedTask>) -> bool {
    let parker = &sleeper.parker;
    if parker.take_token() {
        return true;
    }
    home.must_be_here();
    let known = || circles::enter(task, |circle| report_circle(home.shared, circle));
    let sleep = || {
        let _known = known();
        parker.park();
    };
    if busy {
        thread_ctx::with_all(spares::hand_away);
        sleep();
        return false;
    }
    let replaced = spares::blocked_if(sleep);
    if !replaced {
        last_resort(sleeper, known);
    }
    false
}

#[cold]
fn report_circle(shared: &Shared, circle: Vec<Seen>) {
    let this = shared.this.upgrade();
    let Some(shared) = this.filter(|shared| shared.report_after.is_some()) else {
        return;
    };
    shared.counters.reported_stalls.bump_shared();
    (shared.tell)(&shared, Report::Circle(circle));
}

/// No spare takes this worker's place: it stays a worker until there is a token, which runs any job
/// there is, and sleeps where a worker does. `known` says, while it lives, that the tasks of this
/// thread wait.
#[cold]
fn last_resort<K>(sleeper: &Sleeper, known: impl Fn() -> K) {
    thread_ctx::with_all(|contexts| {
        let parker = &sleeper.parker;
        let Some(worker) = contexts.of_role(ThreadRole::Worker) else {
            return parker.park();
        };
        let shared = worker.shared;
        shared.counters.last_resorts.bump_shared();
        if shared.driver.is_hidden() {
            return look_until_woken(worker, parker);
        }
        // Who has lent its seat has a context above it.
        let Some(claimed) = worker.seat.take() else {
            return parker.park();
        };
        let index = claimed.index();
        *sleeper.seat.lock() = Some((Arc::clone(shared), index));
        let ctx = ThreadCtx::worker(shared, claimed);
        // From here on the waker of this wait wakes the worker, too.
        if parker.begin_polling() {
            let seat = shared.seats.get(index);
            let run = || {
                let mut worker = Worker::new(&ctx, index, Kind::Waiter(parker));
                loop {
                    let known = known();
                    let Some(job) = worker.next() else { break };
                    drop(known);
                    with_tokio(shared, || worker.run(job));
                }
            };
            tally::with_tally(Some(&seat.running), Some(&seat.counts), || {
                ctx.occupy(|| frame::outside(run));
            });
            parker.end_polling();
        }
        *sleeper.seat.lock() = None;
        if let Some(claimed) = ctx.seat.take() {
            worker.seat.put(claimed);
        }
        // It may have watched time and I/O, and the poll below may not return.
        shared.notify();
        shared.raise_sentinel();
    });
}

/// Runs any job there is until there is a token: tokio drives further down on this stack, so this
/// thread cannot sleep where that sleeps, and would leave it to nobody.
fn look_until_woken(worker: &ThreadCtx<'_>, parker: &Parker) {
    let mut tick = 0_u32;
    while !parker.take_token() {
        tick = tick.wrapping_add(1);
        if tick % looks::LOOK_EVERY == 0 {
            turn(worker.shared);
        }
        match any_job(worker, tick % looks::FORK_EVERY == 0) {
            Some(job) => run_as(worker, job),
            None if turn(worker.shared) => {}
            None => thread::yield_now(),
        }
    }
}

/// Runs a job as the worker that this thread is further down: the poll below may belong to another
/// one, which is none of the business of the job. The worker lends its seat meanwhile.
fn run_as(worker: &ThreadCtx<'_>, job: Job) {
    let shared = worker.shared;
    let Some(claimed) = worker.seat.take() else {
        return shared.inject(job);
    };
    let index = claimed.index();
    let seat = shared.seats.get(index);
    tally::with_tally(Some(&seat.running), Some(&seat.counts), || {
        let ctx = ThreadCtx::worker(shared, claimed);
        seat.counters.jobs.bump();
        with_tokio(shared, || {
            ctx.occupy(|| frame::outside(|| shared.run(Some(index), job)));
        });
        if let Some(claimed) = ctx.seat.take() {
            worker.seat.put(claimed);
        }
    });
}

/// Runs something with the context that a worker has of tokio, and none of its budget.
fn with_tokio(shared: &Shared, run: impl FnOnce()) {
    match shared.driver.beside() {
        Some(beside) => beside.around(true, run),
        None => run(),
    }
}

/// As [`Shared::turn`], in a worker that is in the middle of a poll: wakers, deadlines and tokio's
/// tasks are no part of that.
fn turn(shared: &Shared) -> bool {
    frame::outside(|| {
        let woken = shared.turn().1;
        shared.driver.visit();
        woken
    })
}

/// A job from the worker's seat, from outside, or from any other seat.
fn any_job(worker: &ThreadCtx<'_>, fork_first: bool) -> Option<Job> {
    let (shared, own) = (worker.shared, &worker.seat);
    let job = own.pop(fork_first);
    let job = job.or_else(|| shared.take_injected(own, 1));
    job.or_else(|| {
        let index = own.index()?;
        let mut others = shared.seats.active_from(0).filter(|other| *other != index);
        others.find_map(|other| shared.seats.get(other).steal_one())
    })
}
