//! A task spawns 100,000 children whose handles nobody keeps: what does one of them cost? spinney's group waits for them;
//! the others need a counter.

use crate::measure::{Sample, timed};
use crate::sides::{self, Latch, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::{Side, Workload, cost_of};
use spinney::group;
use std::sync::Arc;

const CHILDREN: u32 = 100_000;
const SIDES: &[Side] = &[
    cost_of("spinney", spinney, CHILDREN),
    cost_of("tokio", tokio, CHILDREN),
    cost_of("smol", smol, CHILDREN),
    cost_of("forte", forte, CHILDREN),
];

pub(crate) const WORKLOAD: Workload = Workload::new(
    "spawn_unobserved",
    "a child spawned by a task, its handle dropped",
    SIDES,
)
.quick();

fn spinney() -> Sample {
    timed(|| {
        in_spinney(group(async |g| {
            for _ in 0..CHILDREN {
                g.spawn(async {});
            }
        }));
    })
}

fn tokio() -> Sample {
    let latch = Arc::new(Latch::new(CHILDREN));
    timed(|| {
        let left = Arc::clone(&latch);
        in_tokio(async move {
            for _ in 0..CHILDREN {
                let left = Arc::clone(&left);
                tokio::spawn(async move { left.hit() });
            }
        });
        latch.wait();
    })
}

fn smol() -> Sample {
    let executor = sides::smol();
    let latch = Arc::new(Latch::new(CHILDREN));
    timed(|| {
        let left = Arc::clone(&latch);
        in_smol(async move {
            for _ in 0..CHILDREN {
                let left = Arc::clone(&left);
                executor.spawn(async move { left.hit() }).detach();
            }
        });
        latch.wait();
    })
}

fn forte() -> Sample {
    let latch = Arc::new(Latch::new(CHILDREN));
    timed(|| {
        let left = Arc::clone(&latch);
        in_forte(async move {
            for _ in 0..CHILDREN {
                let left = Arc::clone(&left);
                forte::spawn(async move { left.hit() }).detach();
            }
        });
        latch.wait();
    })
}
