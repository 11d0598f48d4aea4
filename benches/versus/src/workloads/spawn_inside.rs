//! A task spawns 100,000 children and takes their values: what does one of them cost?

use crate::measure::{Sample, timed};
use crate::sides::{self, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::{Side, Workload, cost_of};
use spinney::group;

const CHILDREN: u32 = 100_000;
const SIDES: &[Side] = &[
    cost_of("spinney", spinney, CHILDREN),
    cost_of("tokio", tokio, CHILDREN),
    cost_of("smol", smol, CHILDREN),
    cost_of("forte", forte, CHILDREN),
];

pub(crate) const WORKLOAD: Workload = Workload::new(
    "spawn_inside",
    "a child spawned by a task, its value taken",
    SIDES,
)
.quick();

/// The sum of the values.
const SUM: u64 = CHILDREN as u64 * (CHILDREN as u64 - 1) / 2;

fn spinney() -> Sample {
    let program = group(async |g| {
        let children: Vec<_> = (0..CHILDREN)
            .map(|i| g.spawn(async move { Ok(i) }))
            .collect();
        let mut sum = 0;
        for child in children {
            sum += u64::from(child.await);
        }
        sum
    });
    timed(|| assert_eq!(in_spinney(program), SUM))
}

fn tokio() -> Sample {
    let program = async {
        let tasks: Vec<_> = (0..CHILDREN)
            .map(|i| tokio::spawn(async move { i }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += u64::from(task.await.expect("no panic"));
        }
        sum
    };
    timed(|| assert_eq!(in_tokio(program), SUM))
}

fn smol() -> Sample {
    let executor = sides::smol();
    let program = async {
        let tasks: Vec<_> = (0..CHILDREN)
            .map(|i| executor.spawn(async move { i }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += u64::from(task.await);
        }
        sum
    };
    timed(|| assert_eq!(in_smol(program), SUM))
}

fn forte() -> Sample {
    let program = async {
        let tasks: Vec<_> = (0..CHILDREN)
            .map(|i| forte::spawn(async move { i }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += u64::from(task.await);
        }
        sum
    };
    timed(|| assert_eq!(in_forte(program), SUM))
}
