//! Faults that the twin must show a model: here are models that are wrong, and have to fail.

use loom_tests::run::explore;
use loom_tests::sync;
use sync::atomic::{AtomicBool, Ordering};
use sync::cell::Racy;
use sync::{Arc, thread};

/// A flag without orderings says that there is data. `looks` waits for the flag.
fn a_flag_that_orders_nothing(looks: impl Fn(&AtomicBool) + Send + Sync + 'static) {
    explore(move || {
        let flag = Arc::new(AtomicBool::new(false));
        let data = Arc::new(Racy::default());
        let (theirs, written) = (Arc::clone(&flag), Arc::clone(&data));
        let writer = thread::spawn(move || {
            written.set(1);
            theirs.store(true, Ordering::Relaxed);
        });
        looks(&flag);
        assert_eq!(data.get(), 1, "stale");
        writer.join().unwrap();
    });
}

/// The model checker does not show a thread again, after a yield, a value that it saw before: only
/// a look without a yield finds a stale one.
#[test]
#[should_panic(expected = "stale")]
fn a_look_before_the_yield_shows_what_is_stale() {
    a_flag_that_orders_nothing(|flag| {
        while !flag.load(Ordering::Relaxed) {
            loom::thread::yield_now();
        }
    });
}

/// The yield of the twin hides nothing, if it is the only one.
#[test]
#[should_panic(expected = "stale")]
fn a_look_after_a_yield_of_the_twin_shows_it_too() {
    a_flag_that_orders_nothing(|flag| {
        thread::yield_now();
        while !flag.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    });
}

/// What the two above are about: with a yield first, this wrong model passes.
#[test]
fn a_look_after_a_yield_of_the_checker_hides_it() {
    a_flag_that_orders_nothing(|flag| {
        loop {
            loom::thread::yield_now();
            if flag.load(Ordering::Relaxed) {
                break;
            }
        }
    });
}
