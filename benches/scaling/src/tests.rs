//! The simulation against what is known.

use crate::costs::Costs;
use crate::figures::Figures;
use crate::load::Load;
use crate::policy::{self, Changes, Policy, Wake};
use crate::world::World;

const LOADS: [(Load, u64); 4] = [
    (
        Load::FanOut {
            children: 3000,
            work: 700,
        },
        3001,
    ),
    (
        Load::Tree {
            depth: 3,
            work: 300,
        },
        1111,
    ),
    (
        Load::PingPong {
            pairs: 9,
            turns: 50,
        },
        18,
    ),
    (
        Load::Arrivals {
            percent: 70,
            jobs: 5000,
            mean: 3000,
        },
        5000,
    ),
];

fn run(policy: Policy, costs: &Costs, workers: usize, load: Load, seed: u64) -> Figures {
    World::new(policy, costs.clone(), workers, load, seed).run()
}

#[test]
fn every_task_runs_to_its_end() {
    for policy in policy::ALL {
        for workers in [1, 2, 3, 8, 128] {
            for (load, tasks) in LOADS {
                for costs in [Costs::MEASURED, Costs::NONE] {
                    let run = run(policy, &costs, workers, load, 7);
                    assert_eq!(run.ended, tasks, "{policy:?}, {workers} workers, {load:?}");
                }
            }
        }
    }
}

#[test]
fn every_task_runs_to_its_end_whatever_is_changed() {
    for (name, changes) in Changes::EACH {
        for wake in [Wake::Always, Wake::Crowded] {
            let policy = Policy::Spinney(wake, changes);
            for (load, tasks) in LOADS {
                let run = run(policy, &Costs::MEASURED, 16, load, 7);
                assert_eq!(run.ended, tasks, "{name}, {policy:?}, {load:?}");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for policy in policy::ALL {
        let of = |seed| run(policy, &Costs::MEASURED, 8, LOADS[3].0, seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}

/// A job waits for `load / (1 - load)` services in the mean where one worker serves jobs that come
/// at chance and take times by chance (M/M/1).
#[test]
fn one_worker_is_a_queue_that_is_known() {
    for policy in policy::ALL {
        for percent in [30, 60, 80] {
            let load = Load::Arrivals {
                percent,
                jobs: 400_000,
                mean: 10_000,
            };
            let run = run(policy, &Costs::NONE, 1, load, 3);
            let used = f64::from(percent) / 100.0;
            let ratio = run.mean_delay() / (10_000.0 * used / (1.0 - used));
            assert!(
                (0.93..1.07).contains(&ratio),
                "{policy:?}, {percent} %: {ratio}"
            );
        }
    }
}

/// With more workers a job waits with the probability of Erlang's formula C, and then for
/// `service / (workers - load)` in the mean (M/M/c): if no worker rests while a job waits.
#[test]
fn four_workers_are_a_queue_that_is_known() {
    let (workers, offered) = (4.0, 3.2);
    // 3.2^4 / 4! * 4 / (4 - 3.2), and the same with the other states in the denominator.
    let all = 3.2_f64.powi(4) / 24.0 * (workers / (workers - offered));
    let fewer = 1.0 + 3.2 + 3.2_f64.powi(2) / 2.0 + 3.2_f64.powi(3) / 6.0;
    let expected = all / (fewer + all) * 10_000.0 / (workers - offered);
    let load = Load::Arrivals {
        percent: 80,
        jobs: 400_000,
        mean: 10_000,
    };
    for policy in policy::ALL {
        let ratio = run(policy, &Costs::NONE, 4, load, 3).mean_delay() / expected;
        assert!((0.9..1.15).contains(&ratio), "{policy:?}: {ratio}");
    }
}

/// Workers that share nothing are as fast as they are many.
#[test]
fn long_jobs_use_all_workers() {
    let load = Load::FanOut {
        children: 2000,
        work: 1_000_000,
    };
    for policy in policy::ALL {
        let busy = run(policy, &Costs::MEASURED, 16, load, 1).busy();
        assert!(busy > 95.0, "{policy:?}: {busy}");
    }
}
