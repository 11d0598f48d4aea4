//! What all threads of a runtime see: queues, sleepers, driver, hooks; and what can be done with
//! these alone, on any thread. What depends on the calling thread is above, in `dispatch`.

use crate::driver::beside::Beside;
use crate::driver::driver::Driver;
use crate::group::node::NodeRef;
use crate::job::Job;
use crate::poll::frame;
use crate::poll::live::{self, LiveCounts};
use crate::poll::running::Seen;
use crate::pool::blocking::Blocking;
use crate::pool::census::Census;
use crate::pool::crowd;
use crate::pool::hooks::Hooks;
use crate::pool::metrics::{Counters, Metrics};
use crate::pool::named::Names;
use crate::pool::recorder;
use crate::pool::reports::{Report, Reports};
use crate::pool::seats::{OwnSeat, Seat, Seats, settled};
use crate::pool::sentinel::Sentinel;
use crate::pool::timing::Timing;
use crate::pool::waited::Waited;
use crate::report::failure::{Over, Straggler, TaskId, Unobserved};
use crate::sleep::Sleep;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::deque::Injector;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Mutex, Weak};
use crate::tree::paths;
use crate::unwind;
use crate::waiters::Waiters;
use std::time::Duration;

/// Looks for the group of what runs on a seat: another task may run there by then, or the group be
/// on its way to another parent. What is stuck is found by the first one.
const LOOKS: usize = 4;

/// Spare workers: for how many they stand in, and how many there are.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    /// Workers that wait.
    pub(crate) blocked: usize,
    /// Workers that do not come back from a job, as of the sentinel's last look.
    pub(crate) stalled: usize,
    pub(crate) running: usize,
}

impl Spares {
    pub(crate) fn wanted(&self) -> usize {
        self.blocked + self.stalled
    }
}

/// Bytes of a runtime's name that are in those of its threads, at most: Linux keeps 15 of these
/// (`TASK_COMM_LEN` less its NUL), and what tells the threads apart must be among them.
const NAME_KEPT: usize = 10;

/// The name of a thread of a runtime.
fn thread_name(runtime: &str, thread: &str) -> String {
    let mut kept = NAME_KEPT.min(runtime.len());
    while !runtime.is_char_boundary(kept) {
        kept -= 1;
    }
    format!("{}-{thread}", &runtime[..kept])
}

