//! The loop of a worker: take, steal, drive, sleep.

use crate::driver::beside::Sleeper;
use crate::job::Job;
use crate::parker::Parker;
use crate::poll::tally;
use crate::pool::crowd::{self, Getting};
use crate::pool::looks::{self, Due, Looks};
use crate::pool::recorder::{self, What};
use crate::pool::seats::{ClaimedSeat, OwnSeat, Seat, settled};
use crate::pool::shared::Shared;
use crate::pool::snapshot;
use crate::pool::stalls;
use crate::pool::thread_ctx::ThreadCtx;
use crate::pool::timing::{self, SeatTimes, Time};
use crate::recycle;
use crate::rng::Rng;
use crate::sync::atomic::Ordering;
use crate::sync::deque::Steal;
use crate::sync::{Arc, OnceLock, spin_loop};
use crate::unwind;
use std::cell::Cell;
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::time::Duration;

/// Looks at every other queue before a worker goes to sleep: with their pauses about 10 us, the
/// price of a sleep and a wake-up. Measured: with 1 round there were 400 times as many parks, with
/// ten times as many rounds no further gain.
pub(crate) const SEARCH_ROUNDS: u32 = 34;

/// In these rounds a thief compares how many jobs a seat has begun with the round before of these:
/// a few microseconds lie between.
const COMPARES: [u32; 3] = [16, 24, 32];

/// Seats at which a worker looks at a time, in search of one that is stuck.
const SOUGHT: usize = 4;

/// The pause after this one of [`SEARCH_ROUNDS`]: twice as long after every four, up to 32 spins.
///
/// The processor is never given away: a searcher is on its way to the driver, and where threads are
/// more than processors it would come back a slice later for each time (measured: a tick of 1 ms
/// was tens of milliseconds late beside two threads that spin).
pub(crate) fn pause(round: u32) {
    for _ in 0..1 << (round / 4).min(5) {
        spin_loop();
    }
}

/// One worker on its seat.
pub(crate) struct Worker<'a> {
    shared: &'a Arc<Shared>,
    own: &'a OwnSeat,
    index: usize,
    seat: &'a Seat,
    /// See [`ThreadCtx::searching`].
    searching: &'a Cell<bool>,
    looks: Looks,
    getting: Getting,
    /// The seats as of a look at some of them at this time, see [`Worker::seek_stuck`].
    seen: Getting,
    sought: Duration,
    rng: Rng,
    kind: Kind<'a>,
    /// Others have jobs for it: one has woken it from its last sleep, or it has had one from
    /// outside or of another seat since.
    fed: Cell<bool>,
    /// It has slept since its last job, or had none.
    slept: bool,
    /// A spare that retires first runs what waits in order on its seat, so many jobs: elsewhere
    /// they would wait once more, behind all that does there.
    leaves_after: Option<usize>,
    times: &'a SeatTimes,
    /// Until when its time is told, since the driver was made.
    told: Cell<Duration>,
}

/// What a worker in the driver counts as where jobs are pushed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    /// One that sleeps, unless a waker has taken it out of the list.
    Sleeper,
    /// One that is in a job: a task of tokio's.
    Busy,
    /// One that looks for a job.
    Searcher,
}

/// Why a worker is there, and so until when.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'a> {
    /// Until the runtime ends.
    Worker,
    /// While another one is blocked.
    Spare,
    /// After the end, while something is left.
    Caretaker,
    /// A worker that waits, and for which no spare can be had: until it has this token.
    Waiter(&'a Parker),
}

/// Starts a thread for a worker on a seat; if none can be had, the seat is given back.
pub(crate) fn start(
    shared: &Arc<Shared>,
    seat: ClaimedSeat,
    kind: Kind<'static>,
    name: &str,
) -> bool {
    let theirs = Arc::clone(shared);
    let started = shared.thread(name).spawn(move || {
        theirs.thread_started();
        run(&theirs, seat, kind);
        theirs.hooks.thread_stops();
    });
    started.is_ok()
}

/// Runs a worker until its kind is not needed any more. Jobs do not unwind: a panic that comes out
/// here is a bug of ours, and stderr has what the tasks did, before it goes on to end the thread.
pub(crate) fn run(shared: &Arc<Shared>, claimed: ClaimedSeat, kind: Kind<'_>) {
    if let Err(payload) = unwind::catch(|| run_on(shared, claimed, kind)) {
        tell_bug(shared, unwind::message(&*payload));
        resume_unwind(payload);
    }
}

