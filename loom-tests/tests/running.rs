//! Models of `src/poll/running.rs`: the fields that a reader finds belong together, whatever the
//! writer does meanwhile. Readers write nothing, so one of them is enough.

use loom_tests::run::{explore_with, mutants};
use loom_tests::sync;
use std::panic::Location;
use sync::{Arc, thread};

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/poll"]
mod poll {
    pub mod running;
}
#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/report"]
mod report {
    pub mod failure;
}

use poll::running::{Publication, Running};
use report::failure::TaskId;

/// Two publications that differ in every field.
fn publications() -> [Publication; 2] {
    let [a, b] = [Location::caller(), Location::caller()];
    [
        Publication {
            task: TaskId(1),
            location: a,
            name: Some("first"),
            group: 100,
            birth: 10,
        },
        Publication {
            task: TaskId(2),
            location: b,
            name: None,
            group: 200,
            birth: 20,
        },
    ]
}

/// A reader gets one of the two, whole.
fn check(running: &Running) {
    let Some(seen) = running.read(30) else {
        return;
    };
    let found = seen.straggler;
    let known = publications();
    let known = known
        .iter()
        .find(|known| known.task == found.task)
        .expect("a task that was published");
    assert_eq!(found.location.column(), known.location.column());
    assert_eq!(found.name.as_deref(), known.name);
    assert_eq!(found.age.as_millis(), u128::from(30 - known.birth));
    assert_eq!(seen.group, known.group);
}

/// A publication follows another, and a poll ends, while another thread reads.
#[test]
fn model_one_follows_another() {
    explore_with(2, || {
        let running = Arc::new(Running::new());
        let [first, second] = publications();
        running.begin(&first);
        let theirs = Arc::clone(&running);
        let reader = thread::spawn(move || check(&theirs));
        running.begin(&second);
        reader.join().unwrap();
        running.end();
        assert!(running.read(30).is_none());
    });
}

/// The coarse clock is read in no order: a task may be born later than the reader's now. It is new
/// then, and not as old as the clock can tell.
#[test]
fn model_born_later_than_now() {
    explore_with(1, || {
        let running = Running::new();
        let [first, _] = publications();
        running.begin(&first);
        let found = running.read(first.birth - 1).unwrap();
        assert_eq!(found.straggler.age.as_millis(), 0);
        // Wrapped, in between.
        let found = running.read(first.birth.wrapping_sub(u32::MAX / 2 + 1));
        assert_eq!(found.unwrap().straggler.age.as_millis(), 0);
        assert_eq!(poll::running::age(u32::MAX, 1).as_millis(), 2);
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/poll/running.rs"], &[]);
}
