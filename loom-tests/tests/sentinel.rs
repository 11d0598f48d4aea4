//! Models of `src/pool/sentinel.rs`, over the real event count, parkers, role and list of sleepers:
//! a worker leaves the driver and never comes back, while another one sleeps. The sentinel wakes
//! the sleeper, whatever the sentinel was about to do itself, which then sleeps in the driver; and
//! the sentinel ends with the runtime.
//!
//! The files below that have orderings have models of their own. Ticks take no time here; that a
//! sentinel with nothing to do sleeps is how a model ends.

use loom_tests::run::explore_with;
use loom_tests::sync;
use sync::{Arc, thread};

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/driver"]
mod driver {
    pub mod role;
    pub mod wheel;
}
#[path = "../../src/eventcount.rs"]
mod eventcount;
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
use pool::sentinel::Sentinel;
use sleep::Sleep;
use std::time::Instant;
use sync::{Condvar, Mutex};

/// A runtime of two workers, as far as a sentinel knows it.
struct Shared {
    sleep: Sleep,
    role: Role<Bell>,
    sentinel: Sentinel,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    parkers: [Parker; 2],
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            sleep: Sleep::new(),
            role: Role::new(Bell::new()),
            sentinel: Sentinel::new(),
            thread: Mutex::default(),
            parkers: [Parker::new(), Parker::new()],
        })
    }

    fn notify(&self) {
        if let Some(seat) = self.sleep.notify() {
            self.role.unpark(&self.parkers[seat]);
        }
    }

    fn raise_sentinel(self: &Arc<Self>) {
        self.sentinel.raise(|| {
            let theirs = Arc::clone(self);
            let watch = move || {
                let notify = || theirs.notify();
                theirs
                    .sentinel
                    .watch(&theirs.role, &theirs.sleep, notify, || false);
            };
            *self.thread.lock() = Some(thread::spawn(watch));
        });
    }
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
        let shared = Shared::new();
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
fn looks_in_vain() -> (Arc<Shared>, thread::JoinHandle<()>) {
    sync::time::ends(2);
    let shared = Shared::new();
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
        let (shared, first) = looks_in_vain();
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

/// The runtime ends while the sentinel looks, or sleeps, or is woken.
#[test]
fn model_the_end_of_the_runtime() {
    explore_with(2, || {
        sync::time::ends(1);
        let shared = Shared::new();
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
        let (shared, sleeper) = looks_in_vain();
        loom::explore();
        sync::time::passes(2);
        end(&shared);
        shared.role.selector.ring();
        sleeper.join().unwrap();
    });
}
