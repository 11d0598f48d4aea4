//! What the sentinel does for a runtime: it counts the workers that do not come back from a job,
//! has spares stand in for them, and has the tasks reported that keep them.

use crate::driver::beside::Beside;
use crate::poll::running;
use crate::pool::circles;
use crate::pool::crowd::Getting;
use crate::pool::reports::{Report, Sighting};
use crate::pool::seats::Seat;
use crate::pool::sentinel::Seen;
use crate::pool::shared::Shared;
use crate::pool::stalls::Stalls;
use crate::report::stall::{Stall, ThreadState};
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::tree::paths;
use std::time::Duration;

/// The seats whose threads sleep, in order.
struct Sleepers(Vec<usize>);

impl Sleepers {
    fn of(shared: &Shared) -> Self {
        let mut asleep = shared.sleep.sleepers();
        asleep.sort_unstable();
        Self(asleep)
    }

    /// Whether the thread on a seat is in none of its jobs: it sleeps, or is counted as blocked, or
    /// there is no worker.
    fn is_idle(&self, index: usize, seat: &Seat) -> bool {
        // Relaxed: a hint at a tick, and one that is missed is seen at the next; before the
        // sentinel sleeps, ordered by the fences of its event count.
        let waits = seat.waits.load(Ordering::Relaxed);
        waits || seat.worker.get() == 0 || self.0.binary_search(&index).is_ok()
    }
}

impl Shared {
    /// A worker has left the driver, has a job after it slept, or goes on after it waited: see
    /// [`Sentinel`](crate::pool::sentinel::Sentinel).
    pub(crate) fn raise_sentinel(&self) {
        self.sentinel.raise(|| self.start_sentinel());
    }

    /// Starts the thread of the sentinel; false if none can be had.
    #[cold]
    pub(super) fn start_sentinel(&self) -> bool {
        let theirs = self.this.upgrade().expect("a thread of it is here");
        let watch = move || {
            let mut stalls = Stalls::new(theirs.report_after);
            let mut getting = Getting::default();
            let (role, sleep) = (&theirs.driver.role, &theirs.sleep);
            let look = || {
                theirs.driver.beside().into_iter().for_each(Beside::tick);
                let busy = theirs.tick(&mut stalls);
                let (waits, stands) = getting.look(&theirs.seats);
                Seen {
                    waits,
                    stands,
                    busy,
                }
            };
            let notify = || theirs.notify();
            let matters = || theirs.seats_have_work() || theirs.has_busy_worker();
            theirs.sentinel.watch(role, sleep, notify, look, matters);
            // No tick follows: spares that stood in for a stalled worker leave, and what waits
            // on a seat is looked for.
            theirs.spares.lock().stalled = 0;
            theirs.rouse();
        };
        let thread = self.thread("sentinel").spawn(watch);
        let started = thread.is_ok();
        match thread {
            Ok(thread) => self.threads.lock().push(thread),
            Err(_) => {
                // Workers watch when they are idle, and are woken for each job.
                self.sentinel.go();
                self.notify();
            }
        }
        started
    }

    /// Whether a worker is in a job, or looks for one.
    fn has_busy_worker(&self) -> bool {
        let asleep = Sleepers::of(self);
        let mut seats = self.seats.active_from(0);
        seats.any(|index| !asleep.is_idle(index, self.seats.get(index)))
    }

