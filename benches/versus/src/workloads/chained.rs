//! Each task spawns the next one and ends: 100,000 links.

use crate::measure::{Sample, timed};
use crate::peers::{Latch, Peers};
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use async_executor::StaticExecutor;
use spinney::{Group, group};
use std::sync::Arc;

const LINKS: u32 = 100_000;
const RUNS: &[Run] = &[
    run("spinney", spinney),
    run("tokio", tokio),
    run("async-executor", executor),
];
const MUST: &[Must] = &[must("tokio", Scale::Cpu, 3.0, 3.0)];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "chained",
    about: "a task that spawns the next one and ends",
    operations: LINKS,
    runs: RUNS,
    must: MUST,
};

fn spinney(peers: &Peers) -> Sample {
    fn link(g: Group<'_, '_>, left: u32) {
        g.spawn(async move {
            if left > 1 {
                link(g, left - 1);
            }
        });
    }
    timed(|| peers.in_spinney(group(async |g| link(g, LINKS))))
}

fn tokio(peers: &Peers) -> Sample {
    fn link(end: Arc<Latch>, left: u32) {
        tokio::spawn(async move {
            if left > 1 {
                link(end, left - 1);
            } else {
                end.hit();
            }
        });
    }
    let end = Arc::new(Latch::new(1));
    timed(|| {
        let last = Arc::clone(&end);
        peers.in_tokio(async { link(last, LINKS) });
        end.wait();
    })
}

fn executor(peers: &Peers) -> Sample {
    fn link(executor: &'static StaticExecutor, end: Arc<Latch>, left: u32) {
        let task = executor.spawn(async move {
            if left > 1 {
                link(executor, end, left - 1);
            } else {
                end.hit();
            }
        });
        task.detach();
    }
    let executor = peers.executor;
    let end = Arc::new(Latch::new(1));
    timed(|| {
        let last = Arc::clone(&end);
        peers.in_executor(async move { link(executor, last, LINKS) });
        end.wait();
    })
}
