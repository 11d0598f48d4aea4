//! How a thread blocks for something that tasks do.
//!
//! An outside thread polls in place. What its poll spawns or wakes lands on a seat of its own, where thieves find it; it
//! runs those jobs itself only right after a poll that waits for nothing but its own children, and only until it has
//! parked once, so that a loop that accepts requests is never stuck behind a request.
//!
//! A worker that blocks first runs the new children of what it awaits, and nobody else's. Then it hands its queue away and
//! has a spare worker take its place, so progress never depends on it. The
//! same goes for one that waits without ever sleeping, because its future wakes itself again and again: after some polls
//! in a row it counts as blocked, until its wait is over.

#![expect(
    unsafe_code,
    reason = "a blocked caller uses the deques of the seat that it claimed"
)]

use crate::group::node::Node;
use crate::job::Job;
use crate::parker::Parker;
use crate::poll::frame;
use crate::poll::frame::AwaitedTask;
use crate::poll::tally;
use crate::pool::blocking::Blocking;
use crate::pool::context::{self, Place, Post};
use crate::pool::fork;
use crate::pool::seats::Deques;
use crate::pool::shared::Shared;
use crate::pool::worker::{self, Kind};
use crate::sync::{Arc, thread};
use crate::tree::awaited::Awaited;
use crate::unwind;
use std::cell::Cell;
use std::task::{Context, Wake, Waker};

/// What a poll of the blocked caller came to.
pub(crate) enum Step<R> {
    Ready(R),
    Pending {
        /// It waits for its own children and for nothing else of ours.
        take_part: bool,
        /// A task that it waits for.
        task: Option<AwaitedTask>,
    },
}

/// What wakes a blocked caller.
struct Sleeper(Parker);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A caller never sleeps in the driver.
        let _ = self.0.unpark();
    }
}

thread_local! {
    /// The sleeper of this thread's outermost wait; nested waits make their own.
    static SLEEPER: Cell<Option<Arc<Sleeper>>> = const { Cell::new(None) };
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
pub(crate) fn wait<R>(
    shared: &Arc<Shared>,
    awaited: Awaited,
    step: &mut dyn FnMut(&mut Context<'_>) -> Step<R>,
) -> R {
    let cached = SLEEPER.try_with(Cell::take).ok().flatten();
    let sleeper = cached.unwrap_or_else(|| Arc::new(Sleeper(Parker::new())));
    let waker = Waker::from(Arc::clone(&sleeper));
    let here =
        context::place(|place| place.is_some_and(|place| Arc::ptr_eq(&place.shared, shared)));
    let home = Home {
        shared,
        unwinds: matches!(awaited, Awaited::In(_)),
    };
    let value = if here {
        drive(home, &sleeper.0, &waker, Runs::Own(awaited), step)
    } else {
        let place = Place::blocked(Arc::clone(shared), awaited);
        let _leave = Leave(&place);
        let alone = frame::current(|frame| frame.is_none());
        let runs = if alone { Runs::Any } else { Runs::Nothing };
        place.occupy(|| drive(home, &sleeper.0, &waker, runs, step))
    };
    let _ = SLEEPER.try_with(|slot| slot.set(Some(sleeper)));
    value
}

/// Gives the seat back, also when the poll panicked.
struct Leave<'a>(&'a Place);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.leave_seat();
    }
}

/// What a blocked caller runs before it parks.
#[derive(Clone, Copy)]
enum Runs {
    /// Whatever is on its seat: nothing of this runtime is below on this stack.
    Any,
    /// What belongs to the groups that it awaits. Others on the seat are strangers, and one of them might want a lock that
    /// the frame below holds.
    Own(Awaited),
    /// Nothing: it waits for another runtime.
    Nothing,
}