    /// What the sentinel does at each tick: counts the workers that are stalled, has their tasks
    /// reported, and has a spare started for one if something waits for a worker, and none is idle.
    /// Spares may stall, too. For threads that compute as many spares stand in as there are
    /// workers, at most: they share the processors. The answer: whether the next tick matters, too,
    /// because a worker is in a job.
    fn tick(self: &Arc<Self>, stalls: &mut Stalls) -> bool {
        let asleep = Sleepers::of(self);
        let (mut sleep, mut compute, mut busy) = (0, 0, false);
        for index in self.seats.active_from(0) {
            let seat = self.seats.get(index);
            let idle = asleep.is_idle(index, seat);
            busy |= !idle;
            let look = stalls.look(index, seat, idle);
            match look.stall {
                Some(ThreadState::Sleeps) => sleep += 1,
                Some(ThreadState::Computes) => compute += 1,
                Some(ThreadState::Waits) | None => {}
            }
            if seat.note_stall(look.stall, look.ticks, look.jobs) {
                match look.stall {
                    Some(_) => self.counters.stalls.bump_shared(),
                    None => self.counters.ended_stalls.bump_shared(),
                }
            }
            if let Some(thread) = look.due {
                if self.report_stall(index, look.jobs, look.ticks, thread) {
                    stalls.reported(index);
                }
            }
        }
        if self.replace_stalled {
            let stalled = sleep + self.workers.min(compute);
            self.replace(stalled, asleep.0.is_empty());
        }
        busy
    }

    /// Sees to it that there are as many spares as workers need that do not come back.
    fn replace(self: &Arc<Self>, stalled: usize, none_sleeps: bool) {
        let (too_few, too_many) = {
            let mut spares = self.spares.lock();
            spares.stalled = stalled;
            let wanted = spares.wanted();
            (spares.running < wanted, spares.running > wanted)
        };
        if too_many {
            // Those that sleep do not know that they are not needed any more.
            self.rouse();
        }
        // What tokio waits for is known to it alone.
        let beside = || self.driver.beside().is_some_and(Beside::is_parked);
        let waits = || self.has_work() || !self.driver.is_idle() || beside();
        if too_few && none_sleeps && waits() {
            (self.stand_in)(self);
        }
    }

    /// Has the task reported that is in the job of this number on a seat. False if there is
    /// nothing to say: it is over, or no task, or is one that computes because it should.
    fn report_stall(
        self: &Arc<Self>,
        index: usize,
        jobs: u64,
        ticks: u32,
        thread: ThreadState,
    ) -> bool {
        let seat = self.seats.get(index);
        self.driver.tick(); // for its age
        let Some(seen) = seat.running.read(self.driver.coarse_millis()) else {
            return false;
        };
        if seen.computes && thread == ThreadState::Computes {
            return false;
        }
        // The record was not of a later job: that would have been counted before it was published.
        if seat.counters.jobs.get() != jobs {
            return false;
        }
        self.counters.reported_stalls.bump_shared();
        let sighting = Sighting {
            seat: index,
            seen,
            lasts: Duration::from_millis(ticks.into()),
            thread,
        };
        (self.tell)(self, Report::Stall(sighting));
        true
    }

    /// The tasks that do not return, as of the last tick, and those that wait for each other.
    pub(crate) fn stalled(&self) -> Vec<Stall> {
        let seats = self.seats.iter();
        let stall = |seat: &Seat| {
            let (jobs, ticks, thread) = seat.stall()?;
            let task = self.running(seat, |_| true)?;
            let same = seat.counters.jobs.get() == jobs;
            same.then(|| Stall::new(task, Duration::from_millis(ticks.into()), thread))
        };
        let mut stalls: Vec<_> = seats.filter_map(stall).collect();
        for circle in circles::all() {
            let (stall, here) = self.circle(circle);
            if here {
                stalls.push(stall);
            }
        }
        stalls
    }

    /// Tasks that wait for each other, with the paths of their groups; and whether one of these is
    /// in this runtime.
    pub(crate) fn circle(&self, circle: Vec<running::Seen>) -> (Stall, bool) {
        let root = self.open_root();
        let mut here = false;
        let placed = circle.into_iter().map(|mut seen| {
            let path = root
                .as_ref()
                .and_then(|root| paths::path_at(root, seen.group));
            // Its group was counted, and so in the tree, if the task waits still.
            if let Some(path) = path.filter(|_| circles::waits(seen.straggler.task)) {
                seen.straggler.group = path;
                here = true;
            }
            seen.straggler
        });
        (Stall::circle(placed.collect()), here)
    }
}
