//! A task opens 10,000 groups of ten children, one after the other, as a server does for each request: what does such a
//! group cost?

use crate::measure::{Sample, timed};
use crate::sides::{self, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::{Side, Workload, cost_of};
use spinney::group;
use tokio::task::JoinSet;

const GROUPS: u32 = 10_000;
const CHILDREN: u64 = 10;
const SIDES: &[Side] = &[
    cost_of("spinney", spinney, GROUPS),
    cost_of("spinney set", spinney_set, GROUPS),
    cost_of("tokio JoinSet", join_set, GROUPS),
    cost_of("tokio Vec", tokio_vec, GROUPS),
    cost_of("smol", smol, GROUPS),
    cost_of("forte", forte, GROUPS),
];

pub(crate) const WORKLOAD: Workload = Workload::new(
    "ten_children",
    "a group opened, ten results taken, the group closed",
    SIDES,
)
.quick();

/// The sum of all results.
const SUM: u64 = GROUPS as u64 * (CHILDREN * (CHILDREN - 1) / 2);

fn spinney() -> Sample {
    let program = async {
        let mut sum = 0;
        for _ in 0..GROUPS {
            sum += group(async |g| {
                let children: Vec<_> = (0..CHILDREN)
                    .map(|i| g.spawn(async move { Ok(i) }))
                    .collect();
                let mut sum = 0;
                for child in children {
                    sum += child.await;
                }
                sum
            })
            .await;
        }
        sum
    };
    timed(|| assert_eq!(in_spinney(program), SUM))
}

fn spinney_set() -> Sample {
    let program = async {
        let mut sum = 0;
        for _ in 0..GROUPS {
            sum += group(async |g| {
                let mut set = g.set();
                for i in 0..CHILDREN {
                    set.spawn(async move { Ok(i) });
                }
                let mut sum = 0;
                while let Some(value) = set.next().await {
                    sum += value.expect("no failure");
                }
                sum
            })
            .await;
        }
        sum
    };
    timed(|| assert_eq!(in_spinney(program), SUM))
}

fn join_set() -> Sample {
    let program = async {
        let mut sum = 0;
        for _ in 0..GROUPS {
            let mut set = JoinSet::new();
            for i in 0..CHILDREN {
                set.spawn(async move { i });
            }
            while let Some(value) = set.join_next().await {
                sum += value.expect("no panic");
            }
        }
        sum
    };
    timed(|| assert_eq!(in_tokio(program), SUM))
}

fn tokio_vec() -> Sample {
    let program = async {
        let mut sum = 0;
        for _ in 0..GROUPS {
            let tasks: Vec<_> = (0..CHILDREN)
                .map(|i| tokio::spawn(async move { i }))
                .collect();
            for task in tasks {
                sum += task.await.expect("no panic");
            }
        }
        sum
    };
    timed(|| assert_eq!(in_tokio(program), SUM))
}

fn smol() -> Sample {
    let executor = sides::smol();
    let program = async {
        let mut sum = 0;
        for _ in 0..GROUPS {
            let tasks: Vec<_> = (0..CHILDREN)
                .map(|i| executor.spawn(async move { i }))
                .collect();
            for task in tasks {
                sum += task.await;
            }
        }
        sum
    };
    timed(|| assert_eq!(in_smol(program), SUM))
}

fn forte() -> Sample {
    let program = async {
        let mut sum = 0;
        for _ in 0..GROUPS {
            let tasks: Vec<_> = (0..CHILDREN)
                .map(|i| forte::spawn(async move { i }))
                .collect();
            for task in tasks {
                sum += task.await;
            }
        }
        sum
    };
    timed(|| assert_eq!(in_forte(program), SUM))
}
