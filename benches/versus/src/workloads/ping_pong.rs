//! Pairs of tasks that send a number to and fro over the same channel crate, one message under way
//! in each pair.

use crate::measure::{Sample, timed};
use crate::peers::Peers;
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use async_channel::{Receiver, Sender, bounded};
use spinney::group;

const ALONE: u32 = 50_000;
const PAIRS: u32 = 1_000;
const AMONG_MANY: u32 = 100;
const MUST_ONE: &[Must] = &[must("tokio", Scale::Wall, 1.3, 1.3)];
const MUST_THOUSAND: &[Must] = &[must("tokio", Scale::Cpu, 1.0, 1.0)];

pub(crate) const ONE: Workload = Workload {
    name: "ping_pong_1",
    about: "a round trip between two tasks that are alone",
    operations: ALONE,
    runs: RUNS_ONE,
    must: MUST_ONE,
};

pub(crate) const THOUSAND: Workload = Workload {
    name: "ping_pong_1000",
    about: "a round trip between two tasks among 1,000 pairs",
    operations: PAIRS * AMONG_MANY,
    runs: RUNS_THOUSAND,
    must: MUST_THOUSAND,
};

const RUNS_ONE: &[Run] = &[
    run("spinney", |peers| spinney(peers, 1, ALONE)),
    run("tokio", |peers| tokio(peers, 1, ALONE)),
    run("async-executor", |peers| executor(peers, 1, ALONE)),
];
const RUNS_THOUSAND: &[Run] = &[
    run("spinney", |peers| spinney(peers, PAIRS, AMONG_MANY)),
    run("tokio", |peers| tokio(peers, PAIRS, AMONG_MANY)),
    run("async-executor", |peers| executor(peers, PAIRS, AMONG_MANY)),
];

async fn ping(trips: u32, to: Sender<u32>, from: Receiver<u32>) {
    for trip in 0..trips {
        to.send(trip).await.expect("open");
        assert_eq!(from.recv().await, Ok(trip));
    }
}

async fn pong(to: Sender<u32>, from: Receiver<u32>) {
    while let Ok(trip) = from.recv().await {
        if to.send(trip).await.is_err() {
            return;
        }
    }
}

fn spinney(peers: &Peers, pairs: u32, trips: u32) -> Sample {
    timed(|| {
        peers.in_spinney(group(async move |g| {
            for _ in 0..pairs {
                let ((to, there), (back, from)) = (bounded(1), bounded(1));
                g.spawn(ping(trips, to, from));
                g.spawn(pong(back, there));
            }
        }))
    })
}

fn tokio(peers: &Peers, pairs: u32, trips: u32) -> Sample {
    timed(|| {
        peers.in_tokio(async move {
            let mut tasks = Vec::new();
            for _ in 0..pairs {
                let ((to, there), (back, from)) = (bounded(1), bounded(1));
                tasks.push(tokio::spawn(ping(trips, to, from)));
                tasks.push(tokio::spawn(pong(back, there)));
            }
            for task in tasks {
                task.await.expect("no panic");
            }
        })
    })
}

fn executor(peers: &Peers, pairs: u32, trips: u32) -> Sample {
    let executor = peers.executor;
    timed(|| {
        peers.in_executor(async move {
            let mut tasks = Vec::new();
            for _ in 0..pairs {
                let ((to, there), (back, from)) = (bounded(1), bounded(1));
                tasks.push(executor.spawn(ping(trips, to, from)));
                tasks.push(executor.spawn(pong(back, there)));
            }
            for task in tasks {
                task.await;
            }
        })
    })
}
