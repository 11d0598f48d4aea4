//! What all threads of a runtime see: queues, sleepers, driver, hook. It is the `Spawn` of its groups.

#![expect(
    unsafe_code,
    reason = "the seat of a place is claimed by this thread, and a waker keeps the runtime"
)]

use crate::driver::driver::Driver;
use crate::group::leaving;
use crate::group::ledger::{self, Ledger};
use crate::group::node::{Node, NodeRef};
use crate::group::report::{Straggler, TaskId, Unobserved};
use crate::group::spawn::{Late, Spawn};
use crate::group::tree;
use crate::job::{Job, Ticket};
use crate::pool::blocking::{Blocking, Work};
use crate::pool::config::Hooks;
use crate::pool::context::{self, Place, Post};
use crate::pool::metrics::{Counters, Metrics};
use crate::pool::seats::{Seat, Seats};
use crate::pool::sentinel::Sentinel;
use crate::sleep::Sleep;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::deque::{Injector, Steal};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Mutex, Weak};
use crate::unwind;
use crate::waiters::Waiters;
use std::any::Any;
use std::ptr::{self, NonNull};
use std::time::Instant;

/// New children beyond this many go to the wake deque: a LIFO deque is stolen from one by one, a FIFO one in batches.
/// Source: the prototype's measurements; 64 repaired flat spawns and did not touch recursive ones, whose fork deque
/// holds at most ten entries for each level.
const SPILL: usize = 64;

/// Looks for the group of what runs on a seat: another task may run there by then, or the group be on its way to another
/// parent. What is stuck is found by the first one.
const LOOKS: usize = 4;

/// Spare workers: how many are wanted, and how many there are.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    pub(crate) blocked: usize,
    pub(crate) running: usize,
}

/// A runtime.
pub(crate) struct Shared {
    /// Itself, for whoever must keep it.
    pub(crate) this: Weak<Self>,
    pub(crate) name: String,
    pub(crate) workers: usize,
    pub(crate) stack_size: Option<usize>,
    pub(crate) callers_take_part: bool,
    pub(crate) seats: Seats,
    pub(crate) injector: Injector<Job>,
    pub(crate) sleep: Sleep,
    pub(crate) driver: Arc<Driver>,
    pub(crate) blocking: Blocking,
    pub(crate) sentinel: Sentinel,
    pub(crate) hooks: Hooks,
    pub(crate) root: Mutex<Option<NodeRef>>,
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) spares: Mutex<Spares>,
    pub(crate) shut_down: AtomicBool,
    pub(crate) exiting: AtomicBool,
    /// Whether there is a caretaker.
    pub(crate) caretaker: Mutex<bool>,
    /// Who waits for the root to be empty.
    pub(crate) emptied: Waiters,
    /// Callers from outside that are blocked in groups of this runtime.
    pub(crate) guests: AtomicUsize,
    /// Halves of `join` that are outside every task and that a worker may run.
    pub(crate) halves: AtomicUsize,
    /// Who waits for the last guest to return.
    pub(crate) guests_gone: Waiters,
    /// Callers that are blocked inside tasks.
    pub(crate) blocked: Waiters,
    /// For threads without a seat.
    pub(crate) ledger: Ledger,
    /// For what is counted by threads without a seat, and for what is rare.
    pub(crate) counters: Counters,
}

impl Shared {
    /// The root of the tree; a runtime that has ended has none.
    pub(crate) fn root(&self) -> NodeRef {
        self.open_root().unwrap_or_else(|| {
            panic!(
                "the runtime `{}` was shut down: no group can be opened in it",
                self.name
            )
        })
    }

    pub(crate) fn open_root(&self) -> Option<NodeRef> {
        self.root.lock().clone()
    }