/// Has the first panic of a worker told. Spares would go the same way, and say the same.
#[cold]
fn tell_bug(shared: &Shared, text: &str) {
    static TOLD: OnceLock<()> = OnceLock::new();
    TOLD.get_or_init(|| {
        // The locks that were held are given back by now.
        let dump = unwind::catch(|| snapshot::take(shared).to_string());
        let dump = dump.unwrap_or_default();
        let name = &shared.name;
        // Where stderr is gone it is lost.
        let _ = writeln!(
            io::stderr(),
            "spinney: a worker of `{name}` panicked ({text}), which is a bug of spinney\n{dump}"
        );
    });
}

fn run_on(shared: &Arc<Shared>, claimed: ClaimedSeat, kind: Kind<'_>) {
    let index = claimed.index();
    let seat = shared.seats.get(index);
    let ctx = ThreadCtx::worker(shared, claimed);
    let run = || {
        let mut worker = Worker::new(&ctx, index, kind);
        while let Some(job) = worker.next() {
            worker.run(job);
        }
    };
    seat.worker.set(stalls::this_thread());
    let room = recycle::Room::new();
    tally::with_tally(Some(&seat.running), Some(&seat.counts), || {
        ctx.occupy(run);
    });
    drop(room);
    seat.worker.set(0);
    seat.crowd.set(0);
    drop(ctx);
    // It may have watched time and I/O for workers that sleep elsewhere: one of them takes that
    // over.
    shared.notify();
}

impl<'a> Worker<'a> {
    /// The worker on the seat of this number, which the context has.
    pub(super) fn new(ctx: &'a ThreadCtx<'a>, index: usize, kind: Kind<'a>) -> Self {
        let shared = ctx.shared;
        let began = shared.driver.tick();
        let worker = Self {
            shared,
            own: &ctx.seat,
            index,
            seat: shared.seats.get(index),
            searching: &ctx.searching,
            looks: Looks::new(shared.sentinel.beat(), began),
            getting: Getting::default(),
            seen: Getting::default(),
            sought: began,
            rng: Rng::new(index as u64),
            kind,
            fed: Cell::new(false),
            slept: true,
            leaves_after: None,
            times: shared.timing.of_seat(index),
            told: Cell::new(began),
        };
        worker.note_crowd();
        worker
    }

    /// Runs a job.
    pub(super) fn run(&mut self, job: Job) {
        if self.slept {
            // In the driver or not: the sentinel may have gone to sleep as well.
            self.slept = false;
            self.shared.raise_sentinel();
        }
        self.seat.counters.jobs.bump();
        self.shared.run(Some(self.index), job);
    }

    /// The next job; `None` when this worker is to end.
    pub(super) fn next(&mut self) -> Option<Job> {
        loop {
            if matches!(self.kind, Kind::Spare) {
                if self.leaves_after.is_none() && self.retires() {
                    self.leaves_after = Some(self.own.in_order());
                }
                if let Some(left) = &mut self.leaves_after {
                    *left = left.checked_sub(1)?;
                    return self.own.pop_in_order();
                }
            }
            if matches!(self.kind, Kind::Waiter(_)) && self.is_over() {
                return None;
            }
            let beat = self.shared.sentinel.beat();
            if self.looks.next(beat) {
                if let Some(job) = self.look(beat) {
                    return Some(job);
                }
            }
            if let Some(job) = self.own() {
                return Some(job);
            }
            if let Some(job) = self.take_injected() {
                return Some(job);
            }
            // One that has run a single job since it slept would look for nothing, as a rule, and
            // looks once more where it sleeps.
            if self.looks.since() > 1 {
                if self.turn() {
                    continue;
                }
            } else {
                self.note_time(self.shared.driver.tick());
            }
            if matches!(self.kind, Kind::Caretaker) && self.shared.caretaker_leaves() {
                return None;
            }
            if let Some(job) = self.search_or_sleep() {
                return Some(job);
            }
            if self.is_over() {
                return None;
            }
        }
    }

