//! The way from sync code into async code and back: nothing to wait for, and one child to wait for.

use crate::measure::{Sample, timed};
use crate::peers::Peers;
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use futures_lite::future;
use spinney::group;
use std::hint::black_box;

const READY_CALLS: u32 = 200_000;
const SPAWN_CALLS: u32 = 2_000;

pub(crate) const READY: Workload = Workload {
    name: "block_on_ready",
    about: "block_on of a future that is ready",
    operations: READY_CALLS,
    runs: READY_RUNS,
    must: &[],
};

pub(crate) const READY_ON_A_WORKER: Workload = Workload {
    name: "block_on_ready_inside",
    about: "the same inside a task; tokio panics there",
    operations: READY_CALLS,
    runs: INSIDE_RUNS,
    must: &[],
};

pub(crate) const SPAWN: Workload = Workload {
    name: "block_on_spawn",
    about: "block_on of a child that is spawned at once",
    operations: SPAWN_CALLS,
    runs: SPAWN_RUNS,
    must: SPAWN_MUST,
};

const READY_RUNS: &[Run] = &[
    run("spinney", |peers| {
        timed(|| {
            for i in 0..READY_CALLS {
                black_box(peers.spinney.block_on(async move { black_box(i) }));
            }
        })
    }),
    run("tokio", |peers| {
        timed(|| {
            for i in 0..READY_CALLS {
                black_box(peers.tokio.block_on(async move { black_box(i) }));
            }
        })
    }),
    run("async-executor", |_| {
        timed(|| {
            for i in 0..READY_CALLS {
                black_box(future::block_on(async move { black_box(i) }));
            }
        })
    }),
];

const INSIDE_RUNS: &[Run] = &[
    run("spinney", |peers| {
        timed(|| {
            peers.in_spinney(async {
                for i in 0..READY_CALLS {
                    black_box(spinney::block_on(async move { black_box(i) }));
                }
            });
        })
    }),
    run("async-executor", |peers| {
        timed(|| {
            peers.in_executor(async {
                for i in 0..READY_CALLS {
                    black_box(future::block_on(async move { black_box(i) }));
                }
            });
        })
    }),
];

const SPAWN_RUNS: &[Run] = &[
    run("spinney", spawn_spinney),
    run("tokio", spawn_tokio),
    run("async-executor", spawn_executor),
];
const SPAWN_MUST: &[Must] = &[must("tokio", Scale::Wall, 40.0, 40.0)];

fn spawn_spinney(peers: &Peers) -> Sample {
    timed(|| {
        for i in 0..SPAWN_CALLS {
            let got = peers
                .spinney
                .block_on(group(async |g| g.spawn(async move { Ok(i) }).await));
            assert_eq!(got, i);
        }
    })
}

fn spawn_tokio(peers: &Peers) -> Sample {
    timed(|| {
        for i in 0..SPAWN_CALLS {
            let got = peers
                .tokio
                .block_on(async { tokio::spawn(async move { i }).await });
            assert_eq!(got.expect("no panic"), i);
        }
    })
}

fn spawn_executor(peers: &Peers) -> Sample {
    timed(|| {
        for i in 0..SPAWN_CALLS {
            let got = future::block_on(peers.executor.spawn(async move { i }));
            assert_eq!(got, i);
        }
    })
}
