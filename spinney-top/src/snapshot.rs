//! An answer of the route: the tree, the workers, the histograms.

use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) server: Server,
    /// In the order of the tree; each has its depth.
    pub(crate) groups: Vec<Group>,
    pub(crate) stalled: Vec<String>,
    pub(crate) workers: Vec<Worker>,
    /// Callers and spares, which run tasks beside the workers.
    pub(crate) others: Worker,
    pub(crate) schedule_latency: Times,
    pub(crate) poll_time: Times,
}

impl Snapshot {
    /// The workers, and then the others.
    pub(crate) fn everyone(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter().chain([&self.others])
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Server {
    pub(crate) phase: String,
    pub(crate) open_connections: u64,
    pub(crate) requests: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Group {
    pub(crate) depth: usize,
    pub(crate) name: Option<String>,
    pub(crate) place: String,
    pub(crate) text: String,
    pub(crate) tasks: Vec<Task>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Task {
    pub(crate) age_ms: u64,
    pub(crate) polls: u64,
    pub(crate) text: String,
}

/// What a worker has done since the runtime was built.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Worker {
    pub(crate) jobs: u64,
    pub(crate) steals: u64,
    pub(crate) parks: u64,
    pub(crate) queue: u64,
    pub(crate) busy_ns: u64,
    pub(crate) searching_ns: u64,
}

/// Quantiles in nanoseconds; none where nothing was measured.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Times {
    pub(crate) count: u64,
    pub(crate) p50_ns: Option<u64>,
    pub(crate) p90_ns: Option<u64>,
    pub(crate) p99_ns: Option<u64>,
    pub(crate) p999_ns: Option<u64>,
    pub(crate) max_ns: Option<u64>,
}