    /// Whether this process was forked from that of the runtime, none of whose threads is here.
    /// Asked where a thread is about to sleep, or others are to be woken or joined: it is a call
    /// into the kernel.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.driver.is_elsewhere()
    }

    /// Refuses to wait for threads that are in another process.
    pub(crate) fn must_be_here(&self) {
        assert!(
            !self.is_elsewhere(),
            "the runtime `{}` has no threads in this process, which was forked from its own: a wait \
             for them would not end. Build a runtime after the fork, or fork before the first use of the global one",
            self.name
        );
    }

    /// A thread of this runtime that is yet to be started.
    pub(crate) fn thread(&self, name: &str) -> thread::Builder {
        let builder = thread::Builder::new().name(format!("{}-{name}", self.name));
        match self.stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }

    /// Wakes a worker for a push, if one must be woken.
    #[inline]
    pub(crate) fn notify(&self) {
        if let Some(seat) = self.sleep.notify() {
            self.counters.wakes.bump_shared();
            self.driver.unpark(&self.seats.get(seat).parker);
        }
    }

    /// Looks at time and I/O without waiting; whether anything was woken. If a worker went to sleep elsewhere meanwhile
    /// because it could not have the driver's role, it is woken to take it: else nobody would watch.
    pub(crate) fn turn(&self) -> bool {
        let turn = self.driver.turn();
        if turn.wanted {
            self.notify();
        }
        turn.woken
    }

    /// Unparks every sleeper, so that it looks around.
    pub(crate) fn rouse(&self) {
        for seat in self.sleep.sleepers() {
            self.driver.unpark(&self.seats.get(seat).parker);
        }
    }

    /// Whether any queue holds a job.
    pub(crate) fn has_work(&self) -> bool {
        !self.injector.is_empty()
            || self
                .seats
                .active_from(0)
                .any(|seat| self.seats.get(seat).has_work())
    }

    /// Pushes to the queue for outsiders. The caller keeps `self` alive.
    pub(crate) fn inject(&self, job: Job) {
        self.injector.push(job);
        self.counters.injected.bump_shared();
        self.announce();
    }

    /// What was pushed for outsiders must be seen: by a sleeper, or by whoever looks after a runtime that has ended.
    fn announce(&self) {
        self.notify();
        // Relaxed: ordered by PushFence in `notify`, which pairs with the fence in `hand_over`.
        if self.exiting.load(Ordering::Relaxed) {
            self.look_after();
        }
    }

    /// Moves what is left on a seat to the queue for outsiders: woken tasks first, as a worker would run them.
    ///
    /// # Safety
    ///
    /// This thread holds the claim on the seat.
    pub(crate) unsafe fn flush(&self, seat: usize) {
        // SAFETY: the claim is this thread's.
        let deques = unsafe { self.seats.get(seat).deques() };
        let mut any = false;
        while let Some(job) = deques.wake.pop().or_else(|| deques.fork.pop()) {
            self.injector.push(job);
            any = true;
        }
        if any {
            self.announce();
        }
    }

    /// After a batch was moved to a seat by a thread that does not count as searching. On its way somebody may have looked
    /// for it in vain and fallen asleep, and this thread may be busy with the first job for long: others are told.
    pub(crate) fn share(&self, seat: usize) {
        if self.seats.get(seat).has_work() {
            self.notify();
        }
    }

    /// As [`Shared::take_injected`], for a thread that does not count as searching.
    pub(crate) fn take_injected_and_share(&self, seat: usize) -> Option<Job> {
        let job = self.take_injected(Some(seat));
        if job.is_some() {
            self.share(seat);
        }
        job
    }

    /// What runs on a seat right now, if anything does that is `wanted`.
    pub(crate) fn running(
        &self,
        seat: &Seat,
        wanted: impl Fn(TaskId) -> bool,
    ) -> Option<Straggler> {
        let read = || {
            let seen = seat.running.read(self.driver.coarse_millis());
            seen.filter(|seen| wanted(seen.straggler.task))
        };
        let mut seen = read()?;
        for _ in 0..LOOKS {
            let root = self.root.lock().clone();
            let path = root.and_then(|root| tree::path_at(&root, seen.group));
            // Its group was counted, and so in the tree, if the task still runs.
            let now = read()?;
            let same = now.straggler.task == seen.straggler.task;
            seen = now;
            if let (true, Some(path)) = (same, path) {
                seen.straggler.group = path;
                break;
            }
        }
        Some(seen.straggler)
    }

    /// What runs on the seats and is `wanted`.
    pub(crate) fn all_running(&self, wanted: impl Fn(TaskId) -> bool) -> Vec<Straggler> {
        let seats = self.seats.iter();
        seats
            .filter_map(|seat| self.running(seat, &wanted))
            .collect()
    }

    /// Takes one job from the queue for outsiders, and a batch along with it if there is a seat for it.
    pub(crate) fn take_injected(&self, seat: Option<usize>) -> Option<Job> {
        loop {
            let stolen = match seat {
                // SAFETY: callers pass the seat that this thread holds.
                Some(seat) => self
                    .injector
                    .steal_batch_and_pop(&unsafe { self.seats.get(seat).deques() }.wake),
                None => self.injector.steal(),
            };
            match stolen {
                Steal::Success(job) => return Some(job),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    /// A caller from outside is blocked in a group of this runtime: a shutdown gives it its grace. The root does not count
    /// a group that has no children.
    pub(crate) fn guest_came(&self) {
        self.note_guests(1);
        // Relaxed: whoever must see the guest has seen an end of its children, which came after this.
        self.guests.fetch_add(1, Ordering::Relaxed);
    }

    /// The caller returns.
    pub(crate) fn guest_leaves(&self) {
        self.note_guests(-1);
        // Relaxed: the lock of the waiters comes next, through which those who wait have passed before they look.
        if self.guests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.guests_gone.wake_all();
        }
    }

    /// Guests on whose stack a shutdown waits cannot return before it does, so they do not count meanwhile.
    pub(crate) fn without_guests_below<R>(&self, f: impl FnOnce() -> R) -> R {
        let own = self.guests_below();
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

    /// A half of a `join` that is outside every task may be run by a worker from now on: it counts in the root, as that
    /// worker may take its time. The root, which the count keeps; none if the runtime is ending.
    #[cold]
    pub(crate) fn half_begins(&self) -> Option<NonNull<Node>> {
        let root = self.open_root().filter(|root| root.enter())?;
        if root.is_cancelled() {
            // SAFETY: it was counted a moment ago.
            unsafe { leaving::leave(root.as_ptr()) };
            return None;
        }
        // Relaxed: a number for messages.
        self.halves.fetch_add(1, Ordering::Relaxed);
        Some(root.as_ptr())
    }

    /// Counts guests in the place where they are blocked; one that has left it is not counted there any more.
    fn note_guests(&self, more: isize) {
        self.own_place(|place| {
            if let Some(place) = place {
                let guests = place.guests.get().saturating_add_signed(more);
                place.guests.set(guests);
            }
        });
    }

    /// How many guests are blocked further down on this thread's stack.
    fn guests_below(&self) -> usize {
        context::place(|place| {
            let places = place.into_iter().flat_map(Place::and_below);
            let own = places.filter(|place| self.is_of(place));
            own.map(|place| place.guests.get()).sum()
        })
    }

    /// Hands a failure to the hook; a hook that panics is switched off.
    pub(crate) fn report(&self, failure: Unobserved) {
        crate::group::frame::outside(|| self.hooks.report(failure));
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let mut sum = Metrics::default();
        for seat in self.seats.iter() {
            seat.counters.add_to(&mut sum);
        }
        self.counters.add_to(&mut sum);
        let seats = self.seats.iter().map(|seat| &seat.ledger);
        let ledgers = seats.chain([&self.ledger]);
        sum.live_tasks = ledger::alive(ledgers.clone().map(|ledger| &ledger.tasks));
        sum.live_groups = ledger::alive(ledgers.map(|ledger| &ledger.groups));
        sum.live_timers = self.driver.timers() as u64;
        sum
    }

    /// Runs `f` with the owner's deques of this thread's seat in this runtime, if it has one or can claim one.
    #[inline]
    fn with_seat<R>(&self, f: impl FnOnce(Option<usize>) -> R) -> R {
        self.own_place(|place| f(place.and_then(|place| self.seat_of(place))))
    }

    /// This thread's seat in this runtime, if it has one.
    fn own_seat<R>(&self, f: impl FnOnce(Option<&Seat>) -> R) -> R {
        self.own_place(|place| {
            let seat = place.and_then(|place| place.seat.get());
            f(seat.map(|seat| self.seats.get(seat)))
        })
    }

    /// This thread's place, if that is in this runtime.
    #[inline]
    fn own_place<R>(&self, f: impl FnOnce(Option<&Place>) -> R) -> R {
        context::place(|place| f(place.filter(|place| self.is_of(place))))
    }

    /// Whether a place is in this runtime.
    fn is_of(&self, place: &Place) -> bool {
        ptr::eq(&raw const *place.shared, self)
    }

    #[inline]
    pub(crate) fn seat_of(&self, place: &Place) -> Option<usize> {
        let seat = place.seat.get();
        if seat.is_some() || !self.callers_take_part {
            return seat;
        }
        // A blocked caller pushes for the first time.
        let seat = self.seats.claim_from(self.workers);
        place.seat.set(seat);
        seat
    }

    /// Pushes from a thread that is in no place of this runtime: nothing else keeps the runtime alive once the job is
    /// out, since it may be the last one.
    #[cold]
    fn inject_from_outside(&self, job: Job) {
        // The job's task keeps the runtime until here.
        let keep = self.this.upgrade().expect("it is in use");
        keep.inject(job);
    }
}

impl Spawn for Shared {
    #[inline]
    fn fork(&self, job: Job) {
        self.with_seat(|seat| match seat {
            Some(seat) => {
                let seat = self.seats.get(seat);
                seat.ledger.tasks.begin();
                // SAFETY: the seat of this thread's place is claimed by it.
                let deques = unsafe { seat.deques() };
                if deques.fork.len() < SPILL {
                    deques.fork.push(job);
                } else {
                    deques.wake.push(job);
                }
                self.notify();
            }
            None => {
                self.ledger.tasks.begin_shared();
                self.inject_from_outside(job);
            }
        });
    }

    #[inline]
    fn wake(&self, job: Job, group: &Node) {
        self.own_place(|place| match place {
            Some(place) => {
                // A blocked caller runs what is on its seat, perhaps under a lock of its own that a stranger wants.
                let mine = place.post == Post::Worker
                    || place.awaited.is_some_and(|at| at.contains(group));
                match place.seat.get() {
                    Some(seat) if mine => {
                        // SAFETY: the seat of this thread's place is claimed by it.
                        unsafe { self.seats.get(seat).deques() }.wake.push(job);
                        self.notify();
                    }
                    _ => self.inject(job),
                }
            }
            None => self.inject_from_outside(job),
        });
    }

    fn fork_blocking(&self, ticket: Ticket) {
        // The spawner's group keeps the runtime.
        let this = self.this.upgrade().expect("it is in use");
        self.blocking.push(&this, Work::Child(ticket));
    }

    fn task_begins(&self) {
        self.own_seat(|seat| match seat {
            Some(seat) => seat.ledger.tasks.begin(),
            None => self.ledger.tasks.begin_shared(),
        });
    }

    fn task_ends(&self) {
        self.ledger.tasks.end_shared();
    }

    fn group_begins(&self) {
        self.own_seat(|seat| match seat {
            Some(seat) => seat.ledger.groups.begin(),
            None => self.ledger.groups.begin_shared(),
        });
    }

    fn group_ends(&self) {
        self.own_seat(|seat| match seat {
            Some(seat) => seat.ledger.groups.end(),
            None => self.ledger.groups.end_shared(),
        });
    }

    fn unobserved(&self, failure: Unobserved) {
        self.report(failure);
    }

    fn count_cut(&self) {
        self.own_seat(|seat| match seat {
            Some(seat) => seat.counters.cut_tasks.bump(),
            None => self.counters.cut_tasks.bump_shared(),
        });
    }

    fn blocked(&self) -> &Waiters {
        &self.blocked
    }

    fn is_shut_down(&self) -> bool {
        // Acquire: pairs with the Release in `Runtime::shutdown`.
        self.shut_down.load(Ordering::Acquire)
    }

    fn now(&self) -> Instant {
        self.driver.now()
    }

    fn call_at(&self, at: Instant, call: Late) -> Box<dyn Any + Send> {
        let this = Weak::clone(&self.this);
        let call = move || {
            // Whoever drives the timers keeps the runtime.
            if let Some(shared) = this.upgrade() {
                call(&*shared);
            }
        };
        Box::new(self.driver.insert_call(at, Box::new(call)))
    }

    fn coarse_millis(&self) -> u32 {
        self.driver.coarse_millis()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Jobs that are left were never run: their tasks leak rather than run on a runtime that has ended. There are
        // none after an orderly end, because the root is empty then.
        let _ = unwind::drop_quietly(self.threads.get_mut().drain(..).collect::<Vec<_>>());
    }
}
