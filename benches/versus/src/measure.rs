//! Wall time and CPU time of a program, delays with their tail, and what a process says of its run.

use crate::process;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What a run came to, by names: `wall_ns`, `cpu_ns`, `p50_ns`, `p99_ns`, `p999_ns`, `rss_bytes` and others, each of one
/// operation where it is a cost.
pub(crate) type Figures = BTreeMap<String, f64>;

/// Wall time and CPU time of one run of a program, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
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
            cpu: process::cpu(),
        }
    }

    pub(crate) fn stop(self) -> Sample {
        Sample {
            wall: self.wall.elapsed().as_secs_f64() * 1e9,
            cpu: process::cpu() - self.cpu,
        }
    }
}

/// Measures the whole of `f`.
pub(crate) fn timed<R>(f: impl FnOnce() -> R) -> Sample {
    let watch = Watch::start();
    black_box(f());
    watch.stop()
}

/// How long a process measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length {
    pub(crate) quick: bool,
}

impl Length {
    /// What takes so long in a full run.
    pub(crate) fn of(self, full: Duration) -> Duration {
        if self.quick { full / 4 } else { full }
    }

    /// Of so many repetitions in a full run.
    pub(crate) fn times(self, full: usize) -> usize {
        if self.quick { full / 4 } else { full }
    }

    /// The program is repeated for so long, and at least so many times.
    fn repeat(self) -> (Duration, usize) {
        if self.quick {
            (Duration::from_millis(50), 2)
        } else {
            (Duration::from_millis(150), 3)
        }
    }
}

/// Runs a program once to warm up, then several times; the medians for each of its operations.
pub(crate) fn cost(program: fn() -> Sample, operations: u32, length: Length) -> Figures {
    let (time, times) = length.repeat();
    program();
    let begin = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < times || begin.elapsed() < time {
        samples.push(program());
    }
    let each = |value: fn(&Sample) -> f64| {
        median(samples.iter().map(value).collect()) / f64::from(operations)
    };
    Figures::from([
        ("wall_ns".to_owned(), each(|sample| sample.wall)),
        ("cpu_ns".to_owned(), each(|sample| sample.cpu)),
    ])
}

/// The value in the middle; of an even number of values, that between the two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(values.len().saturating_sub(1) / 2), at(values.len() / 2))
}

/// Delays, to three digits.
#[derive(Debug)]
pub(crate) struct Delays(Histogram<u64>);

impl Delays {
    pub(crate) fn new() -> Self {
        Self(Histogram::new(3).expect("three digits"))
    }

    pub(crate) fn add(&mut self, delay: Duration) {
        let nanoseconds = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.0.record(nanoseconds).expect("it grows as needed");
    }

    pub(crate) fn add_all(&mut self, others: &Self) {
        self.0.add(&others.0).expect("it grows as needed");
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The median, the tail and the worst, in nanoseconds.
    pub(crate) fn figures(&self) -> Figures {
        let named = [("p50_ns", 0.5), ("p99_ns", 0.99), ("p999_ns", 0.999)];
        let mut figures: Figures = named
            .iter()
            .map(|(name, part)| ((*name).to_owned(), self.0.value_at_quantile(*part) as f64))
            .collect();
        figures.insert("max_ns".to_owned(), self.0.max() as f64);
        figures
    }
}
