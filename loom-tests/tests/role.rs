//! Models of `src/driver/role.rs`, over the real parker and the real wheel.
//!
//! The selector is a bell: a notification is kept until the next wait, an event until a holder has
//! dispatched it. A `straying` bell has whoever is to sleep be away before: in code of others.
//! `MUTANT` weakens it: a `deaf` bell does not hear notifications, a `forgetful` one keeps none, and
//! a `silent` one does not say that a look took one, so that it is not passed on. The role itself
//! has no ordering to weaken: its word decides which thread holds the role, and locks order the
//! steps of the threads.

use driver::role::{Limit, Role, Selector};
use loom_tests::run::{End, explore, models};
use loom_tests::sync;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};
use sync::cell::Racy;
use sync::{Arc, Condvar, Mutex, thread};

#[path = "../../src/keyed_queue.rs"]
mod keyed_queue;
#[expect(
    dead_code,
    reason = "only what sleeps and wakes has a part in these models"
)]
#[path = "../../src/driver"]
mod driver {
    pub mod role;
    pub mod slab;
    pub mod timers;
    pub mod wheel;
}
#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/parker.rs"]
mod parker;
#[expect(dead_code, reason = "only what the wheel needs")]
#[path = "../../src/unwind.rs"]
mod unwind;
#[expect(dead_code, reason = "only what the wheel needs")]
#[path = "../../src/waiters.rs"]
mod waiters;

struct Inside {
    rung: bool,
    waiting: bool,
    away: bool,
    events: u32,
    now: Instant,
}

struct Bell {
    inside: Mutex<Inside>,
    condvar: Condvar,
    straying: bool,
    dispatched: Racy,
}

/// What one wait has found.
#[derive(Default)]
struct Found {
    events: u32,
    notified: bool,
}

fn weakened(how: &str) -> bool {
    std::env::var("MUTANT").is_ok_and(|mutant| mutant == how)
}

impl Bell {
    fn ring(&self, events: u32) {
        let mut inside = self.inside.lock();
        inside.events += events;
        let heard = events > 0 || !weakened("deaf");
        let kept = events > 0 || inside.waiting || !weakened("forgetful");
        inside.rung |= heard && kept;
        drop(inside);
        self.condvar.notify_one();
    }
}

impl Selector for Bell {
    type Events = Found;

    fn now(&self) -> Instant {
        self.inside.lock().now
    }

    fn wait(&self, found: &mut Found, limit: Limit) {
        if self.straying && limit != Limit::Now {
            self.inside.lock().away = true;
            self.inside.lock().away = false;
        }
        let mut inside = self.inside.lock();
        inside.waiting = true;
        while limit == Limit::Never && !inside.rung && inside.events == 0 {
            self.condvar.wait(&mut inside);
        }
        inside.waiting = false;
        found.notified = std::mem::take(&mut inside.rung);
        if let Limit::Until(at) = limit {
            inside.now = inside.now.max(at);
        }
        found.events = std::mem::take(&mut inside.events);
    }

    fn notify(&self) {
        self.ring(0);
    }

    fn dispatch(&self, found: &mut Found) -> usize {
        if found.events > 0 {
            self.dispatched.set(1);
        }
        std::mem::take(&mut found.events) as usize
    }

    fn count(&self, found: &Found) -> usize {
        found.events as usize
    }

    fn took_notification(&self, found: &Found) -> bool {
        found.notified && !weakened("silent")
    }

    fn away(&self) -> Option<u32> {
        self.inside.lock().away.then_some(0)
    }
}

/// What a timer does.
struct Fires(Arc<Racy>);

impl Wake for Fires {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.set(1);
    }
}

struct Pool {
    role: Role<Bell>,
    parkers: [parker::Parker; 2],
    fired: Arc<Racy>,
    base: Instant,
}

fn pool() -> Arc<Pool> {
    pool_of(false)
}

fn pool_of(straying: bool) -> Arc<Pool> {
    let base = Instant::now();
    let bell = Bell {
        inside: Mutex::new(Inside {
            rung: false,
            waiting: false,
            away: false,
            events: 0,
            now: base,
        }),
        condvar: Condvar::new(),
        straying,
        dispatched: Racy::default(),
    };
    Arc::new(Pool {
        role: Role::new(bell, 2),
        parkers: [parker::Parker::new(), parker::Parker::new()],
        fired: Arc::new(Racy::default()),
        base,
    })
}

