//! Models of `src/poll/live.rs`: no reading is too low, whatever begins and ends meanwhile in whichever ledger, and
//! what is known to have ended is not counted.

use loom_tests::run::{explore, mutants};
use loom_tests::sync;
use sync::{Arc, thread};

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/poll"]
mod poll {
    pub mod live;
}

use poll::live::{Ledger, alive};

/// The ledgers of two seats, and that of threads without one.
struct Ledgers([Ledger; 3]);

const SHARED: usize = 2;

impl Ledgers {
    fn new() -> Arc<Self> {
        Arc::new(Self([Ledger::new(), Ledger::new(), Ledger::new()]))
    }

    fn alive(&self) -> u64 {
        alive(self.0.iter().map(|ledger| &ledger.tasks))
    }
}

/// One task lives on. Another was begun on a seat and ends on another one meanwhile: a reader who sees it end has seen it
/// begin, so it does not lose the first.
fn model(end: impl Fn(&Ledgers) + Clone + Send + Sync + 'static) {
    explore(move || {
        let ledgers = Ledgers::new();
        ledgers.0[0].tasks.begin();
        let theirs = Arc::clone(&ledgers);
        let reader = thread::spawn(move || theirs.alive());
        ledgers.0[0].tasks.begin();
        // Handed on: this is the deque.
        let (theirs, end) = (Arc::clone(&ledgers), end.clone());
        thread::spawn(move || end(&theirs)).join().unwrap();
        assert_eq!(ledgers.alive(), 1);
        assert!((1..=2).contains(&reader.join().unwrap()));
    });
}

#[test]
fn model_an_end_on_a_seat() {
    model(|ledgers| ledgers.0[1].tasks.end());
}

#[test]
fn model_an_end_elsewhere() {
    model(|ledgers| ledgers.0[SHARED].tasks.end_shared());
}

/// Two threads without a seat begin and end tasks of their own: nothing gets lost.
#[test]
fn model_two_threads_without_a_seat() {
    explore(|| {
        let ledgers = Ledgers::new();
        let both = [(); 2].map(|()| {
            let ledgers = Arc::clone(&ledgers);
            thread::spawn(move || {
                let tasks = &ledgers.0[SHARED].tasks;
                tasks.begin_shared();
                tasks.begin_shared();
                assert!(ledgers.alive() >= 2);
                tasks.end_shared();
            })
        });
        for thread in both {
            thread.join().unwrap();
        }
        assert_eq!(ledgers.alive(), 2);
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/poll/live.rs"], &[]);
}