fn drive<R>(
    home: Home<'_>,
    parker: &Parker,
    waker: &Waker,
    runs: Runs,
    step: &mut dyn FnMut(&mut Context<'_>) -> Step<R>,
) -> R {
    let mut parked = false;
    let mut turns = 0;
    let mut busy = None;
    loop {
        let (take_part, task) = match step(&mut Context::from_waker(waker)) {
            Step::Ready(value) => return value,
            Step::Pending { take_part, task } => (take_part, task),
        };
        let mut ran = false;
        let mut run = |place: &Place| match runs {
            Runs::Any => run_seat(place, parker, &mut ran),
            Runs::Own(awaited) => run_own(place, parker, awaited, task, &mut ran),
            Runs::Nothing => false,
        };
        let woken = take_part && !parked && context::place(|place| place.is_some_and(&mut run));
        let at_once = if woken {
            !ran
        } else {
            parked = true;
            park(home, parker, busy.is_some())
        };
        turns = if at_once { turns + 1 } else { 0 };
        if turns == BUSY_AFTER {
            turns = 0;
            home.must_be_here();
            give_way(&mut busy);
        }
    }
}

/// A wait whose future was woken already after this many polls in a row, in which nothing else ran on this thread, holds
/// up what is on its seat and, on a worker, what that worker would do. As often as a worker looks outside.
const BUSY_AFTER: u32 = worker::OUTSIDE_EVERY;

/// The thread below counts as blocked while this lives, whether it sleeps or its wait never does.
enum Replaced {
    Worker(Arc<Shared>),
    /// One for closures that block.
    Blocking,
}

impl Drop for Replaced {
    fn drop(&mut self) {
        match self {
            Self::Worker(shared) => shared.spares.lock().blocked -= 1,
            Self::Blocking => context::place(|place| {
                if let Some(place) = place.and_then(blocking_below) {
                    Blocking::end_wait(place);
                }
            }),
        }
    }
}

/// Hands the queue away, and whatever else others could do meanwhile, also in the runtimes further down.
fn hand_away(place: &Place) {
    for place in place.and_below() {
        fork::publish_all(place);
        if let Some(seat) = place.seat.get() {
            // SAFETY: this thread claimed the seat.
            unsafe { place.shared.flush(seat) };
        }
        if place.searching.replace(false) {
            // Those who push trust that a searcher finds what they pushed.
            let _last = place.shared.sleep.stop_search();
            place.shared.notify();
        }
    }
}

/// Hands the queue away, and has others take the place of the thread that waits here, if it is a worker or one for closures
/// that block.
#[cold]
fn give_way(busy: &mut Option<Replaced>) {
    context::place(|place| {
        let Some(place) = place else { return };
        hand_away(place);
        if busy.is_some() {
            return;
        }
        let Some((shared, seat)) = worker_below(place) else {
            *busy = replace_blocking(place);
            return;
        };
        *busy = replace_me(shared);
        if busy.is_some() {
            return;
        }
        // Nobody can be had: this thread does what a worker would do, one job at a time.
        shared.counters.last_resorts.bump_shared();
        turn(shared);
        if let Some(job) = any_job(shared, seat, 0) {
            run_on(shared, seat, job);
        }
    });
    thread::yield_now();
}

/// Runs jobs of this thread's seat until the caller's future was woken (true) or `next` has none (false). `ran` says whether
/// it ran any. `publish`: in the seat's record.
fn run_jobs(
    place: &Place,
    parker: &Parker,
    publish: bool,
    ran: &mut bool,
    mut next: impl FnMut(&Deques) -> Option<Job>,
) -> bool {
    let Some(index) = place.seat.get() else {
        return parker.take_token();
    };
    let seat = place.shared.seats.get(index);
    // SAFETY: this thread claimed the seat through its place.
    let deques = unsafe { seat.deques() };
    let running = publish.then_some(&seat.running);
    tally::with_books(running, Some(&seat.ledger), || {
        loop {
            if parker.take_token() {
                return true;
            }
            let Some(job) = next(deques) else {
                return false;
            };
            seat.counters.jobs.bump();
            *ran = true;
            frame::outside(|| job.run());
        }
    })
}

/// Runs whatever is on the caller's seat, but services.
fn run_seat(place: &Place, parker: &Parker, ran: &mut bool) -> bool {
    let mut tick = 0_u32;
    run_jobs(place, parker, true, ran, |deques| {
        loop {
            tick = tick.wrapping_add(1);
            let job = worker::pop(deques, tick)?;
            if !group_of(&job).is_some_and(serves) {
                return Some(job);
            }
            place.shared.inject(job);
        }
    })
}

/// The group of a job that was not run.
fn group_of(job: &Job) -> Option<&Node> {
    let group: *const Node = job.group().cast();
    // SAFETY: the group of a task that was not run counts it, and so is alive.
    unsafe { group.as_ref() }
}

/// Whether the group is one of services. They end after the body that starts them. One that blocked on the stack of that
/// body would keep it from being polled, and both would wait for ever; so they are left to workers.
fn serves(group: &Node) -> bool {
    group.serves()
}

/// Runs new children of what is awaited from the top of this thread's queue, until the next job is a stranger's. A tree of
/// blocking scopes runs on as many stack frames as it has levels, like a tree of calls.
fn run_own(
    place: &Place,
    parker: &Parker,
    awaited: Awaited,
    task: Option<AwaitedTask>,
    ran: &mut bool,
) -> bool {
    // Not published: what is, is the task below, which is blocked.
    run_jobs(place, parker, false, ran, |deques| {
        let job = deques.fork.pop()?;
        let group = group_of(&job).filter(|group| !serves(group));
        let awaits = |awaited: Awaited| group.is_some_and(|group| awaited.contains(group));
        let is_in = |task: AwaitedTask| job.address() == task.job || awaits(Awaited::In(task.host));
        if awaits(awaited) || task.is_some_and(is_in) {
            return Some(job);
        }
        deques.fork.push(job);
        None
    })
}

/// Sleeps until there is a token; true if there was one already. `busy`: this thread counts as blocked as it is.
fn park(home: Home<'_>, parker: &Parker, busy: bool) -> bool {
    if parker.take_token() {
        return true;
    }
    home.must_be_here();
    if busy {
        context::place(|place| place.map(hand_away));
        parker.park();
        return false;
    }
    let replaced = blocked_if(|| parker.park());
    if !replaced {
        last_resort(parker);
    }
    false
}

/// Blocks this thread in `sleep`. Queues are handed away first, and a spare takes a worker's place.
pub(crate) fn blocked<R>(sleep: impl FnOnce() -> R) -> R {
    let mut sleep = Some(sleep);
    let mut slept = None;
    let mut run = || slept = sleep.take().map(|sleep| sleep());
    if !blocked_if(&mut run) {
        run();
    }
    slept.expect("slept once")
}

/// Calls `sleep` with this thread counted as blocked; false, without calling it, if it is a worker and no spare could be
/// had for it.
fn blocked_if(sleep: impl FnOnce()) -> bool {
    context::place(|place| {
        let Some(place) = place else {
            sleep();
            return true;
        };
        hand_away(place);
        let Some((shared, _)) = worker_below(place) else {
            let _replaced = replace_blocking(place);
            sleep();
            return true;
        };
        let Some(_replaced) = replace_me(shared) else {
            return false;
        };
        sleep();
        true
    })
}

/// Nobody takes this worker's place: it runs whatever there is until there is a token. What it runs pushes to this
/// worker's own seat, so it looks there, too.
#[cold]
fn last_resort(parker: &Parker) {
    context::place(|place| {
        let Some((shared, seat)) = place.and_then(worker_below) else {
            return parker.park();
        };
        shared.counters.last_resorts.bump_shared();
        let mut tick = 0_u32;
        while !parker.take_token() {
            tick = tick.wrapping_add(1);
            if tick % worker::OUTSIDE_EVERY == 0 {
                turn(shared);
            }
            match any_job(shared, seat, tick) {
                Some(job) => run_on(shared, seat, job),
                None if turn(shared) => {}
                None => thread::yield_now(),
            }
        }
    });
}

/// Runs a job of the runtime whose worker this thread is, as that worker: the poll below may belong to another one, which is
/// none of the business of the job.
fn run_on(shared: &Arc<Shared>, index: usize, job: Job) {
    let seat = shared.seats.get(index);
    tally::with_books(Some(&seat.running), Some(&seat.ledger), || {
        let place = Place::worker(Arc::clone(shared), index);
        place.occupy(|| frame::outside(|| job.run()));
    });
}

/// As [`Shared::turn`], in a worker that is in the middle of a poll: wakers and deadlines are no part of that.
fn turn(shared: &Shared) -> bool {
    frame::outside(|| shared.turn())
}

/// A job from the own seat, from outside, or from anybody.
fn any_job(shared: &Arc<Shared>, index: usize, tick: u32) -> Option<Job> {
    // SAFETY: this thread claimed the seat, as its worker.
    let deques = unsafe { shared.seats.get(index).deques() };
    let own = worker::pop(deques, tick).or_else(|| shared.take_injected_and_share(index));
    own.or_else(|| {
        let others = shared.seats.active_from(0).filter(|other| *other != index);
        let stolen = others
            .filter_map(|other| shared.seats.get(other).steal(deques).success())
            .next();
        if stolen.is_some() {
            shared.share(index);
        }
        stolen
    })
}

/// The runtime whose worker this thread is, at whatever depth, and its seat there.
fn worker_below(place: &Place) -> Option<(&Arc<Shared>, usize)> {
    let place = place_below(place, Post::Worker)?;
    Some((&place.shared, place.seat.get()?))
}

/// The place in which this thread is one for closures that block, at whatever depth.
fn blocking_below(place: &Place) -> Option<&Place> {
    place_below(place, Post::Blocking)
}

fn place_below(place: &Place, post: Post) -> Option<&Place> {
    place.and_below().find(|place| place.post == post)
}

/// Counts this thread as blocked, if it is one for closures that block and does not count yet.
fn replace_blocking(place: &Place) -> Option<Replaced> {
    let begun = blocking_below(place).is_some_and(Blocking::begin_wait);
    begun.then_some(Replaced::Blocking)
}

/// Counts this worker as blocked, and starts a spare if there are too few; `None` if none could be
/// had. A worker that was forked off by itself gets none: what is left to do belongs to the process
/// of its runtime, which does it there.
fn replace_me(shared: &Arc<Shared>) -> Option<Replaced> {
    let enough = {
        let mut spares = shared.spares.lock();
        spares.blocked += 1;
        let enough = spares.running >= spares.blocked || shared.is_elsewhere();
        spares.running += usize::from(!enough);
        enough
    };
    let counted = Replaced::Worker(Arc::clone(shared));
    if enough {
        // A spare that sleeps may have been the one to wake.
        shared.notify();
        return Some(counted);
    }
    let seat = shared.seats.claim_from(shared.workers);
    if seat.is_some_and(|seat| worker::start(shared, seat, Kind::Spare, "spare")) {
        shared.counters.spares.bump_shared();
        return Some(counted);
    }
    shared.spares.lock().running -= 1;
    None
}
