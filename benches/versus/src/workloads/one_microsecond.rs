//! A task spawns 10,000 children with about a microsecond of work each: does the work reach both workers?

use crate::measure::{Sample, timed};
use crate::sides::{self, in_smol, in_spinney, in_tokio};
use crate::workloads::{Side, Workload, cost_of};
use spinney::group;
use std::hint::black_box;

const CHILDREN: u32 = 10_000;
const SIDES: &[Side] = &[
    cost_of("spinney", spinney, CHILDREN),
    cost_of("tokio", tokio, CHILDREN),
    cost_of("smol", smol, CHILDREN),
];

pub(crate) const WORKLOAD: Workload = Workload::new(
    "one_microsecond",
    "a child that computes for about 1 us",
    SIDES,
);

/// A chain of dependent multiplications: 4 cycles each on current processors.
pub(crate) fn work(seed: u32) -> u64 {
    let mut x = black_box(u64::from(seed));
    for _ in 0..700 {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    }
    x
}

fn spinney() -> Sample {
    timed(|| {
        in_spinney(group(async |g| {
            let children: Vec<_> = (0..CHILDREN)
                .map(|i| g.spawn(async move { Ok(work(i)) }))
                .collect();
            let mut sum = 0_u64;
            for child in children {
                sum = sum.wrapping_add(child.await);
            }
            sum
        }))
    })
}

fn tokio() -> Sample {
    timed(|| {
        in_tokio(async {
            let tasks: Vec<_> = (0..CHILDREN)
                .map(|i| tokio::spawn(async move { work(i) }))
                .collect();
            let mut sum = 0_u64;
            for task in tasks {
                sum = sum.wrapping_add(task.await.expect("no panic"));
            }
            sum
        })
    })
}

fn smol() -> Sample {
    let executor = sides::smol();
    timed(|| {
        in_smol(async move {
            let tasks: Vec<_> = (0..CHILDREN)
                .map(|i| executor.spawn(async move { work(i) }))
                .collect();
            let mut sum = 0_u64;
            for task in tasks {
                sum = sum.wrapping_add(task.await);
            }
            sum
        })
    })
}
