//! A task sleeps for 1 ms, again and again: how late does it wake, on an idle machine and beside busy threads of another
//! program?

use crate::busy::Busy;
use crate::measure::{Delays, Figures, Length};
use crate::sides::{in_smol, in_spinney, in_tokio};
use crate::workloads::{Workload, says};
use std::time::{Duration, Instant};

const TICKS: usize = 300;
const PERIOD: Duration = Duration::from_millis(1);

pub(crate) const IDLE: Workload = Workload::new(
    "tick",
    "how late a sleep of 1 ms ends",
    &[
        says("spinney", spinney),
        says("tokio", tokio),
        says("smol", smol),
    ],
);

pub(crate) const BESIDE_THREADS: Workload = Workload::new(
    "tick_beside_threads",
    "how late a sleep of 1 ms ends beside two busy threads of another program",
    &[
        says("spinney", |length| beside(spinney, length)),
        says("tokio", |length| beside(tokio, length)),
        says("smol", |length| beside(smol, length)),
    ],
);

fn beside(side: fn(Length) -> Figures, length: Length) -> Figures {
    let _busy = Busy::start();
    side(length)
}

fn spinney(length: Length) -> Figures {
    in_spinney(late(spinney::sleep, length))
}

fn tokio(length: Length) -> Figures {
    in_tokio(late(tokio::time::sleep, length))
}

fn smol(length: Length) -> Figures {
    in_smol(late(async_io::Timer::after, length))
}

async fn late<S: Future>(sleep: fn(Duration) -> S, length: Length) -> Figures {
    let mut delays = Delays::new();
    for _ in 0..length.times(TICKS) {
        let due = Instant::now() + PERIOD;
        sleep(PERIOD).await;
        delays.add(due.elapsed());
    }
    delays.figures()
}
