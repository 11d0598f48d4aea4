//! Wall time and process CPU time of a run, rounds that interleave the peers, medians of ratios.
//!
//! A ratio is taken within a round, where both sides met the same noise, and the median is taken
//! over the rounds. A ratio of two medians would compare quiet moments of one side with busy ones
//! of the other.

use crate::peers::Peers;
use crate::workloads::{Must, Run, Workload};
use figures::{Scale, Spread};
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::Serialize;
use std::thread;
use std::time::{Duration, Instant};

/// The workers of the side that has just run search for about 10 us before they sleep; their CPU
/// time must not count for the next side.
const SETTLE: Duration = Duration::from_millis(2);

/// The two figures of a run, in nanoseconds; the workload says what they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample([f64; 2]);

impl Sample {
    /// The median of these delays, and the one that one in a hundred exceeds.
    pub(crate) fn of(mut delays: Vec<Duration>) -> Self {
        delays.sort_unstable();
        let at = |part: usize| delays[(delays.len() * part / 100).min(delays.len() - 1)];
        Self([at(50), at(99)].map(|delay| delay.as_secs_f64() * 1e9))
    }
}

/// A running measurement of wall time and CPU time.
pub(crate) struct Watch {
    wall: Instant,
    cpu: f64,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu: process_cpu(),
        }
    }

    pub(crate) fn stop(self) -> Sample {
        Sample([
            self.wall.elapsed().as_secs_f64() * 1e9,
            process_cpu() - self.cpu,
        ])
    }
}

/// Measures the whole of `f`.
pub(crate) fn timed<R>(f: impl FnOnce() -> R) -> Sample {
    let watch = Watch::start();
    std::hint::black_box(f());
    watch.stop()
}

/// The CPU time of all threads of this process, in nanoseconds.
fn process_cpu() -> f64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ProcessCPUTime);
    tv_sec as f64 * 1e9 + tv_nsec as f64
}

/// What all rounds of a workload came to for one peer.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) peer: &'static str,
    pub(crate) columns: [Column; 2],
    pub(crate) must: Option<Verdict>,
}

/// Nanoseconds for each operation, and how many times as much as spinney.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Column {
    pub(crate) scale: Scale,
    pub(crate) value: f64,
    pub(crate) ratio: Spread,
}

/// Whether a target was met.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) by: Scale,
    pub(crate) least: f64,
    pub(crate) met: bool,
}

/// Runs each of `runs` once in each round, each round starting with another one; the first round
/// only warms up.
pub(crate) fn rounds(
    workload: &Workload,
    scales: [Scale; 2],
    runs: &[Run],
    peers: &Peers,
    rounds: usize,
) -> Vec<Row> {
    let mut samples: Vec<Vec<Sample>> = runs.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for turn in 0..runs.len() {
            let at = (round + turn) % runs.len();
            thread::sleep(SETTLE);
            let sample = (runs[at].run)(peers);
            if round > 0 {
                samples[at].push(sample);
            }
        }
    }
    let rows = runs.iter().zip(&samples);
    rows.map(|(run, theirs)| {
        let column = |at: usize| Column {
            scale: scales[at],
            value: each(workload, theirs, at),
            ratio: ratio(&samples[0], theirs, at),
        };
        let columns = [column(0), column(1)];
        let must = workload.must.iter().find(|must| must.peer == run.peer);
        Row {
            peer: run.peer,
            columns,
            must: must.map(|must| verdict(must, columns)),
        }
    })
    .collect()
}

fn each(workload: &Workload, samples: &[Sample], at: usize) -> f64 {
    Spread::of(samples.iter().map(|sample| sample.0[at])).median / f64::from(workload.operations)
}

fn ratio(ours: &[Sample], theirs: &[Sample], at: usize) -> Spread {
    let rounds = ours.iter().zip(theirs);
    Spread::of(rounds.map(|(ours, theirs)| theirs.0[at] / ours.0[at]))
}

fn verdict(must: &Must, columns: [Column; 2]) -> Verdict {
    let least = if cfg!(feature = "mimalloc") {
        must.mimalloc
    } else {
        must.system
    };
    let reached = columns.iter().find(|column| column.scale == must.by);
    Verdict {
        by: must.by,
        least,
        met: reached.is_some_and(|column| column.ratio.median >= least),
    }
}
