//! What the pool does for groups and tasks on the thread that asks: `Shared` as the `Pool` of its
//! groups, and its guests.
//!
//! A thread in a context of the runtime pushes to its own seat and counts in that seat's counts;
//! any other thread pushes to the queue for outsiders, and counts in the runtime's.

use crate::group::name::{Counted, NamedEnd};
use crate::group::pool::{Grouped, Late, Pool};
use crate::job::{Job, Place, Ticket};
use crate::pool::blocking_threads;
use crate::pool::recorder::{self, What};
use crate::pool::seats::Seat;
use crate::pool::shared::Shared;
use crate::pool::stack_jobs::group_of;
use crate::pool::thread_ctx::{self, ThreadCtx, ThreadRole};
use crate::pool::timing;
use crate::report::failure::Unobserved;
use crate::sync::Weak;
use crate::sync::atomic::Ordering;
use crate::tree::awaited::Awaited;
use std::any::Any;
use std::time::Instant;

/// Calls `f` with this thread's context, if that is in this runtime.
#[inline]
fn with_own<R>(shared: &Shared, f: impl FnOnce(Option<&ThreadCtx<'_>>) -> R) -> R {
    thread_ctx::with(|ctx| f(ctx.filter(|ctx| ctx.is_of(shared))))
}

/// The number of this thread's seat in this runtime, if it has one.
fn own_index(shared: &Shared) -> Option<usize> {
    with_own(shared, |ctx| ctx.and_then(|ctx| ctx.seat.index()))
}

/// Calls `f` with this thread's seat in this runtime, if it has one.
fn with_own_seat<R>(shared: &Shared, f: impl FnOnce(Option<&Seat>) -> R) -> R {
    f(own_index(shared).map(|seat| shared.seats.get(seat)))
}

/// Pushes from a thread that has no seat in this runtime: nothing else keeps the runtime alive once
/// the job is out, since it may be the last one.
#[cold]
fn inject_from_outside(shared: &Shared, job: Job) {
    // The job's task keeps the runtime until here.
    let keep = shared.this.upgrade().expect("it is in use");
    keep.inject(job);
}

/// Counts guests in the context where they are blocked; one that has left it is not counted there
/// any more.
fn note_guests(shared: &Shared, more: isize) {
    with_own(shared, |ctx| {
        if let Some(ctx) = ctx {
            let guests = ctx.guests.get().saturating_add_signed(more);
            ctx.guests.set(guests);
        }
    });
}

/// How many guests are blocked further down on this thread's stack.
fn guests_below(shared: &Shared) -> usize {
    thread_ctx::with_all(|contexts| {
        let own = contexts.iter().filter(|ctx| ctx.is_of(shared));
        own.map(|ctx| ctx.guests.get()).sum()
    })
}

impl Shared {
    /// Marks a job that is about to be queued, if it is one to be timed or recorded.
    #[inline]
    fn marked(&self, job: Job, is_new: bool) -> Job {
        match timing::is_due() {
            false => job,
            true => self.mark(job, is_new),
        }
    }

    #[cold]
    #[inline(never)]
    fn mark(&self, job: Job, is_new: bool) -> Job {
        let is_recorded = recorder::is_on();
        let is_timed = timing::plan(is_recorded);
        let Some(task) = job.id() else {
            return job;
        };
        let job = match is_timed {
            true => self.timing.stamp(job, self.driver.passed()),
            false => job,
        };
        if !is_recorded {
            return job;
        }
        recorder::note(|| What::Queued { task, is_new });
        job.traced()
    }

    /// A caller from outside is blocked in a group of this runtime: a shutdown gives it its grace.
    /// The root does not count a group that has no children.
    pub(crate) fn guest_came(&self) {
        note_guests(self, 1);
        // Relaxed: a shutdown that must see the guest has seen an end of its children, which came
        // after this.
        self.guests.fetch_add(1, Ordering::Relaxed);
    }

    /// The caller returns.
    pub(crate) fn guest_leaves(&self) {
        note_guests(self, -1);
        // Relaxed: the lock of the waiters comes next, through which those who wait have passed
        // before they look.
        if self.guests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.guests_gone.wake_all();
        }
    }

    /// Guests on whose stack a shutdown waits cannot return before it does, so they do not count
    /// meanwhile.
    pub(crate) fn without_guests_below<R>(&self, f: impl FnOnce() -> R) -> R {
        let own = guests_below(self);
        if own == 0 {
            return f();
        }
        // Relaxed: as in `guest_leaves`.
        if self.guests.fetch_sub(own, Ordering::Relaxed) == own {
            self.guests_gone.wake_all();
        }
        let value = f();
        // Relaxed: as in `guest_came`.
        self.guests.fetch_add(own, Ordering::Relaxed);
        value
    }
}

