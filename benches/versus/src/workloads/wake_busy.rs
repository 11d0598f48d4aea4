//! A thread of the program sends to a task while 64 others compute for about a microsecond between two `yield_now`: how
//! long until the task runs?
//!
//! forte is not among the sides: there the 64 tasks run for ever, and the one that was woken never.

use crate::measure::{Delays, Figures, Length};
use crate::sides::{self, in_smol, in_spinney, in_tokio};
use crate::workloads::one_microsecond::work;
use crate::workloads::{Workload, says};
use async_channel::{Receiver, Sender, bounded};
use futures_lite::future;
use spinney::group;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const WAKES: usize = 3_000;
const PAUSE: Duration = Duration::from_micros(200);
const BUSY: u32 = 64;

pub(crate) const WORKLOAD: Workload = Workload::new(
    "wake_busy",
    "a wake from a foreign thread, 64 tasks busy",
    &[
        says("spinney", spinney),
        says("tokio", tokio),
        says("smol", smol),
    ],
)
.quick();

/// Sends the time, again and again, and ends by closing the channel.
fn send(times: &Sender<Instant>, wakes: usize, pause: Duration) {
    for _ in 0..wakes {
        thread::sleep(pause);
        if times.send_blocking(Instant::now()).is_err() {
            return;
        }
    }
    times.close();
}

/// Counts how long each time was under way.
pub(super) async fn receive(times: Receiver<Instant>) -> Delays {
    let mut delays = Delays::new();
    while let Ok(sent) = times.recv().await {
        delays.add(sent.elapsed());
    }
    delays
}

/// Runs the side on this thread, and the sender on another.
pub(super) fn sent_beside(
    wakes: usize,
    pause: Duration,
    side: impl FnOnce(Receiver<Instant>) -> Delays,
) -> Figures {
    let (times, received) = bounded(1);
    thread::scope(|s| {
        s.spawn(move || send(&times, wakes, pause));
        let delays = side(received);
        assert_eq!(delays.count(), wakes as u64);
        delays.figures()
    })
}

/// Computes and gives way, until it is over.
async fn busy<F: Future>(over: Arc<AtomicBool>, seed: u32, yield_now: fn() -> F) {
    while !over.load(Ordering::Relaxed) {
        black_box(work(seed));
        yield_now().await;
    }
}

/// What the woken task does: it ends the busy ones when it has seen all.
async fn woken(times: Receiver<Instant>, over: Arc<AtomicBool>) -> Delays {
    let delays = receive(times).await;
    over.store(true, Ordering::Relaxed);
    delays
}

fn spinney(length: Length) -> Figures {
    let over = Arc::new(AtomicBool::new(false));
    sent_beside(length.times(WAKES), PAUSE, |times| {
        in_spinney(group(async move |g| {
            for seed in 0..BUSY {
                g.spawn(busy(Arc::clone(&over), seed, spinney::yield_now));
            }
            g.spawn(async move { Ok(woken(times, over).await) }).await
        }))
    })
}

fn tokio(length: Length) -> Figures {
    let over = Arc::new(AtomicBool::new(false));
    sent_beside(length.times(WAKES), PAUSE, |times| {
        in_tokio(async move {
            for seed in 0..BUSY {
                tokio::spawn(busy(Arc::clone(&over), seed, tokio::task::yield_now));
            }
            tokio::spawn(woken(times, over)).await.expect("no panic")
        })
    })
}

fn smol(length: Length) -> Figures {
    let executor = sides::smol();
    let over = Arc::new(AtomicBool::new(false));
    sent_beside(length.times(WAKES), PAUSE, |times| {
        in_smol(async move {
            for seed in 0..BUSY {
                let busy = busy(Arc::clone(&over), seed, future::yield_now);
                executor.spawn(busy).detach();
            }
            executor.spawn(woken(times, over)).await
        })
    })
}
