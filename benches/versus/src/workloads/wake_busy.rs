//! A thread of the program sends to a task while 64 others give way to one another: how long until
//! the task runs?

use crate::measure::Sample;
use crate::peers::Peers;
use crate::workloads::one_microsecond::work;
use crate::workloads::{Run, Workload, run};
use async_channel::{Receiver, Sender, bounded};
use futures_lite::future;
use spinney::group;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const WAKES: usize = 500;
const PAUSE: Duration = Duration::from_micros(200);
const BUSY: u32 = 64;
const RUNS: &[Run] = &[
    run("spinney", spinney),
    run("tokio", tokio),
    run("async-executor", executor),
];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "wake_busy",
    about: "a wake from a foreign thread, 64 tasks busy",
    operations: 1,
    runs: RUNS,
    must: &[],
};

/// Sends the time, again and again, and ends by closing the channel.
fn send(times: &Sender<Instant>) {
    for _ in 0..WAKES {
        thread::sleep(PAUSE);
        if times.send_blocking(Instant::now()).is_err() {
            return;
        }
    }
    times.close();
}

async fn receive(times: Receiver<Instant>, over: Arc<AtomicBool>) -> Sample {
    let mut delays = Vec::with_capacity(WAKES);
    while let Ok(sent) = times.recv().await {
        delays.push(sent.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    Sample::of(delays)
}

/// Runs the side on this thread, and the sender on another.
fn measured(side: impl FnOnce(Receiver<Instant>, Arc<AtomicBool>) -> Sample) -> Sample {
    let (times, received) = bounded(1);
    thread::scope(|s| {
        s.spawn(move || send(&times));
        side(received, Arc::new(AtomicBool::new(false)))
    })
}

fn spinney(peers: &Peers) -> Sample {
    measured(|times, over| {
        peers.in_spinney(group(async |g| {
            for i in 0..BUSY {
                let over = Arc::clone(&over);
                g.spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        std::hint::black_box(work(i));
                        spinney::yield_now().await;
                    }
                });
            }
            g.spawn(async move { Ok(receive(times, over).await) }).await
        }))
    })
}

fn tokio(peers: &Peers) -> Sample {
    measured(|times, over| {
        peers.in_tokio(async move {
            for i in 0..BUSY {
                let over = Arc::clone(&over);
                tokio::spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        std::hint::black_box(work(i));
                        tokio::task::yield_now().await;
                    }
                });
            }
            let receiver = tokio::spawn(receive(times, over));
            receiver.await.expect("no panic")
        })
    })
}

fn executor(peers: &Peers) -> Sample {
    let executor = peers.executor;
    measured(|times, over| {
        peers.in_executor(async move {
            for i in 0..BUSY {
                let over = Arc::clone(&over);
                let busy = executor.spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        std::hint::black_box(work(i));
                        future::yield_now().await;
                    }
                });
                busy.detach();
            }
            executor.spawn(receive(times, over)).await
        })
    })
}
