//! Each task spawns the next one and ends, 100,000 times: what does one link cost?

use crate::measure::{Sample, timed};
use crate::sides::{self, Latch, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::{Side, Workload, cost_of};
use async_executor::StaticExecutor;
use spinney::{Group, group};
use std::sync::Arc;

const LINKS: u32 = 100_000;
const SIDES: &[Side] = &[
    cost_of("spinney", spinney, LINKS),
    cost_of("tokio", tokio, LINKS),
    cost_of("smol", smol, LINKS),
    cost_of("forte", forte, LINKS),
];

pub(crate) const WORKLOAD: Workload =
    Workload::new("chained", "a task that spawns the next one and ends", SIDES).quick();

fn spinney() -> Sample {
    fn link(g: Group<'_, '_>, end: Arc<Latch>, left: u32) {
        g.spawn(async move {
            if left > 1 {
                link(g, end, left - 1);
            } else {
                end.hit();
            }
        });
    }
    let end = Arc::new(Latch::new(1));
    timed(|| {
        let last = Arc::clone(&end);
        in_spinney(group(async move |g: Group<'_, '_>| link(g, last, LINKS)));
        end.wait();
    })
}

fn tokio() -> Sample {
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
        in_tokio(async { link(last, LINKS) });
        end.wait();
    })
}

fn smol() -> Sample {
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
    let executor = sides::smol();
    let end = Arc::new(Latch::new(1));
    timed(|| {
        let last = Arc::clone(&end);
        in_smol(async move { link(executor, last, LINKS) });
        end.wait();
    })
}

fn forte() -> Sample {
    fn link(end: Arc<Latch>, left: u32) {
        let task = forte::spawn(async move {
            if left > 1 {
                link(end, left - 1);
            } else {
                end.hit();
            }
        });
        task.detach();
    }
    let end = Arc::new(Latch::new(1));
    timed(|| {
        let last = Arc::clone(&end);
        in_forte(async { link(last, LINKS) });
        end.wait();
    })
}
