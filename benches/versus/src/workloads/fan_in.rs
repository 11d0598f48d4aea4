//! A group of 100,000 children with results: spinney's group against a `JoinSet` and against
//! vectors of handles.

use crate::measure::{Sample, timed};
use crate::peers::Peers;
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use spinney::group;
use tokio::task::JoinSet;

const CHILDREN: u32 = 100_000;
const RUNS: &[Run] = &[
    run("spinney", spinney),
    run("tokio JoinSet", join_set),
    run("tokio Vec", tokio_vec),
    run("async-executor Vec", executor_vec),
];
const MUST: &[Must] = &[must("tokio JoinSet", Scale::Cpu, 6.0, 6.0)];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "fan_in",
    about: "a child of a large group, its result added up",
    operations: CHILDREN,
    runs: RUNS,
    must: MUST,
};

fn value(i: u32) -> u64 {
    u64::from(i.wrapping_mul(2_654_435_761))
}

fn spinney(peers: &Peers) -> Sample {
    timed(|| {
        peers.in_spinney(group(async |g| {
            let children: Vec<_> = (0..CHILDREN)
                .map(|i| g.spawn(async move { Ok(value(i)) }))
                .collect();
            let mut sum = 0;
            for child in children {
                sum += child.await;
            }
            sum
        }))
    })
}

fn join_set(peers: &Peers) -> Sample {
    timed(|| {
        peers.in_tokio(async {
            let mut set = JoinSet::new();
            for i in 0..CHILDREN {
                set.spawn(async move { value(i) });
            }
            let mut sum = 0;
            while let Some(value) = set.join_next().await {
                sum += value.expect("no panic");
            }
            sum
        })
    })
}

fn tokio_vec(peers: &Peers) -> Sample {
    timed(|| {
        peers.in_tokio(async {
            let tasks: Vec<_> = (0..CHILDREN)
                .map(|i| tokio::spawn(async move { value(i) }))
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.expect("no panic");
            }
            sum
        })
    })
}

fn executor_vec(peers: &Peers) -> Sample {
    let executor = peers.executor;
    timed(|| {
        peers.in_executor(async move {
            let tasks: Vec<_> = (0..CHILDREN)
                .map(|i| executor.spawn(async move { value(i) }))
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            sum
        })
    })
}