impl Pool for Shared {
    #[inline]
    fn fork(&self, job: Job) {
        let job = self.marked(job, true);
        let pushed = with_own(self, |ctx| match ctx {
            Some(ctx) => ctx.push_new(job).map(|()| self.notify_for(&ctx.seat)),
            None => Err(job),
        });
        match pushed {
            Ok(()) => {}
            Err(job) => {
                self.counts.tasks.begin_shared();
                inject_from_outside(self, job);
            }
        }
    }

    #[inline]
    fn wake(&self, job: Job) {
        let job = self.marked(job, false);
        with_own(self, |ctx| {
            let Some(ctx) = ctx else {
                return inject_from_outside(self, job);
            };
            // A blocked caller runs what is on its seat, perhaps under a lock of its own that a
            // stranger wants.
            let awaits = |awaited: Awaited| group_of(&job).is_some_and(|at| awaited.contains(at));
            let mine = ctx.role == ThreadRole::Worker || ctx.awaited.is_some_and(awaits);
            let pushed = if mine {
                ctx.seat.push_woken(job)
            } else {
                Err(job)
            };
            match pushed {
                Ok(()) => self.notify_for(&ctx.seat),
                Err(job) => self.inject(job),
            }
        });
    }

    fn fork_blocking(&self, ticket: Ticket) {
        // The spawner's group keeps the runtime.
        let this = self.this.upgrade().expect("it is in use");
        blocking_threads::push_child(&this, ticket);
    }

    fn leave_blocking(&self, place: &Place) {
        // Its last reference, perhaps: given up without a lock.
        drop(self.blocking.leave_line(place));
    }

    fn task_begins(&self) {
        with_own_seat(self, |seat| match seat {
            Some(seat) => seat.counts.tasks.begin(),
            None => self.counts.tasks.begin_shared(),
        });
    }

    fn task_ends(&self) {
        self.counts.tasks.end_shared();
    }

    fn group_begins(&self, group: &dyn Grouped) {
        recorder::note(|| What::Opens {
            group: group.address(),
            parent: group.address_of_parent(),
            label: group.label(),
        });
        with_own_seat(self, |seat| match seat {
            Some(seat) => seat.counts.groups.begin(),
            None => self.counts.groups.begin_shared(),
        });
    }

    fn group_ends(&self, group: &dyn Grouped) {
        recorder::note(|| What::Closes {
            group: group.address(),
        });
        with_own_seat(self, |seat| match seat {
            Some(seat) => seat.counts.groups.end(),
            None => self.counts.groups.end_shared(),
        });
        self.census.leave(self, group);
    }

    fn named_opens(&self, name: &str) -> Option<Counted> {
        let seat = own_index(self);
        let place = self.names.opens(name, seat)?;
        let opened = self.driver.now();
        Some(Counted { place, opened })
    }

    fn named_ends(&self, group: Counted, how: NamedEnd) {
        let seat = own_index(self);
        let open_for = self.driver.now().saturating_duration_since(group.opened);
        self.names.ends(group.place, seat, how, open_for);
    }

    fn unobserved(&self, failure: Unobserved) {
        self.report(failure);
    }

    fn count_cut(&self) {
        with_own_seat(self, |seat| match seat {
            Some(seat) => seat.counters.cut_tasks.bump(),
            None => self.counters.cut_tasks.bump_shared(),
        });
    }

    fn is_shut_down(&self) -> bool {
        // Acquire: pairs with the Release in `Shared::shut_down`.
        self.shut_down.load(Ordering::Acquire)
    }

    fn now(&self) -> Instant {
        self.driver.now()
    }

    fn call_at(&self, at: Instant, call: Late) -> Box<dyn Any + Send> {
        let this = Weak::clone(&self.this);
        let call = move || {
            // The thread that drives the timers keeps the runtime.
            if let Some(shared) = this.upgrade() {
                call(&*shared);
            }
        };
        let seat = with_own(self, |ctx| ctx.map(ThreadCtx::timer_seat));
        let seat = seat.unwrap_or(self.workers);
        Box::new(self.driver.insert_call(seat, at, call))
    }

    fn coarse_millis(&self) -> u32 {
        self.driver.coarse_millis()
    }

    fn name(&self) -> &str {
        &self.name
    }
}
