//! A task spawns a child and awaits it, 20,000 times: what does that cost?

use crate::measure::{Sample, timed};
use crate::sides::{self, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::{Side, Workload, cost_of};
use spinney::group;

const CHILDREN: u32 = 20_000;
const SIDES: &[Side] = &[
    cost_of("spinney", spinney, CHILDREN),
    cost_of("tokio", tokio, CHILDREN),
    cost_of("smol", smol, CHILDREN),
    cost_of("forte", forte, CHILDREN),
];

pub(crate) const WORKLOAD: Workload = Workload::new(
    "spawn_await",
    "a child spawned and awaited, one after the other",
    SIDES,
)
.quick();

fn spinney() -> Sample {
    timed(|| {
        in_spinney(group(async |g| {
            for i in 0..CHILDREN {
                assert_eq!(g.spawn(async move { Ok(i) }).await, i);
            }
        }));
    })
}

fn tokio() -> Sample {
    timed(|| {
        in_tokio(async {
            for i in 0..CHILDREN {
                assert_eq!(tokio::spawn(async move { i }).await.expect("no panic"), i);
            }
        });
    })
}

fn smol() -> Sample {
    let executor = sides::smol();
    timed(|| {
        in_smol(async {
            for i in 0..CHILDREN {
                assert_eq!(executor.spawn(async move { i }).await, i);
            }
        });
    })
}

fn forte() -> Sample {
    timed(|| {
        in_forte(async {
            for i in 0..CHILDREN {
                assert_eq!(forte::spawn(async move { i }).await, i);
            }
        });
    })
}
