//! The sentinel: sees to it that busy workers look at what is not in their queues, that no job
//! waits for a worker that does not come back to it, and that a thread watches time and I/O while a
//! task that does not return keeps a worker.
//!
//! An idle worker sleeps in the driver, the others on their parkers. When something arrives, the
//! worker leaves the driver to run it, and wakes no other: as a rule it is back in microseconds,
//! and a wake-up costs more than that. From then on no thread watches. So the worker that leaves
//! the driver raises the sentinel, a thread that looks every millisecond. While it finds no worker
//! asleep in the driver it *beats*: busy workers see that before their next job, and look around
//! (`pool::looks`). If none has looked for a whole tick, and a worker sleeps elsewhere, it wakes
//! that one, which finds nothing to do and goes to sleep in the driver.
//!
//! It also stands behind each wake that a worker withholds when it pushes to its own seat
//! (`pool::crowd`): while jobs wait it beats, and if a seat has not begun a job since the last tick
//! it wakes a sleeper for what waits there. So such a job waits for two ticks, or its worker's one
//! job, at most.
//!
//! At each tick it also looks which workers do not come back from a job (`pool::watch`). So it
//! ticks on while any worker is in one, and is raised, too, by a worker that has a job after it
//! slept, and by one that goes on after it waited.
//!
//! While a worker sleeps in the driver, none is in a job and none waits, after some time, the
//! sentinel sleeps without a limit: an idle runtime wakes up for nothing. Its thread is started the
//! first time that it is needed. A worker that withholds a wake sees to it that the sentinel is
//! awake, by the event count: a job that waits is its condition, too.
//!
//! The sentinel knows the role and the list of sleepers. The runtime, which is above it, gives it a
//! thread, wakes the sleeper, and looks at the queues.

use crate::driver::role::{Role, Selector};
use crate::eventcount::{EventCount, Waiter};
use crate::parker::Parker;
use crate::sleep::Sleep;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::bed::{Condvar, Mutex};
use std::time::Duration;

/// Between two looks. Time and I/O are unwatched for two of these at most, or one job. A look costs
/// a few microseconds of a processor, most of them for the sleep before it.
const TICK: Duration = Duration::from_millis(1);

/// Looks in vain, one after the other, before it sleeps: 20 ms, so that a runtime with something to
/// do now and then does not pay for a wake-up of the sentinel each time.
const LINGER: u32 = 20;

/// What the runtime sees at a tick.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// A job waits on a seat.
    pub(crate) waits: bool,
    /// A job waits on a seat that has begun none since the last tick.
    pub(crate) stands: bool,
    /// A worker is in a job: then the next tick matters, too.
    pub(crate) busy: bool,
}

/// The watcher of one runtime.
pub(crate) struct Sentinel {
    count: EventCount,
    /// Counted up at each look that finds no worker asleep in the driver, or a job that waits;
    /// wraps.
    beat: AtomicU32,
    parker: Parker,
    /// Whether the thread was started, or could not be. Before that it counts as asleep.
    started: AtomicBool,
    over: Mutex<bool>,
    ends: Condvar,
}

impl Sentinel {
    pub(crate) fn new() -> Self {
        Self {
            count: EventCount::new(),
            beat: AtomicU32::new(0),
            parker: Parker::new(),
            started: AtomicBool::new(false),
            over: Mutex::new(false),
            ends: Condvar::new(),
        }
    }

    /// How often it has beaten.
    #[inline]
    pub(crate) fn beat(&self) -> u32 {
        // Relaxed: a worker that misses it sees it before its next job.
        self.beat.load(Ordering::Relaxed)
    }

    /// A worker has left the driver, or is in a job from now on. `start` is called if there is no
    /// thread yet: it starts one that calls [`Sentinel::watch`], or says that none can be had.
    pub(crate) fn raise(&self, start: impl FnOnce() -> bool) {
        let waiter = self.count.raise();
        self.wake(waiter, start);
    }

    /// A job waits, and no worker is woken for it: whether the sentinel will look. It is awake, or
    /// is woken, as by [`Sentinel::raise`]. The caller has passed a SeqCst fence since the job was
    /// pushed, or has seen it after one.
    pub(crate) fn stands_by(&self, start: impl FnOnce() -> bool) -> bool {
        self.wake(self.count.raise_fenced(), start)
    }

    fn wake(&self, waiter: Waiter, start: impl FnOnce() -> bool) -> bool {
        match waiter {
            Waiter::Awake => true,
            Waiter::Gone => false,
            // Relaxed: only one starts the thread, which synchronises by being started.
            Waiter::Slept if self.started.swap(true, Ordering::Relaxed) => {
                let _ = self.parker.unpark();
                true
            }
            Waiter::Slept => start(),
        }
    }

    /// There is no thread, or it ends. The caller looks for jobs that wait once more.
    pub(crate) fn go(&self) {
        self.count.go();
    }

    /// Ends the thread.
    pub(crate) fn end(&self) {
        *self.over.lock() = true;
        self.ends.notify_all();
        let _ = self.parker.unpark();
    }

    /// Waits for a tick; false at the end.
    fn tick(&self) -> bool {
        let mut over = self.over.lock();
        !*over && {
            self.ends.wait_for(&mut over, TICK);
            !*over
        }
    }

    /// What the thread does until the end. `notify` wakes a sleeper; `look` is called at each tick;
    /// `matters` says whether a job waits on a seat, or a worker is in one. At the end the caller
    /// looks for one once more.
    pub(crate) fn watch<S: Selector>(
        &self,
        role: &Role<S>,
        sleep: &Sleep,
        notify: impl Fn(),
        mut look: impl FnMut() -> Seen,
        matters: impl Fn() -> bool,
    ) {
        let mut left_before = None;
        let mut vain = 0;
        while self.tick() {
            let left = role.left_after();
            let seen = look();
            if left.is_some() || seen.waits {
                // Relaxed: a hint, with one writer.
                self.beat
                    .store(self.beat().wrapping_add(1), Ordering::Relaxed);
            }
            let unwatched = left.is_some() && left == left_before;
            if (unwatched || seen.stands) && sleep.has_sleepers() {
                notify();
            }
            vain = match left.is_some() || seen.waits || seen.busy {
                true => 0,
                false => vain + 1,
            };
            left_before = left;
            if vain == LINGER {
                vain = 0;
                self.count.fall_asleep();
                // A token that is on its way is taken by a later park, which then returns early and
                // does no harm.
                if role.left_after().is_some() || matters() {
                    let _ = self.count.stay_awake();
                } else {
                    self.parker.park();
                }
            }
        }
        self.go();
    }
}
