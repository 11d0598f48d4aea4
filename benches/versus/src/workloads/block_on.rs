//! The way from sync code into async code and back: what does it cost where there is nothing to wait for, off a worker and
//! on one, and where there is one child to wait for?

use crate::measure::{Sample, timed};
use crate::sides::{self, in_forte, in_smol, in_spinney};
use crate::workloads::{Workload, cost_of};
use spinney::group;
use std::hint::black_box;

const READY_CALLS: u32 = 200_000;
const SPAWN_CALLS: u32 = 2_000;

pub(crate) const READY: Workload = Workload::new(
    "block_on_ready",
    "block_on of a future that is ready",
    &[
        cost_of("spinney", ready_spinney, READY_CALLS),
        cost_of("tokio", ready_tokio, READY_CALLS),
        cost_of("smol", ready_smol, READY_CALLS),
        cost_of("forte", ready_forte, READY_CALLS),
    ],
)
.quick();

pub(crate) const READY_ON_A_WORKER: Workload = Workload::new(
    "block_on_ready_inside",
    "the same inside a task; tokio panics there",
    &[
        cost_of("spinney", inside_spinney, READY_CALLS),
        cost_of("smol", inside_smol, READY_CALLS),
        cost_of("forte", inside_forte, READY_CALLS),
    ],
);

pub(crate) const SPAWN: Workload = Workload::new(
    "block_on_spawn",
    "block_on of a child that is spawned at once",
    &[
        cost_of("spinney", spawn_spinney, SPAWN_CALLS),
        cost_of("tokio", spawn_tokio, SPAWN_CALLS),
        cost_of("smol", spawn_smol, SPAWN_CALLS),
        cost_of("forte", spawn_forte, SPAWN_CALLS),
    ],
)
.quick();

fn ready(block_on: impl Fn(u32) -> u32) {
    for i in 0..READY_CALLS {
        assert_eq!(block_on(black_box(i)), i);
    }
}

fn ready_spinney() -> Sample {
    let runtime = sides::spinney();
    timed(|| ready(|i| runtime.block_on(async move { black_box(i) })))
}

fn ready_tokio() -> Sample {
    let runtime = sides::tokio();
    timed(|| ready(|i| runtime.block_on(async move { black_box(i) })))
}

fn ready_smol() -> Sample {
    timed(|| ready(|i| async_io::block_on(async move { black_box(i) })))
}

fn ready_forte() -> Sample {
    let pool = sides::forte();
    timed(|| ready(|i| pool.block_on(async move { black_box(i) })))
}

fn inside_spinney() -> Sample {
    in_spinney(async { timed(|| ready(|i| spinney::block_on(async move { black_box(i) }))) })
}

fn inside_smol() -> Sample {
    in_smol(async { timed(|| ready(|i| async_io::block_on(async move { black_box(i) }))) })
}

fn inside_forte() -> Sample {
    in_forte(async { timed(|| ready(|i| forte::block_on(async move { black_box(i) }))) })
}

fn spawn_spinney() -> Sample {
    let runtime = sides::spinney();
    timed(|| {
        for i in 0..SPAWN_CALLS {
            let child = group(async |g| g.spawn(async move { Ok(i) }).await);
            assert_eq!(runtime.block_on(child), i);
        }
    })
}

fn spawn_tokio() -> Sample {
    let runtime = sides::tokio();
    timed(|| {
        for i in 0..SPAWN_CALLS {
            let task = async { tokio::spawn(async move { i }).await };
            assert_eq!(runtime.block_on(task).expect("no panic"), i);
        }
    })
}

fn spawn_smol() -> Sample {
    let executor = sides::smol();
    timed(|| {
        for i in 0..SPAWN_CALLS {
            assert_eq!(async_io::block_on(executor.spawn(async move { i })), i);
        }
    })
}

fn spawn_forte() -> Sample {
    let pool = sides::forte();
    timed(|| {
        for i in 0..SPAWN_CALLS {
            let task = async { forte::spawn(async move { i }).await };
            assert_eq!(pool.block_on(task), i);
        }
    })
}
