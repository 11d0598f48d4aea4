//! Wall time and process CPU time of a run, rounds that interleave the peers, medians of ratios.
//!
//! A ratio is taken within a round, where both sides met the same noise, and the median is taken over the rounds. A
//! ratio of two medians would compare quiet moments of one side with busy ones of the other.

use crate::peers::Peers;
use crate::workloads::{Must, Run, Scale, Workload};
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::Serialize;
use std::thread;
use std::time::{Duration, Instant};

/// The workers of the side that has just run search for about 10 us before they sleep; their CPU time must not count for
/// the next side.
const SETTLE: Duration = Duration::from_millis(2);

/// What a run took, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

/// A running measurement.
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
        Sample {
            wall: self.wall.elapsed().as_secs_f64() * 1e9,
            cpu: process_cpu() - self.cpu,
        }
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

/// What all rounds of a workload came to for one peer: nanoseconds for each operation, and how many times as much as
/// spinney.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) peer: &'static str,
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    pub(crate) wall_ratio: f64,
    pub(crate) cpu_ratio: f64,
    pub(crate) must: Option<Verdict>,
}

/// Whether a target was met.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) by: Scale,
    pub(crate) least: f64,
    pub(crate) met: bool,
}

/// Runs each of `runs` once in each round, each round starting with another one; the first round only warms up.
pub(crate) fn rounds(workload: &Workload, runs: &[Run], peers: &Peers, rounds: usize) -> Vec<Row> {
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
    let ours = &samples[0];
    let rows = runs.iter().zip(&samples);
    rows.map(|(run, theirs)| row(workload, run.peer, ours, theirs))
        .collect()
}

fn row(workload: &Workload, peer: &'static str, ours: &[Sample], theirs: &[Sample]) -> Row {
    let each = |value: fn(&Sample) -> f64| {
        median(theirs.iter().map(value)) / f64::from(workload.operations)
    };
    let ratio = |value: fn(&Sample) -> f64| {
        median(
            ours.iter()
                .zip(theirs)
                .map(|(ours, theirs)| value(theirs) / value(ours)),
        )
    };
    let (wall_ratio, cpu_ratio) = (ratio(|s| s.wall), ratio(|s| s.cpu));
    let must = workload.must.iter().find(|must| must.peer == peer);
    Row {
        peer,
        wall: each(|s| s.wall),
        cpu: each(|s| s.cpu),
        wall_ratio,
        cpu_ratio,
        must: must.map(|must| verdict(must, wall_ratio, cpu_ratio)),
    }
}

fn verdict(must: &Must, wall: f64, cpu: f64) -> Verdict {
    let least = if cfg!(feature = "mimalloc") {
        must.mimalloc
    } else {
        must.system
    };
    let reached = match must.by {
        Scale::Wall => wall,
        Scale::Cpu => cpu,
    };
    Verdict {
        by: must.by,
        least,
        met: reached >= least,
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 {
        values[half]
    } else {
        f64::midpoint(values[half - 1], values[half])
    }
}
