//! Models of `src/waiters.rs`: register x wake all x remove. The condition is set before, or looked
//! at after.

use loom_tests::run::explore;
use loom_tests::sync;
use std::task::{Wake, Waker};
use sync::cell::Racy;
use sync::{Arc, thread};

#[path = "../../src/keyed_queue.rs"]
mod keyed_queue;
#[expect(dead_code, reason = "a list of wakers needs a part of it")]
#[path = "../../src/unwind.rs"]
mod unwind;
#[expect(dead_code, reason = "only dumps look at all wakers")]
#[path = "../../src/waiters.rs"]
mod waiters;

use waiters::{Key, Waiters};

#[derive(Default)]
struct Bell(Racy);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.set(1);
    }
}

struct Stop {
    flag: Racy,
    waiters: Waiters<1>,
}

impl Stop {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            flag: Racy::default(),
            waiters: Waiters::new(),
        })
    }

    fn stop(&self) {
        self.flag.set(1);
        self.waiters.wake_all();
    }
}

/// Two waiters register and look while the condition comes true: each sees it or is woken.
#[test]
fn model_two_waiters() {
    explore(|| {
        let stop = Stop::new();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let stop = Arc::clone(&stop);
                let bell = Arc::new(Bell::default());
                let theirs = Arc::clone(&bell);
                let thread = thread::spawn(move || {
                    let mut key = Key::default();
                    stop.waiters.register(&mut key, &Waker::from(theirs));
                    stop.flag.get() == 1
                });
                (thread, bell)
            })
            .collect();
        stop.stop();
        for (thread, bell) in waiters {
            let seen = thread.join().unwrap();
            assert!(seen || bell.0.get() == 1, "a stop is lost");
        }
    });
}

/// A waiter that registers again under its key, with another waker, is woken by the newer one; one
/// without a key too.
#[test]
fn model_register_again() {
    explore(|| {
        let stop = Stop::new();
        let theirs = Arc::clone(&stop);
        let stopper = thread::spawn(move || theirs.stop());
        let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
        let mut key = Key::default();
        stop.waiters
            .register(&mut key, &Waker::from(Arc::clone(&bells[0])));
        stop.waiters
            .register(&mut key, &Waker::from(Arc::clone(&bells[1])));
        let keyless = Waker::from(Arc::clone(&bells[1]));
        assert!(stop.waiters.add(&keyless).is_none());
        let seen = stop.flag.get() == 1;
        stopper.join().unwrap();
        assert!(seen || bells[1].0.get() == 1, "a stop is lost");
    });
}

/// A waiter that goes away takes its waker along, or it was called; another one stays.
#[test]
fn model_remove() {
    explore(|| {
        let stop = Stop::new();
        let leaving = Arc::new(Bell::default());
        let staying = Arc::new(Bell::default());
        let mut other = Key::default();
        let mut key = Key::default();
        stop.waiters
            .register(&mut key, &Waker::from(Arc::clone(&leaving)));
        stop.waiters
            .register(&mut other, &Waker::from(Arc::clone(&staying)));
        let theirs = Arc::clone(&stop);
        let stopper = thread::spawn(move || theirs.stop());
        stop.waiters.remove(&mut key);
        stopper.join().unwrap();
        assert_eq!(staying.0.get(), 1);
        assert_eq!(Arc::strong_count(&leaving), 1);
        assert_eq!(Arc::strong_count(&staying), 1);
    });
}

/// Waiters without a key, for fewer of whom there is room than come: one that was displaced, and
/// woken, comes again, and none is lost.
#[test]
fn model_displaced_waiters() {
    explore(|| {
        let stop = Stop::new();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let stop = Arc::clone(&stop);
                let bell = Arc::new(Bell::default());
                let theirs = Waker::from(Arc::clone(&bell));
                let thread = thread::spawn(move || {
                    if let Some(displaced) = stop.waiters.add(&theirs) {
                        displaced.wake();
                    }
                    stop.flag.get() == 1
                });
                (thread, bell)
            })
            .collect();
        stop.stop();
        // Both have ended: one of them may have woken the other.
        let ended: Vec<_> = waiters
            .into_iter()
            .map(|(thread, bell)| (thread.join().unwrap(), bell))
            .collect();
        for (seen, bell) in ended {
            assert!(seen || bell.0.get() == 1, "a stop is lost");
        }
    });
}
