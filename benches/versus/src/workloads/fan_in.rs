//! A group of 100,000 children with results, added up by handles or through a set: what does one child cost?

use crate::measure::{Sample, timed};
use crate::sides::{self, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::{Side, Workload, cost_of};
use spinney::group;
use tokio::task::JoinSet;

const CHILDREN: u32 = 100_000;
const SIDES: &[Side] = &[
    cost_of("spinney", spinney, CHILDREN),
    cost_of("spinney set", spinney_set, CHILDREN),
    cost_of("tokio JoinSet", join_set, CHILDREN),
    cost_of("tokio Vec", tokio_vec, CHILDREN),
    cost_of("smol", smol, CHILDREN),
    cost_of("forte", forte, CHILDREN),
];

pub(crate) const WORKLOAD: Workload = Workload::new(
    "fan_in",
    "a child of a group of 100,000, its result added up",
    SIDES,
)
.quick();

fn value(i: u32) -> u64 {
    u64::from(i.wrapping_mul(2_654_435_761))
}

fn sum() -> u64 {
    (0..CHILDREN).map(value).sum()
}

fn spinney() -> Sample {
    let program = group(async |g| {
        let children: Vec<_> = (0..CHILDREN)
            .map(|i| g.spawn(async move { Ok(value(i)) }))
            .collect();
        let mut sum = 0;
        for child in children {
            sum += child.await;
        }
        sum
    });
    checked(|| in_spinney(program))
}

fn spinney_set() -> Sample {
    let program = group(async |g| {
        let mut set = g.set();
        for i in 0..CHILDREN {
            set.spawn(async move { Ok(value(i)) });
        }
        let mut sum = 0;
        while let Some(value) = set.next().await {
            sum += value.expect("no failure");
        }
        sum
    });
    checked(|| in_spinney(program))
}

fn join_set() -> Sample {
    let program = async {
        let mut set = JoinSet::new();
        for i in 0..CHILDREN {
            set.spawn(async move { value(i) });
        }
        let mut sum = 0;
        while let Some(value) = set.join_next().await {
            sum += value.expect("no panic");
        }
        sum
    };
    checked(|| in_tokio(program))
}

fn tokio_vec() -> Sample {
    let program = async {
        let tasks: Vec<_> = (0..CHILDREN)
            .map(|i| tokio::spawn(async move { value(i) }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no panic");
        }
        sum
    };
    checked(|| in_tokio(program))
}

fn smol() -> Sample {
    let executor = sides::smol();
    let program = async {
        let tasks: Vec<_> = (0..CHILDREN)
            .map(|i| executor.spawn(async move { value(i) }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    };
    checked(|| in_smol(program))
}

fn forte() -> Sample {
    let program = async {
        let tasks: Vec<_> = (0..CHILDREN)
            .map(|i| forte::spawn(async move { value(i) }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    };
    checked(|| in_forte(program))
}

fn checked(program: impl FnOnce() -> u64) -> Sample {
    let mut got = 0;
    let sample = timed(|| got = program());
    assert_eq!(got, sum());
    sample
}
