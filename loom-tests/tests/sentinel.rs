//! Models of `src/pool/sentinel.rs`, over the real event count, parkers, role and list of sleepers:
//! a worker leaves the driver and never comes back, while another one sleeps. The sentinel wakes
//! the sleeper, whatever the sentinel was about to do itself, which then sleeps in the driver; and
//! the sentinel ends with the runtime. A worker pushes a job, wakes nobody for it and never comes
//! back: the sentinel wakes a sleeper for it, in the same way.
//!
//! The files below that have orderings have models of their own. Ticks take no time here; that a
//! sentinel with nothing to do sleeps is how a model ends.

use loom_tests::run::{End, explore_with, models};
use loom_tests::sync;
use sync::cell::Racy;
use sync::{Arc, thread};

#[path = "../../src/keyed_queue.rs"]
mod keyed_queue;
#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/driver"]
mod driver {
    pub mod role;
    pub mod slab;
    pub mod timers;
    pub mod wheel;
}
#[path = "../../src/eventcount.rs"]
mod eventcount;
#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/parker.rs"]
mod parker;
#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/sleep.rs"]
mod sleep;
#[expect(dead_code, reason = "only what the wheel needs")]
#[path = "../../src/unwind.rs"]
mod unwind;
#[expect(dead_code, reason = "only what the wheel needs")]
#[path = "../../src/waiters.rs"]
mod waiters;

#[path = "../../src/pool"]
mod pool {
    pub mod sentinel;
}

use driver::role::{Limit, Role, Selector};
use parker::Parker;
use pool::sentinel::{Seen, Sentinel};
use sleep::Sleep;
use std::sync::OnceLock;
use std::time::Instant;
use sync::{Condvar, Mutex};

/// A runtime of two workers, as far as a sentinel knows it.
struct Shared {
    sleep: Sleep,
    role: Role<Bell>,
    sentinel: Sentinel,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    parkers: [Parker; 2],
    /// One, while a job waits on a seat whose worker does not come back; in models that push one.
    queue: Option<Racy>,
    /// The worker of seat 0 has a job whenever it does not sleep. Set before the model begins, and
    /// no part of it: models without such a job have no schedules more.
    has_job: OnceLock<()>,
    /// A tick has seen it there, and the worker may return from it.
    is_seen: Mutex<bool>,
    seen: Condvar,
}

impl Shared {
    fn new(queue: bool) -> Arc<Self> {
        Arc::new(Self {
            sleep: Sleep::new(),
            role: Role::new(Bell::new(), 1),
            sentinel: Sentinel::new(),
            thread: Mutex::default(),
            parkers: [Parker::new(), Parker::new()],
            queue: queue.then(Racy::default),
            has_job: OnceLock::new(),
            is_seen: Mutex::default(),
            seen: Condvar::new(),
        })
    }

    fn notify(&self) {
        if self.sleep.hears_nothing() {
            self.wake_one();
        }
    }

    fn wake_one(&self) {
        if let Some(seat) = self.sleep.take_one() {
            self.role.unpark(&self.parkers[seat]);
        }
    }

    fn waits(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.get() == 1)
    }

    /// A worker that pushes to its own seat, and leaves the wake to the sentinel.
    fn push(&self) {
        self.queue.as_ref().expect("of a model that pushes").set(1);
        if self.sleep.hears_nothing()
            && !weakened("trusting")
            && !self.sentinel.stands_by(|| unreachable!("it was started"))
        {
            self.wake_one();
        }
    }

    /// The last look of a searcher: it leaves the job to the worker that pushed it.
    fn leave(&self) {
        if self.waits()
            && !weakened("careless")
            && !self.sentinel.stands_by(|| unreachable!("it was started"))
        {
            self.notify();
        }
    }

    fn is_in_job(&self) -> bool {
        self.has_job.get().is_some() && !self.sleep.sleepers().contains(&0)
    }

    /// A tick: whether the worker of seat 0 is in its job.
    fn tick(&self) -> bool {
        let is_in_job = self.is_in_job();
        if is_in_job {
            *self.is_seen.lock() = true;
            self.seen.notify_one();
        }
        is_in_job
    }

    fn raise_sentinel(self: &Arc<Self>) {
        self.sentinel.raise(|| {
            let theirs = Arc::clone(self);
            let watch = move || {
                let mut waited = false;
                let look = || {
                    let waits = theirs.waits();
                    let stands = waits && std::mem::replace(&mut waited, waits);
                    Seen {
                        waits,
                        stands,
                        busy: theirs.tick(),
                    }
                };
                let (role, sleep) = (&theirs.role, &theirs.sleep);
                let (notify, waits) = (
                    || theirs.notify(),
                    || {
                        !weakened("blind") && theirs.waits()
                            || !weakened("deaf") && theirs.is_in_job()
                    },
                );
                theirs.sentinel.watch(role, sleep, notify, look, waits);
                if theirs.waits() && !weakened("hasty") {
                    theirs.notify();
                }
            };
            *self.thread.lock() = Some(thread::spawn(watch));
            true
        });
    }
}

