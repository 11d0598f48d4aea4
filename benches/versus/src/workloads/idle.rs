//! A runtime has a task that waits, for ever or for an hour, for ten seconds: how often was one of its threads given a
//! processor? A thread that was not makes no system call either.

use crate::measure::{Figures, Length};
use crate::process;
use crate::sides::{self, Latch};
use crate::workloads::{Workload, says};
use spinney::{Group, group};
use std::future::pending;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const TIME: Duration = Duration::from_secs(10);
const FAR: Duration = Duration::from_secs(3_600);
/// Until the workers have gone to sleep after they were started.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) const NOTHING: Workload = Workload::new(
    "idle",
    "wake-ups of an idle runtime in 10 s",
    &[
        says("spinney", |length| spinney(pending, length)),
        says("tokio", |length| tokio(pending, length)),
        says("smol", |length| smol(pending, length)),
    ],
)
.quick()
.once();

pub(crate) const FAR_TIMER: Workload = Workload::new(
    "idle_far_timer",
    "wake-ups in 10 s of a runtime whose one task sleeps for an hour",
    &[
        says("spinney", |length| spinney(|| spinney::sleep(FAR), length)),
        says("tokio", |length| tokio(|| tokio::time::sleep(FAR), length)),
        says("smol", |length| smol(far_in_smol, length)),
    ],
)
.quick()
.once();

async fn far_in_smol() {
    async_io::Timer::after(FAR).await;
}

/// Says that it runs, and waits.
async fn waits<F: Future>(started: Arc<Latch>, wait: fn() -> F) {
    started.hit();
    wait().await;
}

fn counted(started: &Latch, length: Length) -> Figures {
    started.wait();
    thread::sleep(SETTLE);
    let time = length.of(TIME);
    let before = process::runs_of_others();
    thread::sleep(time);
    let runs = process::runs_of_others() - before;
    let wakeups = runs * TIME.as_secs_f64() / time.as_secs_f64();
    Figures::from([("wakeups".to_owned(), wakeups)])
}

fn spinney<F: Future<Output = ()> + Send + 'static>(wait: fn() -> F, length: Length) -> Figures {
    let started = Arc::new(Latch::new(1));
    let here = Arc::clone(&started);
    // It never ends: its thread does with the process.
    thread::spawn(move || {
        sides::spinney().block_on(group(async move |g: Group<'_, 'static>| {
            g.spawn(waits(here, wait));
        }));
    });
    counted(&started, length)
}

fn tokio<F: Future<Output = ()> + Send + 'static>(wait: fn() -> F, length: Length) -> Figures {
    let started = Arc::new(Latch::new(1));
    sides::tokio().spawn(waits(Arc::clone(&started), wait));
    counted(&started, length)
}

fn smol<F: Future<Output = ()> + Send + 'static>(wait: fn() -> F, length: Length) -> Figures {
    let started = Arc::new(Latch::new(1));
    let task = sides::smol().spawn(waits(Arc::clone(&started), wait));
    let figures = counted(&started, length);
    drop(task);
    figures
}