    /// Looks beyond the own queues.
    #[cold]
    fn look(&mut self, beat: u32) -> Option<Job> {
        let due = self.looks.due(beat);
        if recorder::is_on() {
            timing::hurry();
        }
        if due.drive {
            self.turn();
            if self.lets_woken_pass(due) {
                return None;
            }
        }
        if due.outside {
            // One: a batch would go in front of what the look has woken.
            if let Some(job) = self.shared.take_injected(self.own, 1) {
                self.fed.set(true);
                return Some(job);
            }
        }
        if due.oldest {
            self.own.queue_oldest();
            return self.own.pop_oldest();
        }
        if due.other {
            return self.steal_one();
        }
        due.stuck.and_then(|stuck| self.relieve(stuck))
    }

    /// After the look of a beat: the woken tasks that wait come before spilled ones, and before the
    /// step of this beat; whether there is one, which is put off.
    fn lets_woken_pass(&mut self, due: Due) -> bool {
        let woken = looks::passing(self.own.woken());
        if woken == 0 || !due.can_wait {
            return false;
        }
        self.own.woken_first(woken);
        if due.is_step() {
            self.looks.put_off(woken);
        }
        due.is_step()
    }

    /// Looks at time and I/O; whether anything was woken.
    fn turn(&mut self) -> bool {
        let (now, woken) = self.shared.turn();
        self.note_time(now);
        let visited = self.shared.driver.visit();
        if visited {
            self.spent(&self.times.busy, self.shared.driver.passed());
        }
        // What runs in a visit may push to the own seat.
        woken || (visited && self.seat.has_work())
    }

    /// It is so late now: what jobs take, and what follows from that.
    fn note_time(&mut self, now: Duration) {
        self.spent(&self.times.busy, now);
        self.looks.looked(now, self.own.woken());
        self.note_crowd();
        self.seek_stuck(now);
    }

    /// Looks at a few other seats, as often as at time and I/O, for one on which jobs wait and none
    /// was begun since the last look: see [`looks`].
    fn seek_stuck(&mut self, now: Duration) {
        if now.saturating_sub(self.sought) < looks::LOOK_AFTER || self.looks.relieves() {
            return;
        }
        self.sought = now;
        let start = self.start();
        let seats = &self.shared.seats;
        let stuck = seats.active_from(start).take(SOUGHT).find(|&other| {
            let seat = seats.get(other);
            other != self.index && self.seen.stands(other, seat) && seat.has_work()
        });
        if stuck.is_some() {
            self.looks.relieve(stuck);
        }
    }

    /// A job of the seat that is stuck, as long as it is.
    fn relieve(&mut self, stuck: usize) -> Option<Job> {
        let seat = self.shared.seats.get(stuck);
        let job = match self.seen.stands(stuck, seat) {
            true => seat.steal_woken().or_else(|| seat.steal_one()),
            false => None,
        };
        if job.is_some() {
            self.seat.counters.steals.bump();
        } else {
            self.looks.relieve(None);
        }
        job
    }

    /// Tells how it has spent the time until now.
    fn spent(&self, how: &Time, now: Duration) {
        let told = self.told.replace(now);
        // The time of one that waits is told already, by the worker that it is further down.
        if !matches!(self.kind, Kind::Waiter(_)) {
            how.add(now.saturating_sub(told));
        }
    }

    /// Tells others how many jobs are a crowd on this seat.
    fn note_crowd(&self) {
        self.seat.crowd.set(u64::from(self.looks.crowd()));
    }

    /// Whether there is nothing left to do for a worker of this kind.
    fn is_needless(&self) -> bool {
        match self.kind {
            Kind::Worker | Kind::Waiter(_) => false,
            Kind::Spare => self.is_surplus(),
            Kind::Caretaker => self.shared.is_idle(),
        }
    }

    /// Whether the runtime has ended for workers of this kind. Spares and caretakers look at what
    /// is left instead: callers that block after the end count on them.
    fn is_over(&self) -> bool {
        match self.kind {
            // Acquire: pairs with the Release in `End::wake`.
            Kind::Worker => self.shared.exiting.load(Ordering::Acquire),
            Kind::Waiter(parker) => parker.has_token(),
            Kind::Spare | Kind::Caretaker => false,
        }
    }

    fn own(&self) -> Option<Job> {
        self.own.pop(self.looks.is_turn_of_forks())
    }

