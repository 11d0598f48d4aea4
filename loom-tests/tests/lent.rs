//! Models of `src/driver/lent.rs`, with the bell by which the driver's role ends a sleep elsewhere.
//!
//! `MUTANT` weakens what is around it: a `deaf` thread that gives the thing back does not heed that
//! it was wanted, a `careless` sleeper does not say that it wants it, and an `open` end does not
//! close it. What is in the file is under one lock.

use lent::{Lent, StillOut};
use loom_tests::run::{End, explore, models};
use loom_tests::sync;
use std::time::Duration;
use sync::cell::Racy;
use sync::{Arc, Condvar, Mutex, thread};

#[path = "../../src/driver/lent.rs"]
mod lent;

/// A thing that one thread has at a time: its uses are counted without a lock.
struct Thing(Arc<Racy>);

impl Thing {
    fn visit(&self) {
        self.0.set(self.0.get() + 1);
    }
}

struct Shared {
    lent: Lent<Thing>,
    uses: Arc<Racy>,
    /// What a thread sleeps in that could not have the thing, or that has it for long.
    bell: (Mutex<bool>, Condvar),
}

fn weakened(how: &str) -> bool {
    std::env::var("MUTANT").is_ok_and(|mutant| mutant == how)
}

fn shared() -> Arc<Shared> {
    let uses = Arc::new(Racy::default());
    Arc::new(Shared {
        lent: Lent::new(Thing(Arc::clone(&uses))),
        uses,
        bell: (Mutex::new(false), Condvar::new()),
    })
}

impl Shared {
    /// The end of a shutdown, which calls back who sleeps with the thing.
    fn end(&self) -> Result<Option<Thing>, StillOut> {
        if !weakened("open") {
            self.lent.close();
        }
        self.ring();
        self.lent.end(Duration::from_millis(1), 1)
    }

    fn give_back(&self, thing: Thing) {
        if self.lent.give_back(thing) && !weakened("deaf") {
            self.ring();
        }
    }

    fn ring(&self) {
        *self.bell.0.lock() = true;
        self.bell.1.notify_one();
    }

    /// Sleeps until the bell has rung.
    fn hear(&self) {
        let mut rung = self.bell.0.lock();
        while !*rung {
            self.bell.1.wait(&mut rung);
        }
        *rung = false;
    }

    /// Uses the thing if it is there.
    fn look(&self) {
        if let Some(thing) = self.lent.take() {
            thing.visit();
            self.give_back(thing);
        }
    }

    /// Sleeps with the thing, or without it until the thread that has it is back.
    fn sleep(&self) {
        loop {
            let taken = match weakened("careless") {
                true => self.lent.take(),
                false => self.lent.take_or_want(),
            };
            if let Some(thing) = taken {
                thing.visit();
                return self.give_back(thing);
            }
            self.hear();
        }
    }
}

/// A sleeper that comes while another thread looks has the thing after that.
#[test]
fn model_a_sleeper_has_it_in_the_end() {
    explore(|| {
        sync::time::ends(0);
        let shared = shared();
        let theirs = Arc::clone(&shared);
        let sleeper = thread::spawn(move || theirs.sleep());
        shared.look();
        sleeper.join().unwrap();
        assert!(shared.uses.get() >= 1);
    });
}

/// The end has the thing for good, or says that it is still out; and then it is there later.
#[test]
fn model_the_end_has_it_for_good() {
    explore(|| {
        sync::time::ends(1);
        let shared = shared();
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || theirs.look());
        let ended = shared.end();
        if let Ok(thing) = &ended {
            thing
                .as_ref()
                .expect("no other thread has ended it")
                .visit();
            assert!(shared.lent.take().is_none());
        }
        other.join().unwrap();
        let again = shared.end();
        let again = again.expect("it is back, or was taken for good");
        assert_eq!(again.is_some(), ended.is_err());
    });
}

/// A caretaker sleeps with the thing, whenever it can have it. When it was called back the end has
/// the thing, however soon it sleeps again.
#[test]
fn model_the_end_has_it_of_a_caretaker_that_was_called_back() {
    explore(|| {
        sync::time::ends(0);
        let shared = shared();
        let theirs = Arc::clone(&shared);
        let caretaker = thread::spawn(move || {
            while let Some(thing) = theirs.lent.take_or_want() {
                thing.visit();
                theirs.hear();
                theirs.give_back(thing);
            }
        });
        assert!(matches!(shared.end(), Ok(Some(_))));
        caretaker.join().unwrap();
    });
}

#[test]
fn mutants_die() {
    let binary = std::env::current_exe().expect("this test has a path");
    assert_eq!(models(&binary, None), End::Passed);
    for mutant in ["deaf", "careless", "open"] {
        assert_eq!(
            models(&binary, Some((mutant, "Relaxed"))),
            End::Failed,
            "{mutant}"
        );
    }
}
