//! Models of `src/alarm.rs`: two who make the condition true against a watcher that falls asleep.

use loom_tests::run::{explore, mutants};
use loom_tests::sync;
use sync::cell::Racy;
use sync::{Arc, thread};

#[path = "../../src/alarm.rs"]
mod alarm;

use alarm::Alarm;

struct World {
    alarm: Alarm,
    condition: Racy,
    tokens: [Racy; 2],
}

fn world() -> Arc<World> {
    Arc::new(World {
        alarm: Alarm::new(),
        condition: Racy::default(),
        tokens: [Racy::default(), Racy::default()],
    })
}

/// An alarm with an awake watcher.
fn awake(world: &World) {
    assert!(world.alarm.stay_awake());
}

/// The watcher sees the condition, or is given exactly one token.
#[test]
fn model_two_alarms_one_watcher() {
    explore(|| {
        let world = world();
        awake(&world);
        let raisers: Vec<_> = (0..2)
            .map(|at| {
                let world = Arc::clone(&world);
                thread::spawn(move || {
                    world.condition.set(1);
                    if world.alarm.raise(|| true) {
                        world.tokens[at].set(1);
                    }
                })
            })
            .collect();
        world.alarm.fall_asleep();
        let seen = world.condition.get() == 1;
        let mine = seen && world.alarm.stay_awake();
        for raiser in raisers {
            raiser.join().unwrap();
        }
        let tokens: u32 = world.tokens.iter().map(Racy::get).sum();
        assert_eq!(tokens, u32::from(!mine), "seen: {seen}");
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/alarm.rs"], &[]);
}