    /// Searches, if not enough others do; then sleeps, and searches again when woken. A search
    /// looks at every seat: a worker that is to end makes none, nor does one that has just begun,
    /// or to start and to end many idle workers would cost the square of their number.
    fn search_or_sleep(&mut self) -> Option<Job> {
        let sleep = &self.shared.sleep;
        let mut searching = !self.slept && sleep.start_search(self.shared.workers);
        loop {
            if self.is_needless() || self.is_over() {
                if searching {
                    self.found();
                }
                return None;
            }
            if searching {
                if let Some(job) = self.search() {
                    self.found();
                    // The time of the search is none of the jobs'.
                    let now = self.shared.driver.tick();
                    self.spent(&self.times.searching, now);
                    self.looks.slept(now);
                    return Some(job);
                }
            }
            self.shared.sleep.fall_asleep(self.index, searching);
            // `rouse` comes after the flag is set, and after the last timer of a caretaker is gone;
            // a worker calls `notify` when it leaves.
            if self.is_over() || self.is_needless() || !self.shared.leaves_work() {
                self.stay_awake();
            } else {
                self.seat.counters.parks.bump();
                self.slept = true;
                self.spent(&self.times.searching, self.shared.driver.passed());
                self.fed.set(false);
                self.park_and_tell();
                let now = self.shared.driver.tick();
                self.told.set(now);
                self.looks.slept(now);
            }
            searching = true;
            // Wakers that the driver called on this thread have pushed to this seat.
            if let Some(job) = self.own() {
                self.found();
                return Some(job);
            }
        }
    }

    fn park_and_tell(&self) {
        recorder::note(|| What::Parks);
        self.park();
        recorder::note(|| What::Unparks);
    }

    /// Sleeps; afterwards this worker counts as searching.
    fn park(&self) {
        let sleep = &self.shared.sleep;
        let counts_as = Cell::new(As::Sleeper);
        let sleeper = Sleeper {
            sleeps: &|| self.sleeps_in_tokio(&counts_as),
            wakes: &|| self.wakes_in_tokio(&counts_as),
        };
        self.shared.driver.park(
            &self.seat.parker,
            sleeper,
            || sleep.wake_last(self.index),
            || {
                // Before what the driver wakes is pushed: this worker will find it, no other need
                // be woken.
                match counts_as.replace(As::Searcher) {
                    As::Sleeper => self.stay_awake(),
                    As::Busy => {
                        self.was_busy_in_tokio();
                        sleep.search_again();
                    }
                    As::Searcher if self.searching.get() => {}
                    // A waker that tokio's driver called has blocked.
                    As::Searcher => sleep.search_again(),
                }
                self.searching.set(true);
                self.shared.raise_sentinel();
            },
        );
        if counts_as.get() == As::Sleeper {
            return self.stay_awake();
        }
        // What was due is user code: if it blocked, this worker gave its search up meanwhile.
        if !self.searching.replace(false) {
            sleep.search_again();
        }
    }

    /// In tokio's driver, of whose tasks none is left to run: as before any sleep. Whether this
    /// worker may sleep.
    fn sleeps_in_tokio(&self, counts_as: &Cell<As>) -> bool {
        if counts_as.get() == As::Busy {
            counts_as.set(As::Sleeper);
            self.was_busy_in_tokio();
            self.shared.sleep.fall_asleep(self.index, false);
            self.shared.sleep.wake_last(self.index);
        }
        // What runs in there pushes to the own seat.
        let is_free = !self.is_over() && !self.is_needless() && !self.seat.has_work();
        is_free && self.shared.leaves_work()
    }

    /// In tokio's driver, which has called wakers and may have tasks to run: those are a job.
    /// Whether this worker is to come back instead, because there is one of ours.
    fn wakes_in_tokio(&self, counts_as: &Cell<As>) -> bool {
        if counts_as.get() != As::Sleeper {
            return counts_as.get() == As::Searcher;
        }
        self.seat.counters.jobs.bump();
        self.shared.raise_sentinel();
        let woken = !self.shared.sleep.stay_awake(self.index);
        if woken || self.seat.has_work() {
            counts_as.set(As::Searcher);
            // More wakers may come, which are user code.
            self.searching.set(true);
            return true;
        }
        counts_as.set(As::Busy);
        self.told.set(self.shared.driver.passed());
        self.found();
        false
    }

