//! Skynet: a tree of tasks, ten below each, whose million leaves are added up.
//!
//! Every peer boxes the inner nodes, since their futures recurse, and spawns the leaves as they
//! are. Peak memory is measured apart, in a process for each peer: see `memory`.

use crate::measure::{Sample, timed};
use crate::peers::Peers;
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use async_executor::StaticExecutor;
use spinney::group;
use std::future::Future;
use std::pin::Pin;

const LEAVES: u32 = 1_000_000;
const FAN: u64 = 10;
const RUNS: &[Run] = &[
    run("spinney", spinney),
    run("tokio", tokio),
    run("async-executor", executor),
];
const MUST: &[Must] = &[must("tokio", Scale::Cpu, 5.0, 5.0)];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "skynet",
    about: "a leaf of a tree of 1.1 million tasks",
    operations: LEAVES,
    runs: RUNS,
    must: MUST,
};

type Boxed = Pin<Box<dyn Future<Output = u64> + Send>>;

/// The sum of 0..leaves.
const SUM: u64 = LEAVES as u64 * (LEAVES as u64 - 1) / 2;

pub(crate) fn spinney(peers: &Peers) -> Sample {
    timed(|| assert_eq!(peers.in_spinney(tree_in_spinney(0, LEAVES.into())), SUM))
}

fn tree_in_spinney(base: u64, leaves: u64) -> Boxed {
    Box::pin(async move {
        let part = leaves / FAN;
        group(async |g| {
            let children: Vec<_> = (0..FAN)
                .map(|i| {
                    let base = base + i * part;
                    if part == 1 {
                        g.spawn(async move { Ok(base) })
                    } else {
                        let below = tree_in_spinney(base, part);
                        g.spawn(async move { Ok(below.await) })
                    }
                })
                .collect();
            let mut sum = 0;
            for child in children {
                sum += child.await;
            }
            sum
        })
        .await
    })
}

pub(crate) fn tokio(peers: &Peers) -> Sample {
    timed(|| assert_eq!(peers.in_tokio(tree_in_tokio(0, LEAVES.into())), SUM))
}

fn tree_in_tokio(base: u64, leaves: u64) -> Boxed {
    Box::pin(async move {
        let part = leaves / FAN;
        let tasks: Vec<_> = (0..FAN)
            .map(|i| {
                let base = base + i * part;
                if part == 1 {
                    tokio::spawn(async move { base })
                } else {
                    tokio::spawn(tree_in_tokio(base, part))
                }
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no panic");
        }
        sum
    })
}

pub(crate) fn executor(peers: &Peers) -> Sample {
    let executor = peers.executor;
    timed(|| {
        let tree = tree_in_executor(executor, 0, LEAVES.into());
        assert_eq!(peers.in_executor(tree), SUM);
    })
}

fn tree_in_executor(executor: &'static StaticExecutor, base: u64, leaves: u64) -> Boxed {
    Box::pin(async move {
        let part = leaves / FAN;
        let tasks: Vec<_> = (0..FAN)
            .map(|i| {
                let base = base + i * part;
                if part == 1 {
                    executor.spawn(async move { base })
                } else {
                    executor.spawn(tree_in_executor(executor, base, part))
                }
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    })
}
