//! Models of `src/poll/live.rs`: no reading is too low, whatever begins and ends meanwhile in
//! whichever counts, and a task that is known to have ended is not counted.

use loom_tests::run::{explore, mutants};
use loom_tests::sync;
use sync::{Arc, thread};

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/poll"]
mod poll {
    pub mod live;
}

use poll::live::{LiveCounts, alive};

/// The all_counts of two seats, and that of threads without one.
struct AllCounts([LiveCounts; 3]);

const SHARED: usize = 2;

impl AllCounts {
    fn new() -> Arc<Self> {
        Arc::new(Self([
            LiveCounts::new(),
            LiveCounts::new(),
            LiveCounts::new(),
        ]))
    }

    fn alive(&self) -> u64 {
        alive(self.0.iter().map(|counts| &counts.tasks))
    }
}

/// One task lives on. Another was begun on a seat and ends on another one meanwhile: a reader that
/// sees it end has seen it begin, so it does not lose the first.
fn model(end: impl Fn(&AllCounts) + Clone + Send + Sync + 'static) {
    explore(move || {
        let all_counts = AllCounts::new();
        all_counts.0[0].tasks.begin();
        let theirs = Arc::clone(&all_counts);
        let reader = thread::spawn(move || theirs.alive());
        all_counts.0[0].tasks.begin();
        // Handed on: this is the deque.
        let (theirs, end) = (Arc::clone(&all_counts), end.clone());
        thread::spawn(move || end(&theirs)).join().unwrap();
        assert_eq!(all_counts.alive(), 1);
        assert!((1..=2).contains(&reader.join().unwrap()));
    });
}

#[test]
fn model_an_end_on_a_seat() {
    model(|all_counts| all_counts.0[1].tasks.end());
}

#[test]
fn model_an_end_elsewhere() {
    model(|all_counts| all_counts.0[SHARED].tasks.end_shared());
}

/// Two threads without a seat begin and end tasks of their own: nothing gets lost.
#[test]
fn model_two_threads_without_a_seat() {
    explore(|| {
        let all_counts = AllCounts::new();
        let both = [(); 2].map(|()| {
            let all_counts = Arc::clone(&all_counts);
            thread::spawn(move || {
                let tasks = &all_counts.0[SHARED].tasks;
                tasks.begin_shared();
                tasks.begin_shared();
                assert!(all_counts.alive() >= 2);
                tasks.end_shared();
            })
        });
        for thread in both {
            thread.join().unwrap();
        }
        assert_eq!(all_counts.alive(), 2);
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/poll/live.rs"], &[]);
}