    /// Tells the time of tokio's tasks, since it was woken in tokio's driver.
    fn was_busy_in_tokio(&self) {
        self.spent(&self.times.busy, self.shared.driver.passed());
    }

    /// Leaves the list of sleepers, unless a waker has taken this worker out of it: then its token
    /// is here or on its way. It may have been used up by the park; one that is left makes a later
    /// park return early, which does no harm.
    fn stay_awake(&self) {
        if !self.shared.sleep.stay_awake(self.index) {
            self.fed.set(true);
        }
    }

    /// Stops searching; the last searcher wakes another worker if there is more to do, because
    /// pushes that saw it woke none.
    fn found(&self) {
        if self.shared.sleep.stop_search() {
            self.shared.share();
        }
    }

    /// Jobs from outside, for a worker that does not search.
    fn take_injected(&mut self) -> Option<Job> {
        let batch = self.looks.batch();
        let job = self.shared.take_injected_and_share(self.own, batch);
        if job.is_some() {
            self.fed.set(true);
        }
        job
    }

    fn search(&mut self) -> Option<Job> {
        self.seat.counters.searches.bump();
        let batch = self.looks.batch();
        // Where only time and I/O bring jobs, the driver is the place to wait for them: a search
        // would keep a processor from their source.
        let rounds = match self.fed.get() {
            true => SEARCH_ROUNDS,
            false => 1,
        };
        for round in 0..rounds {
            let job = self.steal(round);
            let job = job.or_else(|| self.shared.take_injected(self.own, batch));
            if job.is_some() {
                self.fed.set(true);
                return job;
            }
            pause(round);
        }
        None
    }

    /// Where to begin with a look at all seats: at that of any worker.
    fn start(&mut self) -> usize {
        self.rng.below(self.shared.workers as u32) as usize
    }

    /// One job of another seat, the oldest of the first that has any. A seat that gets on begins
    /// its new children itself; of its woken tasks so many come along that as many wait here as
    /// there, and one that makes room if it is so: each has as many turns as any other in the long
    /// run.
    fn steal_one(&mut self) -> Option<Job> {
        // Also from those of spares and callers, each as often as any.
        let seats = &self.shared.seats;
        let all = seats.active_from(0).count();
        let skipped = self.rng.below(all as u32) as usize;
        let (from, before) = (seats.active_from(0), seats.active_from(0));
        let mut others = from.skip(skipped).chain(before.take(skipped));
        let job = others.find_map(|other| {
            if other == self.index {
                return None;
            }
            let seat = seats.get(other);
            // A caller has no beats: what it does not begin is begun here.
            let all = self.getting.stands(other, seat) || seat.worker.get() == 0;
            let fork = all.then(|| settled(|| seat.steal_fork())).flatten();
            let job = fork.or_else(|| self.own.even_out_woken(seat));
            job.or_else(|| all.then(|| seat.steal_one()).flatten())
        });
        if job.is_some() {
            self.seat.counters.steals.bump();
        }
        job
    }

    fn steal(&mut self, round: u32) -> Option<Job> {
        let batch = self.looks.batch();
        let start = self.start();
        for victim in self.shared.seats.active_from(start) {
            if victim == self.index {
                continue;
            }
            let seat = self.shared.seats.get(victim);
            let compares = COMPARES.contains(&round);
            let stands = compares && self.getting.stands(victim, seat) && round != COMPARES[0];
            if !stands && !crowd::is_crowded(seat) {
                continue;
            }
            if stands && seat.has_work() {
                crowd::stands_still(seat);
            }
            // A thief that loses a race tries the next victim; the search comes around again.
            if let Steal::Success(job) = self.own.steal(seat, batch) {
                self.seat.counters.steals.bump();
                return Some(job);
            }
        }
        None
    }

    /// Whether there are more spares than workers for which they stand in.
    fn is_surplus(&self) -> bool {
        let spares = self.shared.spares.lock();
        spares.running > spares.wanted()
    }

    /// Leaves, if this spare is one too many.
    fn retires(&self) -> bool {
        let mut spares = self.shared.spares.lock();
        let surplus = spares.running > spares.wanted();
        if surplus {
            spares.running -= 1;
            self.shared.counters.ended_spares.bump_shared();
        }
        surplus
    }
}
