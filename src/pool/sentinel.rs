//! The sentinel: sees to it that busy workers look at what is not in their queues, and that a
//! thread watches time and I/O while a task that does not return keeps a worker.
//!
//! An idle worker sleeps in the driver, the others on their parkers. When something arrives, the
//! worker leaves the driver to run it, and wakes no other: as a rule it is back in microseconds,
//! and a wake-up costs more than that. From then on no thread watches. So the worker that leaves
//! the driver raises the sentinel, a thread that looks every millisecond. While it finds no worker
//! asleep in the driver it *beats*: busy workers see that before their next job, and look around
//! (`pool::looks`). If none has looked for a whole tick, and a worker sleeps elsewhere, it wakes
//! that one, which finds nothing to do and goes to sleep in the driver.
//!
//! While a worker sleeps in the driver, after some time, the sentinel sleeps without a limit: an
//! idle runtime wakes up for nothing. Its thread is started the first time that it is needed.
//!
//! The sentinel knows the role and the list of sleepers. The runtime, which is above it, gives it a
//! thread, and wakes the sleeper.

use crate::driver::role::{Role, Selector};
use crate::eventcount::EventCount;
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

/// The watcher of one runtime.
pub(crate) struct Sentinel {
    left: EventCount,
    /// Counted up at each look that finds no worker asleep in the driver; wraps.
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
            left: EventCount::new(),
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

    /// A worker has left the driver, or has begun. `start` is called if there is no thread yet: it
    /// starts one that calls [`Sentinel::watch`].
    pub(crate) fn raise(&self, start: impl FnOnce()) {
        if !self.left.raise() {
            return;
        }
        // Relaxed: only one starts the thread, which synchronises by being started.
        if self.started.swap(true, Ordering::Relaxed) {
            let _ = self.parker.unpark();
        } else {
            start();
        }
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

    /// What the thread does until the end. `notify` wakes a sleeper; `ticked` is called at each
    /// tick, and says whether a worker is stalled: then the next tick matters, too.
    pub(crate) fn watch<S: Selector>(
        &self,
        role: &Role<S>,
        sleep: &Sleep,
        notify: impl Fn(),
        mut ticked: impl FnMut() -> bool,
    ) {
        let mut left_before = None;
        let mut vain = 0;
        while self.tick() {
            let left = role.left_after();
            if left.is_some() {
                // Relaxed: a hint, with one writer.
                self.beat
                    .store(self.beat().wrapping_add(1), Ordering::Relaxed);
                if left == left_before && sleep.has_sleepers() {
                    notify();
                }
            }
            let is_any_stalled = ticked();
            vain = match left.is_some() || is_any_stalled {
                true => 0,
                false => vain + 1,
            };
            left_before = left;
            if vain == LINGER {
                vain = 0;
                self.left.fall_asleep();
                // A token that is on its way is taken by a later park, which then returns early and
                // does no harm.
                if role.left_after().is_some() {
                    let _ = self.left.stay_awake();
                } else {
                    self.parker.park();
                }
            }
        }
    }
}
