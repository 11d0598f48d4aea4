//! A thread that is none of the runtime's blocks on a body, which spawns 100,000 children and takes their values: what does
//! one of them cost?

use crate::measure::{Sample, timed};
use crate::sides;
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
    "spawn_outside",
    "a child spawned by the body of block_on, its value taken",
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
    timed(|| assert_eq!(sides::spinney().block_on(program), SUM))
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
    timed(|| assert_eq!(sides::tokio().block_on(program), SUM))
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
    timed(|| assert_eq!(async_io::block_on(program), SUM))
}

fn forte() -> Sample {
    let program = async {
        let tasks: Vec<_> = (0..CHILDREN)
            .map(|i| sides::forte().spawn(async move { i }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += u64::from(task.await);
        }
        sum
    };
    timed(|| assert_eq!(sides::forte().block_on(program), SUM))
}
