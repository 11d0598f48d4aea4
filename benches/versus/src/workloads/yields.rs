//! 1,000 tasks give way 200 times each, by their own runtime's `yield_now`: what does giving way cost?

use crate::measure::{Sample, timed};
use crate::sides::{self, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::{Side, Workload, cost_of};
use futures_lite::future;
use spinney::group;

const TASKS: u32 = 1_000;
const YIELDS: u32 = 200;
const SIDES: &[Side] = &[
    cost_of("spinney", spinney, TASKS * YIELDS),
    cost_of("tokio", tokio, TASKS * YIELDS),
    cost_of("smol", smol, TASKS * YIELDS),
    cost_of("forte", forte, TASKS * YIELDS),
];

pub(crate) const WORKLOAD: Workload =
    Workload::new("yields", "a task that gives way to 999 others", SIDES).quick();

/// Gives way so often, and says how often.
async fn gives_way<F: Future>(yield_now: fn() -> F) -> u32 {
    let mut count = 0;
    while count < YIELDS {
        yield_now().await;
        count += 1;
    }
    count
}

fn spinney() -> Sample {
    let program = group(async |g| {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| g.spawn(async { Ok(gives_way(spinney::yield_now).await) }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    });
    timed(|| assert_eq!(in_spinney(program), TASKS * YIELDS))
}

fn tokio() -> Sample {
    let program = async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| tokio::spawn(gives_way(tokio::task::yield_now)))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no panic");
        }
        sum
    };
    timed(|| assert_eq!(in_tokio(program), TASKS * YIELDS))
}

fn smol() -> Sample {
    let executor = sides::smol();
    let program = async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| executor.spawn(gives_way(future::yield_now)))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    };
    timed(|| assert_eq!(in_smol(program), TASKS * YIELDS))
}

/// It has no `yield_now` for tasks: that of futures-lite, which wakes and is pending once.
fn forte() -> Sample {
    let program = async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| forte::spawn(gives_way(future::yield_now)))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    };
    timed(|| assert_eq!(in_forte(program), TASKS * YIELDS))
}
