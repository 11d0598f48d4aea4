//! A task opens 10,000 groups of ten children, one after the other, as a server does for each
//! request.

use crate::measure::{Sample, timed};
use crate::peers::Peers;
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use spinney::group;
use tokio::task::JoinSet;

const GROUPS: u32 = 10_000;
const CHILDREN: u64 = 10;
const RUNS: &[Run] = &[
    run("spinney", spinney),
    run("tokio JoinSet", join_set),
    run("tokio Vec", tokio_vec),
    run("async-executor Vec", executor_vec),
];
const MUST: &[Must] = &[must("tokio JoinSet", Scale::Cpu, 5.0, 5.0)];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "ten_children",
    about: "a group opened, ten results taken, the group closed",
    operations: GROUPS,
    runs: RUNS,
    must: MUST,
};

fn spinney(peers: &Peers) -> Sample {
    timed(|| {
        peers.in_spinney(async {
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
        })
    })
}

fn join_set(peers: &Peers) -> Sample {
    timed(|| {
        peers.in_tokio(async {
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
        })
    })
}

fn tokio_vec(peers: &Peers) -> Sample {
    timed(|| {
        peers.in_tokio(async {
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
        })
    })
}

fn executor_vec(peers: &Peers) -> Sample {
    let executor = peers.executor;
    timed(|| {
        peers.in_executor(async move {
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
        })
    })
}
