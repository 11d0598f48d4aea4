//! A task spawns 100,000 children whose handles nobody keeps. spinney's group waits for them; the
//! others need a counter.

use crate::measure::{Sample, timed};
use crate::peers::{Latch, Peers};
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use spinney::group;
use std::sync::Arc;

const CHILDREN: u32 = 100_000;
const RUNS: &[Run] = &[
    run("spinney", spinney),
    run("tokio", tokio),
    run("async-executor", executor),
];
const MUST: &[Must] = &[
    must("tokio", Scale::Cpu, 5.0, 3.0),
    must("async-executor", Scale::Cpu, 1.5, 1.5),
];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "spawn_unobserved",
    about: "a child spawned by a task, its handle dropped",
    operations: CHILDREN,
    runs: RUNS,
    must: MUST,
};

fn spinney(peers: &Peers) -> Sample {
    timed(|| {
        peers.in_spinney(group(async |g| {
            for _ in 0..CHILDREN {
                g.spawn(async {});
            }
        }))
    })
}

fn tokio(peers: &Peers) -> Sample {
    let latch = Arc::new(Latch::new(CHILDREN));
    timed(|| {
        let left = Arc::clone(&latch);
        peers.in_tokio(async move {
            for _ in 0..CHILDREN {
                let left = Arc::clone(&left);
                tokio::spawn(async move { left.hit() });
            }
        });
        latch.wait();
    })
}

fn executor(peers: &Peers) -> Sample {
    let executor = peers.executor;
    let latch = Arc::new(Latch::new(CHILDREN));
    timed(|| {
        let left = Arc::clone(&latch);
        peers.in_executor(async move {
            for _ in 0..CHILDREN {
                let left = Arc::clone(&left);
                executor.spawn(async move { left.hit() }).detach();
            }
        });
        latch.wait();
    })
}