impl Pool {
    fn park(&self, seat: usize) {
        self.role.park(&self.parkers[seat], || {}, || {});
    }

    fn insert(&self, seat: usize, after: u64) {
        let fired = Arc::clone(&self.fired);
        let waker = Waker::from(std::sync::Arc::new(Fires(fired)));
        let at = self.base + Duration::from_secs(after);
        let _ = self.role.insert(seat, at, waker);
    }
}

/// A timer that is inserted while a worker falls asleep without one ends its sleep, or is seen
/// before it.
#[test]
fn model_a_timer_shortens_the_wait() {
    explore(|| {
        let pool = pool();
        let theirs = Arc::clone(&pool);
        let sleeper = thread::spawn(move || theirs.park(0));
        pool.insert(1, 1);
        sleeper.join().unwrap();
        assert_eq!(pool.fired.get(), 1, "the timer fired");
    });
}

/// Two workers go to sleep, and each is unparked.
fn unpark_two(pool: Arc<Pool>) {
    let sleepers: Vec<_> = (0..2)
        .map(|seat| {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.park(seat))
        })
        .collect();
    for parker in &pool.parkers {
        pool.role.unpark(parker);
    }
    for sleeper in sleepers {
        sleeper.join().unwrap();
    }
}

/// Two workers sleep, one of them in the driver; each is woken by its own parker.
#[test]
fn model_unpark_reaches_both_beds() {
    explore(|| unpark_two(pool()));
}

/// A worker that finds the role with a thread that only looks sleeps elsewhere: it is woken, takes
/// the role, and sees the event that came after the look.
#[test]
fn model_a_look_passes_the_role_on() {
    explore(|| {
        let pool = pool();
        let theirs = Arc::clone(&pool);
        let sleeper = thread::spawn(move || {
            while theirs.role.selector.dispatched.get() == 0 {
                theirs.park(0);
            }
        });
        if pool.role.turn().wanted {
            pool.role.unpark(&pool.parkers[0]);
        }
        pool.role.selector.ring(1);
        sleeper.join().unwrap();
    });
}

/// An event and a timer meet one sleeper: both get through, each once.
#[test]
fn model_an_event_and_a_timer() {
    explore(|| {
        let pool = pool();
        let theirs = Arc::clone(&pool);
        let sleeper = thread::spawn(move || {
            while theirs.role.selector.dispatched.get() == 0 || theirs.fired.get() == 0 {
                theirs.park(0);
            }
        });
        let theirs = Arc::clone(&pool);
        let other = thread::spawn(move || theirs.role.selector.ring(1));
        pool.insert(1, 1);
        sleeper.join().unwrap();
        other.join().unwrap();
    });
}

/// A look for a holder that is away comes when that is back and asleep: it takes the notification of
/// a timer that is earlier than the end of this sleep, and passes it on.
#[test]
fn model_a_look_for_a_holder_that_is_away_leaves_it_its_timer() {
    explore(|| {
        let pool = pool_of(true);
        let theirs = Arc::clone(&pool);
        let sleeper = thread::spawn(move || {
            while theirs.fired.get() == 0 {
                theirs.park(0);
            }
        });
        pool.insert(1, 1);
        let turn = pool.role.turn();
        // The look may have fired it itself.
        if turn.wanted || turn.woken {
            pool.role.unpark(&pool.parkers[0]);
        }
        sleeper.join().unwrap();
    });
}

/// The same with a token of the holder's, and a look before a sleep elsewhere.
#[test]
fn model_a_look_for_a_holder_that_is_away_leaves_it_its_token() {
    explore(|| unpark_two(pool_of(true)));
}

#[test]
fn mutants_die() {
    let binary = std::env::current_exe().expect("this test has a path");
    assert_eq!(models(&binary, None), End::Passed);
    for mutant in ["deaf", "forgetful", "silent"] {
        assert_eq!(
            models(&binary, Some((mutant, "Relaxed"))),
            End::Failed,
            "{mutant}"
        );
    }
}
