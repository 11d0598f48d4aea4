//! A thread of the program wakes a task of a runtime that has nothing else to do: how long until the task runs?

use crate::measure::{Figures, Length};
use crate::sides::{in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::wake_busy::{receive, sent_beside};
use crate::workloads::{Workload, says};
use std::time::Duration;

const WAKES: usize = 2_000;
/// Long enough that the workers have given up their search and sleep.
const PAUSE: Duration = Duration::from_micros(300);

pub(crate) const WORKLOAD: Workload = Workload::new(
    "wake_parked",
    "a wake from a foreign thread, the runtime idle",
    &[
        says("spinney", spinney),
        says("tokio", tokio),
        says("smol", smol),
        says("forte", forte),
    ],
)
.quick();

fn spinney(length: Length) -> Figures {
    sent_beside(length.times(WAKES), PAUSE, |times| {
        in_spinney(receive(times))
    })
}

fn tokio(length: Length) -> Figures {
    sent_beside(length.times(WAKES), PAUSE, |times| in_tokio(receive(times)))
}

fn smol(length: Length) -> Figures {
    sent_beside(length.times(WAKES), PAUSE, |times| in_smol(receive(times)))
}

fn forte(length: Length) -> Figures {
    sent_beside(length.times(WAKES), PAUSE, |times| in_forte(receive(times)))
}
