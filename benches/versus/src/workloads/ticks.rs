//! A task sleeps for 1 ms, again and again: how late does it wake, on an idle machine and beside
//! busy threads?

use crate::measure::Sample;
use crate::peers::Peers;
use crate::workloads::{Run, Workload, run};
use std::future::Future;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const TICKS: usize = 50;
const PERIOD: Duration = Duration::from_millis(1);
/// Threads that are no worker of anybody; as many as each side has workers.
const BUSY: usize = 2;

pub(crate) const IDLE: Workload = Workload {
    name: "tick",
    about: "how late a sleep of 1 ms ends",
    operations: 1,
    runs: IDLE_RUNS,
    must: &[],
};

pub(crate) const BESIDE_THREADS: Workload = Workload {
    name: "tick_beside_threads",
    about: "the same beside two threads that spin",
    operations: 1,
    runs: BUSY_RUNS,
    must: &[],
};

const IDLE_RUNS: &[Run] = &[
    run("spinney", spinney),
    run("tokio", tokio),
    run("async-io", executor),
];

const BUSY_RUNS: &[Run] = &[
    run("spinney", |peers| beside_threads(|| spinney(peers))),
    run("tokio", |peers| beside_threads(|| tokio(peers))),
    run("async-io", |peers| beside_threads(|| executor(peers))),
];

fn spinney(peers: &Peers) -> Sample {
    peers.in_spinney(late(spinney::sleep))
}

fn tokio(peers: &Peers) -> Sample {
    peers.in_tokio(late(tokio::time::sleep))
}

fn executor(peers: &Peers) -> Sample {
    peers.in_executor(late(async_io::Timer::after))
}

async fn late<S: Future>(sleep: fn(Duration) -> S) -> Sample {
    let mut delays = Vec::with_capacity(TICKS);
    for _ in 0..TICKS {
        let due = Instant::now() + PERIOD;
        sleep(PERIOD).await;
        delays.push(due.elapsed());
    }
    Sample::of(delays)
}

fn beside_threads(measured: impl FnOnce() -> Sample) -> Sample {
    let over = AtomicBool::new(false);
    thread::scope(|s| {
        for _ in 0..BUSY {
            s.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    spin_loop();
                }
            });
        }
        let sample = measured();
        over.store(true, Ordering::Relaxed);
        sample
    })
}
