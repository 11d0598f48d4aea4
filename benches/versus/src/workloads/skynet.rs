//! Skynet: a tree of tasks, ten below each, whose million leaves are added up: what does a leaf cost, and how much memory
//! does the tree need at most?
//!
//! Every side boxes the inner nodes, since their futures recurse, and spawns the leaves as they are.

use crate::measure::{Figures, timed};
use crate::process;
use crate::sides::{self, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::{Side, Workload, says};
use async_executor::StaticExecutor;
use spinney::group;
use std::pin::Pin;

const LEAVES: u32 = 1_000_000;
const FAN: u64 = 10;
const SIDES: &[Side] = &[
    says("spinney", |_| {
        measured(|| in_spinney(tree_in_spinney(0, LEAVES.into())))
    }),
    says("tokio", |_| {
        measured(|| in_tokio(tree_in_tokio(0, LEAVES.into())))
    }),
    says("smol", |_| {
        measured(|| in_smol(tree_in_smol(sides::smol(), 0, LEAVES.into())))
    }),
    says("forte", |_| {
        measured(|| in_forte(tree_in_forte(0, LEAVES.into())))
    }),
];

pub(crate) const WORKLOAD: Workload =
    Workload::new("skynet", "a leaf of a tree of 1.1 million tasks", SIDES).quick();

type Boxed = Pin<Box<dyn Future<Output = u64> + Send>>;

/// The sum of 0..leaves.
const SUM: u64 = LEAVES as u64 * (LEAVES as u64 - 1) / 2;

/// Once: another run would find memory that the first one has not given back.
fn measured(tree: impl FnOnce() -> u64) -> Figures {
    let before = process::resident();
    let sample = timed(|| assert_eq!(tree(), SUM));
    Figures::from([
        ("wall_ns".to_owned(), sample.wall / f64::from(LEAVES)),
        ("cpu_ns".to_owned(), sample.cpu / f64::from(LEAVES)),
        ("rss_bytes".to_owned(), process::peak() - before),
    ])
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

fn tree_in_smol(executor: &'static StaticExecutor, base: u64, leaves: u64) -> Boxed {
    Box::pin(async move {
        let part = leaves / FAN;
        let tasks: Vec<_> = (0..FAN)
            .map(|i| {
                let base = base + i * part;
                if part == 1 {
                    executor.spawn(async move { base })
                } else {
                    executor.spawn(tree_in_smol(executor, base, part))
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

fn tree_in_forte(base: u64, leaves: u64) -> Boxed {
    Box::pin(async move {
        let part = leaves / FAN;
        let tasks: Vec<_> = (0..FAN)
            .map(|i| {
                let base = base + i * part;
                if part == 1 {
                    forte::spawn(async move { base })
                } else {
                    forte::spawn(tree_in_forte(base, part))
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