fn weakened(how: &str) -> bool {
    std::env::var("MUTANT").is_ok_and(|mutant| mutant == how)
}

/// A selector of events that come from outside.
struct Bell {
    events: Mutex<u32>,
    condvar: Condvar,
    now: Instant,
}

impl Bell {
    fn new() -> Self {
        Self {
            events: Mutex::new(0),
            condvar: Condvar::new(),
            now: Instant::now(),
        }
    }

    fn ring(&self) {
        *self.events.lock() += 1;
        self.condvar.notify_one();
    }
}

impl Selector for Bell {
    type Events = u32;

    fn now(&self) -> Instant {
        self.now
    }

    fn wait(&self, events: &mut u32, _: Limit) {
        let mut inside = self.events.lock();
        while *inside == 0 {
            self.condvar.wait(&mut inside);
        }
        *events = std::mem::take(&mut inside);
    }

    fn notify(&self) {
        self.ring();
    }

    fn dispatch(&self, events: &mut u32) -> usize {
        std::mem::take(events) as usize
    }

    fn count(&self, events: &u32) -> usize {
        *events as usize
    }

    fn took_notification(&self, events: &u32) -> bool {
        *events > 0
    }
}

/// The worker of that seat sleeps in the driver until an event comes, says that it has left, and
/// never comes back.
fn drive(shared: &Arc<Shared>, seat: usize) {
    let mut left = false;
    while !left {
        shared.sleep.fall_asleep(seat, false);
        let awake = || {
            let _ = shared.sleep.stay_awake(seat);
            left = true;
            shared.raise_sentinel();
        };
        shared.role.park(&shared.parkers[seat], || {}, awake);
        // It has counted as searching since it was woken.
        let _ = shared.sleep.stop_search();
    }
}

/// The worker of that seat sleeps on its parker until the sentinel, or the end, finds that it is
/// needed; then, unless that was the end, it sleeps in the driver.
fn sleeps(shared: &Arc<Shared>, seat: usize, drives: bool) -> thread::JoinHandle<()> {
    shared.sleep.fall_asleep(seat, false);
    let theirs = Arc::clone(shared);
    thread::spawn(move || {
        theirs.parkers[seat].park();
        // It counts as searching since it was woken, and has found that no worker is in the driver.
        let _ = theirs.sleep.stop_search();
        if drives {
            drive(&theirs, seat);
        }
    })
}

/// The end, as in a shutdown: of the sentinel's thread, if there is one.
fn end(shared: &Shared) {
    shared.sentinel.end();
    let thread = shared.thread.lock().take();
    if let Some(thread) = thread {
        thread.join().unwrap();
    }
}

/// The first time: the sentinel's thread is started, and two looks are enough, once no worker
/// searches.
#[test]
fn model_the_driver_is_left() {
    explore_with(2, || {
        sync::time::ends(1);
        let shared = Shared::new(false);
        let sleeper = sleeps(&shared, 1, true);
        shared.role.selector.ring();
        drive(&shared, 0);
        sync::time::passes(2);
        shared.role.selector.ring();
        sleeper.join().unwrap();
        end(&shared);
    });
}

/// Up to here the sentinel has looked twice, and all but two times in vain of those after which it
/// sleeps. The worker of seat 1 is in the driver.
fn looks_in_vain(queue: bool) -> (Arc<Shared>, thread::JoinHandle<()>) {
    sync::time::ends(2);
    let shared = Shared::new(queue);
    let sleeper = sleeps(&shared, 1, true);
    shared.role.selector.ring();
    drive(&shared, 0);
    while shared.role.left_after().is_some() {
        thread::yield_now();
    }
    sync::time::passes(18);
    while sync::time::left() > 0 {
        thread::yield_now();
    }
    (shared, sleeper)
}

