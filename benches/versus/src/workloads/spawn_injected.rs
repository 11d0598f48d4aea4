//! A thread that is in no runtime spawns 100,000 children through a handle, while the runtime has
//! nothing else to do.

use crate::measure::{Sample, timed};
use crate::peers::{Latch, Peers};
use crate::workloads::{Must, Run, Workload, run};
use spinney::{Group, group};
use std::sync::Arc;
use std::thread;

const CHILDREN: u32 = 100_000;
const RUNS: &[Run] = &[
    run("spinney", spinney),
    run("tokio", tokio),
    run("async-executor", executor),
];
const MUST: &[Must] = &[];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "spawn_injected",
    about: "a child spawned by a foreign thread through a handle, which is dropped",
    operations: CHILDREN,
    runs: RUNS,
    must: MUST,
};

fn spinney(peers: &Peers) -> Sample {
    timed(|| {
        peers.spinney.block_on(group(async |g: Group<'_, '_>| {
            let handle = g.handle();
            // A thread of its own: the caller of `block_on` is inside the runtime.
            let spawner = thread::spawn(move || {
                for _ in 0..CHILDREN {
                    assert!(handle.spawn(async {}).is_ok());
                }
            });
            spawner.join().expect("no panic");
        }))
    })
}

fn tokio(peers: &Peers) -> Sample {
    let latch = Arc::new(Latch::new(CHILDREN));
    timed(|| {
        let handle = peers.tokio.handle().clone();
        let left = Arc::clone(&latch);
        let spawner = thread::spawn(move || {
            for _ in 0..CHILDREN {
                let left = Arc::clone(&left);
                handle.spawn(async move { left.hit() });
            }
        });
        spawner.join().expect("no panic");
        latch.wait();
    })
}

fn executor(peers: &Peers) -> Sample {
    let executor = peers.executor;
    let latch = Arc::new(Latch::new(CHILDREN));
    timed(|| {
        let left = Arc::clone(&latch);
        let spawner = thread::spawn(move || {
            for _ in 0..CHILDREN {
                let left = Arc::clone(&left);
                executor.spawn(async move { left.hit() }).detach();
            }
        });
        spawner.join().expect("no panic");
        latch.wait();
    })
}
