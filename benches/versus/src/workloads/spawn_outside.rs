//! A thread that is none of the runtime's blocks on a body, which spawns 100,000 children and takes
//! their values.

use crate::measure::{Sample, timed};
use crate::peers::Peers;
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use futures_lite::future;
use spinney::group;

const CHILDREN: u32 = 100_000;
const RUNS: &[Run] = &[
    run("spinney", spinney),
    run("tokio", tokio),
    run("async-executor", executor),
];
const MUST: &[Must] = &[
    must("tokio", Scale::Cpu, 3.0, 2.0),
    must("async-executor", Scale::Cpu, 1.5, 1.5),
];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "spawn_outside",
    about: "a child spawned by the body of block_on, its value taken",
    operations: CHILDREN,
    runs: RUNS,
    must: MUST,
};

fn spinney(peers: &Peers) -> Sample {
    timed(|| {
        peers.spinney.block_on(group(async |g| {
            let children: Vec<_> = (0..CHILDREN)
                .map(|i| g.spawn(async move { Ok(i) }))
                .collect();
            let mut sum = 0;
            for child in children {
                sum += u64::from(child.await);
            }
            sum
        }))
    })
}

fn tokio(peers: &Peers) -> Sample {
    timed(|| {
        peers.tokio.block_on(async {
            let tasks: Vec<_> = (0..CHILDREN)
                .map(|i| tokio::spawn(async move { i }))
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += u64::from(task.await.expect("no panic"));
            }
            sum
        })
    })
}

fn executor(peers: &Peers) -> Sample {
    let executor = peers.executor;
    timed(|| {
        future::block_on(async {
            let tasks: Vec<_> = (0..CHILDREN)
                .map(|i| executor.spawn(async move { i }))
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += u64::from(task.await);
            }
            sum
        })
    })
}