/// Later: the sentinel has looked in vain for a while, and is about to sleep, or does.
#[test]
fn model_the_driver_is_left_again() {
    explore_with(2, || {
        loom::stop_exploring();
        let (shared, first) = looks_in_vain(false);
        let second = sleeps(&shared, 0, true);
        loom::explore();
        sync::time::passes(2);
        shared.role.selector.ring();
        first.join().unwrap();
        // Two looks from now on are enough; or four, if the worker came while the first one was
        // about to give the role up.
        sync::time::passes(4);
        shared.role.selector.ring();
        second.join().unwrap();
        end(&shared);
    });
}

/// A worker is woken while another one sleeps in the driver, and the sentinel is about to sleep, or
/// does: it ticks while that worker is in its job.
#[test]
fn model_a_worker_has_a_job() {
    explore_with(2, || {
        loom::stop_exploring();
        let (shared, driver) = looks_in_vain(false);
        shared.sleep.fall_asleep(0, false);
        shared.has_job.set(()).expect("set once");
        loom::explore();
        let theirs = Arc::clone(&shared);
        let worker = thread::spawn(move || {
            let _ = theirs.sleep.stay_awake(0);
            let _ = theirs.sleep.stop_search();
            theirs.raise_sentinel();
            let mut is_seen = theirs.is_seen.lock();
            while !*is_seen {
                theirs.seen.wait(&mut is_seen);
            }
        });
        // Two, and it falls asleep unless it sees the worker; and two from then on.
        sync::time::passes(4);
        worker.join().unwrap();
        shared.role.selector.ring();
        driver.join().unwrap();
        end(&shared);
    });
}

/// The runtime ends while the sentinel looks, or sleeps, or is woken.
#[test]
fn model_the_end_of_the_runtime() {
    explore_with(2, || {
        sync::time::ends(1);
        let shared = Shared::new(false);
        let sleeper = sleeps(&shared, 1, false);
        shared.role.selector.ring();
        drive(&shared, 0);
        end(&shared);
        shared.notify();
        sleeper.join().unwrap();
    });
}

/// The runtime ends while the sentinel falls asleep.
#[test]
fn model_the_end_while_the_sentinel_falls_asleep() {
    explore_with(2, || {
        loom::stop_exploring();
        let (shared, sleeper) = looks_in_vain(false);
        loom::explore();
        sync::time::passes(2);
        end(&shared);
        shared.role.selector.ring();
        sleeper.join().unwrap();
    });
}

/// A worker pushes a job while the sentinel has looked in vain for a while, and is about to sleep,
/// or does. It never comes back, and the worker of seat 1 is woken for the job.
#[test]
fn model_a_wake_is_withheld() {
    explore_with(2, || {
        loom::stop_exploring();
        let (shared, sleeper) = looks_in_vain(true);
        loom::explore();
        sync::time::passes(2);
        shared.push();
        sync::time::passes(3);
        sleeper.join().unwrap();
        end(&shared);
    });
}

/// The same for a job that was pushed while a worker searched, which then leaves it where it is:
/// because it falls asleep, or because it has found another job.
#[test]
fn model_a_searcher_leaves_a_job() {
    for sleeps in [false, true] {
        explore_with(2, move || {
            loom::stop_exploring();
            let (shared, sleeper) = looks_in_vain(true);
            shared.sleep.search_again();
            loom::explore();
            sync::time::passes(2);
            let theirs = Arc::clone(&shared);
            let pusher = thread::spawn(move || theirs.push());
            if sleeps {
                shared.sleep.fall_asleep(0, true);
                shared.leave();
                // If it was woken itself, the other one is woken so that the model ends.
                if !shared.sleep.stay_awake(0) {
                    let _ = shared.sleep.stop_search();
                    shared.notify();
                } else if shared.sleep.stop_search() {
                    shared.leave();
                }
            } else if shared.sleep.stop_search() {
                shared.leave();
            }
            pusher.join().unwrap();
            sync::time::passes(3);
            sleeper.join().unwrap();
            end(&shared);
        });
    }
}

/// The sentinel ends while a wake is withheld.
#[test]
fn model_the_end_while_a_wake_is_withheld() {
    explore_with(2, || {
        loom::stop_exploring();
        let (shared, sleeper) = looks_in_vain(true);
        loom::explore();
        let theirs = Arc::clone(&shared);
        let pusher = thread::spawn(move || theirs.push());
        end(&shared);
        pusher.join().unwrap();
        sleeper.join().unwrap();
    });
}

#[test]
fn mutants_die() {
    let binary = std::env::current_exe().expect("this test has a path");
    for mutant in ["trusting", "careless", "blind", "hasty", "deaf"] {
        assert_eq!(
            models(&binary, Some((mutant, "Relaxed"))),
            End::Failed,
            "{mutant}"
        );
    }
}