/// A runtime.
pub(crate) struct Shared {
    /// Itself, for those who must keep it.
    pub(crate) this: Weak<Self>,
    pub(crate) name: String,
    pub(crate) workers: usize,
    pub(crate) stack_size: Option<usize>,
    pub(crate) callers_take_part: bool,
    pub(crate) replace_stalled: bool,
    /// Ticks of the sentinel after which a task that does not return is reported, if it is.
    pub(crate) report_after: Option<u32>,
    /// The whole budget of a poll.
    pub(crate) operations_per_poll: u8,
    pub(crate) seats: Arc<Seats>,
    pub(crate) injector: Injector<Job>,
    pub(crate) sleep: Sleep,
    pub(crate) driver: Arc<Driver>,
    pub(crate) census: Arc<Census>,
    pub(crate) blocking: Blocking,
    pub(crate) sentinel: Sentinel,
    pub(crate) hooks: Hooks,
    pub(crate) reports: Reports,
    /// Has a report told: `report_thread::tell`, which is above.
    pub(crate) tell: fn(&Arc<Self>, Report),
    pub(crate) root: Mutex<Option<NodeRef>>,
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) spares: Mutex<Spares>,
    pub(crate) shut_down: AtomicBool,
    pub(crate) exiting: AtomicBool,
    /// A caller from outside has something to heed: the end, or that tokio is beside.
    pub(crate) is_special: AtomicBool,
    /// What looks after a runtime that has ended when something is added to it:
    /// `caretaker::look_after`.
    pub(crate) look_after: fn(&Self),
    /// Starts a spare, if there are too few: `spares::stand_in`, which is above.
    pub(crate) stand_in: fn(&Arc<Self>),
    /// Whether there is a caretaker.
    pub(crate) caretaker: Mutex<bool>,
    /// Those who wait for the root to be empty.
    pub(crate) emptied: Waiters,
    /// Callers from outside that are blocked in groups of this runtime.
    pub(crate) guests: AtomicUsize,
    /// Processes that are being ended and have time left.
    pub(crate) graces: AtomicUsize,
    /// Halves of `join` that are outside every task and that a worker may run.
    pub(crate) halves: AtomicUsize,
    /// Those who wait for the last guest to return.
    pub(crate) guests_gone: Waiters,
    /// For threads without a seat.
    pub(crate) counts: LiveCounts,
    /// For what is counted by threads without a seat, and for what is rare.
    pub(crate) counters: Counters,
    /// How long jobs wait and run.
    pub(crate) timing: Timing,
    /// What is counted by the names of groups.
    pub(crate) names: Names,
    /// What the last dump saw.
    pub(crate) waited: Waited,
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

    /// Whether a caller from outside has more to do than to poll: see
    /// [`Shared::for_caller`].
    #[inline]
    pub(crate) fn is_special(&self) -> bool {
        // Relaxed: a caller that must know of the end asks for the root, under its lock.
        self.is_special.load(Ordering::Relaxed)
    }

    /// What a caller from outside is to know that blocks in a special runtime: panics if that has
    /// ended, or is about to and so has no root; else gives what is beside.
    pub(crate) fn for_caller(&self) -> Option<&Beside> {
        // Relaxed: as in `is_special`.
        if self.exiting.load(Ordering::Relaxed) {
            self.root();
        }
        self.driver.beside()
    }

    /// A thread of this runtime begins.
    pub(crate) fn thread_started(&self) {
        self.driver.enter_for_good();
        self.hooks.thread_started();
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
        let builder = thread::Builder::new().name(thread_name(&self.name, name));
        match self.stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }

    /// Wakes a worker for a push, if one must be woken.
    #[inline]
    pub(crate) fn notify(&self) {
        if self.sleep.hears_nothing() {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        if let Some(seat) = self.sleep.take_one() {
            let seat = self.seats.get(seat);
            seat.counters.wakes.bump_shared();
            self.driver.unpark(&seat.parker);
        }
    }

    /// After a push to this seat by the thread on it: wakes a worker, if one must be woken and what
    /// waits is too much for this one.
    #[inline]
    pub(crate) fn notify_for(&self, own: &OwnSeat) {
        if self.sleep.hears_nothing() {
            self.notify_if_crowded(own);
        }
    }

    #[inline(never)]
    fn notify_if_crowded(&self, own: &OwnSeat) {
        if self.driver.comes_back() {
            return;
        }
        // Without a seat here it is in use further down the stack.
        let crowded = own.waiting(crowd::is_crowd).unwrap_or(true);
        if crowded || !self.stands_by() {
            self.wake_one();
        }
    }

    /// The thread on this seat goes on with what it waits for, on the stack of the task that waits:
    /// the seat does not get on meanwhile. Whatever waits there is a crowd, until its next look.
    pub(crate) fn keeps_others_waiting(&self, own: &OwnSeat) {
        let waits = own.waiting(|seat, waiting| {
            crowd::stands_still(seat);
            waiting > 0
        });
        if waits == Some(true) {
            self.notify();
        }
    }

    /// Wakes a worker if there is something for one, after this thread was the last that searched:
    /// pushers woke none meanwhile.
    pub(crate) fn share(&self) {
        if !self.leaves_work() {
            self.notify();
        }
    }

    /// Whether all that waits can be left to the workers on whose seats it is; the sentinel is
    /// awake then, if anything waits. The caller has passed a SeqCst fence.
    pub(crate) fn leaves_work(&self) -> bool {
        let crowded = |seat: usize| crowd::is_crowded(self.seats.get(seat));
        let needs_help = !self.injector.is_empty() || self.seats.active_from(0).any(crowded);
        !needs_help && (!self.seats_have_work() || self.stands_by())
    }

    fn stands_by(&self) -> bool {
        self.sentinel.stands_by(|| self.start_sentinel())
    }

    /// Looks at time and I/O without waiting: the time, since the driver was made, and whether
    /// anything was woken. If a worker went to sleep elsewhere meanwhile because it could not have
    /// the driver's role, it is woken to take it: else no thread would watch. While a searcher is
    /// counted none is woken, and it may find a job: then the sentinel finds that none watches.
    pub(crate) fn turn(&self) -> (Duration, bool) {
        let (now, turn) = self.driver.turn();
        if turn.wanted {
            self.notify();
        }
        (now, turn.woken)
    }

    /// Unparks every sleeper, so that it looks around.
    pub(crate) fn rouse(&self) {
        for seat in self.sleep.take_all() {
            self.driver.unpark(&self.seats.get(seat).parker);
        }
    }

    /// Runs a job that comes out of a queue, on this seat.
    #[inline]
    pub(crate) fn run(&self, seat: Option<usize>, job: Job) {
        match job.is_marked() {
            false => job.run(),
            true => self.run_marked(seat, job),
        }
    }

    #[cold]
    #[inline(never)]
    fn run_marked(&self, seat: Option<usize>, job: Job) {
        let run = |job: Job| match job.is_stamped() {
            true => self.timing.measure(seat, job, || self.driver.passed()),
            false => job.run(),
        };
        match job.is_traced() {
            true => recorder::around(job, run),
            false => run(job),
        }
    }

    /// Whether any queue holds a job.
    pub(crate) fn has_work(&self) -> bool {
        !self.injector.is_empty() || self.seats_have_work()
    }

    /// Whether a seat holds one.
    pub(crate) fn seats_have_work(&self) -> bool {
        let mut active = self.seats.active_from(0);
        active.any(|seat| self.seats.get(seat).has_work())
    }

    /// Pushes to the queue for outsiders. The caller keeps `self` alive.
    pub(crate) fn inject(&self, job: Job) {
        self.injector.push(job);
        self.counters.injected.bump_shared();
        self.announce();
    }

    /// What was pushed for outsiders must be seen: by a sleeper, or by the caretaker of a runtime
    /// that has ended.
    fn announce(&self) {
        self.notify();
        // Relaxed: ordered by PushFence in `notify`, which pairs with the fence in
        // `caretaker::hand_over`.
        if self.exiting.load(Ordering::Relaxed) {
            (self.look_after)(self);
        }
    }

    /// Moves what is left on a seat to the queue for outsiders: woken tasks first, as a worker
    /// would run them.
    pub(crate) fn flush(&self, seat: &OwnSeat) {
        let mut any = false;
        while let Some(job) = seat.drain() {
            self.injector.push(job);
            any = true;
        }
        if any {
            self.announce();
        }
    }

    /// Takes up to `batch` jobs from the queue for outsiders, one if there is no seat for more, and
    /// returns one.
    pub(crate) fn take_injected(&self, seat: &OwnSeat, batch: usize) -> Option<Job> {
        if self.injector.is_empty() {
            return None;
        }
        settled(|| seat.steal_injected(&self.injector, batch))
    }

    /// As [`Shared::take_injected`], for a thread that does not count as searching. While the batch
    /// was on its way a searcher may have looked for it in vain and fallen asleep, and this thread
    /// may be busy with the first job for long: others are told.
    pub(crate) fn take_injected_and_share(&self, seat: &OwnSeat, batch: usize) -> Option<Job> {
        let job = self.take_injected(seat, batch)?;
        if seat.waiting(|_, waiting| waiting > 0) == Some(true) {
            self.notify_for(seat);
        }
        Some(job)
    }

    /// Whether nothing is queued and nothing waits for time or I/O.
    pub(crate) fn is_idle(&self) -> bool {
        !self.has_work() && self.driver.is_idle()
    }

    /// Whether the caretaker has left: nothing is left.
    pub(crate) fn caretaker_leaves(&self) -> bool {
        let mut there = self.caretaker.lock();
        let leaves = self.is_idle();
        *there = !leaves;
        leaves
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
            if self.place(seat, &mut seen) {
                break;
            }
            seen = read()?;
        }
        Some(seen.straggler)
    }

    /// Finds the group of a task that was seen on a seat, if it runs there still.
    pub(crate) fn place(&self, seat: &Seat, seen: &mut Seen) -> bool {
        let root = self.open_root();
        let Some(path) = root.and_then(|root| paths::path_at(&root, seen.group)) else {
            return false;
        };
        // Its group was counted, and so in the tree, if the task still runs.
        let now = seat.running.read(self.driver.coarse_millis());
        let runs = now.is_some_and(|now| now.straggler.task == seen.straggler.task);
        if runs {
            seen.straggler.group = path;
        }
        runs
    }

    /// What runs on the seats and is `wanted`.
    pub(crate) fn all_running(&self, wanted: impl Fn(TaskId) -> bool) -> Vec<Straggler> {
        let seats = self.seats.iter();
        seats
            .filter_map(|seat| self.running(seat, &wanted))
            .collect()
    }

    /// Hands a failure to the hook; a hook that panics is switched off.
    pub(crate) fn report(&self, failure: Unobserved) {
        if failure.payload.is::<Over>() {
            return;
        }
        self.counters.unobserved.bump_shared();
        frame::outside(|| self.hooks.report(failure, self.driver.now()));
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let mut sum = Metrics::default();
        for seat in self.seats.iter() {
            seat.counters.add_to(&mut sum);
        }
        self.counters.add_to(&mut sum);
        let seats = self.seats.iter().map(|seat| &seat.counts);
        let all_counts = seats.chain([&self.counts]);
        sum.live_tasks = live::alive(all_counts.clone().map(|counts| &counts.tasks));
        sum.live_groups = live::alive(all_counts.map(|counts| &counts.groups));
        sum.live_timers = self.driver.timers() as u64;
        let tokio = self.driver.beside();
        sum.live_tokio_tasks = tokio.map_or(0, Beside::alive) as u64;
        sum
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Jobs that are left were never run: their tasks leak rather than run on a runtime that has
        // ended. There are none after an orderly end, because the root is empty then.
        let _ = unwind::drop_quietly(self.threads.get_mut().drain(..).collect::<Vec<_>>());
    }
}
