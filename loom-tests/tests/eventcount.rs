//! Models of `src/eventcount.rs`: two raisers, which make the condition true, against a waiter that
//! falls asleep.

use loom_tests::run::{explore, mutants};
use loom_tests::sync;
use sync::cell::Racy;
use sync::{Arc, thread};

#[path = "../../src/eventcount.rs"]
mod eventcount;

use eventcount::{EventCount, Waiter};

struct World {
    count: EventCount,
    condition: Racy,
    tokens: [Racy; 2],
}

fn world() -> Arc<World> {
    Arc::new(World {
        count: EventCount::new(),
        condition: Racy::default(),
        tokens: [Racy::default(), Racy::default()],
    })
}

/// An event count with an awake waiter.
fn awake(world: &World) {
    assert!(world.count.stay_awake());
}

/// The waiter sees the condition, or is given exactly one token.
#[test]
fn model_two_raisers_one_waiter() {
    explore(|| {
        let world = world();
        awake(&world);
        let raisers: Vec<_> = (0..2)
            .map(|at| {
                let world = Arc::clone(&world);
                thread::spawn(move || {
                    world.condition.set(1);
                    if world.count.raise() == Waiter::Slept {
                        world.tokens[at].set(1);
                    }
                })
            })
            .collect();
        world.count.fall_asleep();
        let seen = world.condition.get() == 1;
        let mine = seen && world.count.stay_awake();
        for raiser in raisers {
            raiser.join().unwrap();
        }
        let tokens: u32 = world.tokens.iter().map(Racy::get).sum();
        assert_eq!(tokens, u32::from(!mine), "seen: {seen}");
    });
}

/// The waiter goes, awake or asleep: it sees the condition, or each raiser knows that it has gone.
#[test]
fn model_two_raisers_and_a_waiter_that_goes() {
    for asleep in [false, true] {
        explore(move || {
            let world = world();
            if !asleep {
                awake(&world);
            }
            let raisers: Vec<_> = (0..2)
                .map(|_| {
                    let world = Arc::clone(&world);
                    thread::spawn(move || {
                        world.condition.set(1);
                        world.count.raise()
                    })
                })
                .collect();
            world.count.go();
            let seen = world.condition.get() == 1;
            for raiser in raisers {
                let found = raiser.join().unwrap();
                assert!(seen || found == Waiter::Gone, "nobody looks");
            }
        });
    }
}

#[test]
fn mutants_die() {
    mutants(&["src/eventcount.rs"], &[]);
}
