//! Pairs of tasks that send a number to and fro over the same channel crate, one message under way in each pair: what does
//! a round trip cost, alone and among 1,000 pairs?

use crate::measure::{Sample, timed};
use crate::sides::{self, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::{Workload, cost_of};
use async_channel::{Receiver, Sender, bounded};
use spinney::group;

const ALONE: u32 = 50_000;
const PAIRS: u32 = 1_000;
const AMONG_MANY: u32 = 100;

pub(crate) const ONE: Workload = Workload::new(
    "ping_pong_1",
    "a round trip between two tasks that are alone",
    &[
        cost_of("spinney", || spinney(1, ALONE), ALONE),
        cost_of("tokio", || tokio(1, ALONE), ALONE),
        cost_of("smol", || smol(1, ALONE), ALONE),
        cost_of("forte", || forte(1, ALONE), ALONE),
    ],
)
.quick();

pub(crate) const THOUSAND: Workload = Workload::new(
    "ping_pong_1000",
    "a round trip between two tasks among 1,000 pairs",
    &[
        cost_of("spinney", || spinney(PAIRS, AMONG_MANY), PAIRS * AMONG_MANY),
        cost_of("tokio", || tokio(PAIRS, AMONG_MANY), PAIRS * AMONG_MANY),
        cost_of("smol", || smol(PAIRS, AMONG_MANY), PAIRS * AMONG_MANY),
        cost_of("forte", || forte(PAIRS, AMONG_MANY), PAIRS * AMONG_MANY),
    ],
);

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

fn spinney(pairs: u32, trips: u32) -> Sample {
    timed(|| {
        in_spinney(group(async move |g| {
            for _ in 0..pairs {
                let ((to, there), (back, from)) = (bounded(1), bounded(1));
                g.spawn(ping(trips, to, from));
                g.spawn(pong(back, there));
            }
        }));
    })
}

fn tokio(pairs: u32, trips: u32) -> Sample {
    timed(|| {
        in_tokio(async move {
            let mut tasks = Vec::new();
            for _ in 0..pairs {
                let ((to, there), (back, from)) = (bounded(1), bounded(1));
                tasks.push(tokio::spawn(ping(trips, to, from)));
                tasks.push(tokio::spawn(pong(back, there)));
            }
            for task in tasks {
                task.await.expect("no panic");
            }
        });
    })
}

fn smol(pairs: u32, trips: u32) -> Sample {
    let executor = sides::smol();
    timed(|| {
        in_smol(async move {
            let mut tasks = Vec::new();
            for _ in 0..pairs {
                let ((to, there), (back, from)) = (bounded(1), bounded(1));
                tasks.push(executor.spawn(ping(trips, to, from)));
                tasks.push(executor.spawn(pong(back, there)));
            }
            for task in tasks {
                task.await;
            }
        });
    })
}

fn forte(pairs: u32, trips: u32) -> Sample {
    timed(|| {
        in_forte(async move {
            let mut tasks = Vec::new();
            for _ in 0..pairs {
                let ((to, there), (back, from)) = (bounded(1), bounded(1));
                tasks.push(forte::spawn(ping(trips, to, from)));
                tasks.push(forte::spawn(pong(back, there)));
            }
            for task in tasks {
                task.await;
            }
        });
    })
}
