//! 1,000 tasks give way 200 times each, by their own runtime's `yield_now`.

use crate::measure::{Sample, timed};
use crate::peers::Peers;
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use futures_lite::future;
use spinney::group;

const TASKS: u32 = 1_000;
const YIELDS: u32 = 200;
const RUNS: &[Run] = &[
    run("spinney", spinney),
    run("tokio", tokio),
    run("async-executor", executor),
];
const MUST: &[Must] = &[must("tokio", Scale::Cpu, 1.5, 1.5)];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "yields",
    about: "a task that gives way to 999 others",
    operations: TASKS * YIELDS,
    runs: RUNS,
    must: MUST,
};

fn spinney(peers: &Peers) -> Sample {
    timed(|| {
        peers.in_spinney(group(async |g| {
            for _ in 0..TASKS {
                g.spawn(async {
                    for _ in 0..YIELDS {
                        spinney::yield_now().await;
                    }
                });
            }
        }))
    })
}

fn tokio(peers: &Peers) -> Sample {
    timed(|| {
        peers.in_tokio(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    tokio::spawn(async {
                        for _ in 0..YIELDS {
                            tokio::task::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
        })
    })
}

fn executor(peers: &Peers) -> Sample {
    let executor = peers.executor;
    timed(|| {
        peers.in_executor(async move {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    executor.spawn(async {
                        for _ in 0..YIELDS {
                            future::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await;
            }
        })
    })
}
