//! A thread that is in no runtime spawns 100,000 children through a handle, while the runtime has nothing else to do: what
//! does one of them cost?

use crate::measure::{Sample, timed};
use crate::sides::{self, Latch};
use crate::workloads::{Side, Workload, cost_of};
use spinney::{Group, group};
use std::sync::Arc;
use std::thread;

const CHILDREN: u32 = 100_000;
const SIDES: &[Side] = &[
    cost_of("spinney", spinney, CHILDREN),
    cost_of("tokio", tokio, CHILDREN),
    cost_of("smol", smol, CHILDREN),
    cost_of("forte", forte, CHILDREN),
];

pub(crate) const WORKLOAD: Workload = Workload::new(
    "spawn_injected",
    "a child spawned by a foreign thread through a handle, which is dropped",
    SIDES,
);

fn spinney() -> Sample {
    timed(|| {
        sides::spinney().block_on(group(async |g: Group<'_, '_>| {
            let handle = g.handle();
            // A thread of its own: the caller of `block_on` is inside the runtime.
            let spawner = thread::spawn(move || {
                for _ in 0..CHILDREN {
                    assert!(handle.spawn(async {}).is_ok());
                }
            });
            spawner.join().expect("no panic");
        }));
    })
}

/// The others: a thread that spawns, and a counter of what was run.
fn counted(spawn: impl Fn(Arc<Latch>) + Send + 'static) -> Sample {
    let latch = Arc::new(Latch::new(CHILDREN));
    timed(|| {
        let left = Arc::clone(&latch);
        let spawner = thread::spawn(move || {
            for _ in 0..CHILDREN {
                spawn(Arc::clone(&left));
            }
        });
        spawner.join().expect("no panic");
        latch.wait();
    })
}

fn tokio() -> Sample {
    let handle = sides::tokio().handle();
    counted(|left| drop(handle.spawn(async move { left.hit() })))
}

fn smol() -> Sample {
    let executor = sides::smol();
    counted(|left| executor.spawn(async move { left.hit() }).detach())
}

fn forte() -> Sample {
    let pool = sides::forte();
    counted(|left| pool.spawn(async move { left.hit() }).detach())
}
