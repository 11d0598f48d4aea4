//! All numbers of a runtime at about one moment.

use crate::pool::metrics::Metrics;
use crate::pool::named::NAMES;
use crate::pool::seats::Seat;
use crate::pool::shared::Shared;
use crate::pool::timing;
use crate::report::histogram::Histogram;
use crate::tree::attach;
use std::time::Duration;

/// What a runtime has done so far, by worker, by time and by the names of groups.
///
/// # Which jobs are timed
///
/// [`poll_time`](Statistics::poll_time) and [`schedule_latency`](Statistics::schedule_latency) are
/// of a sample: one of [`SAMPLED_EVERY`](Statistics::SAMPLED_EVERY) tasks that are queued, in the
/// mean, at random distances. For that the clock is read three times: when the task is queued, when
/// its poll begins and when it ends. All others pay a few instructions and no look at a clock.
/// Times go by the clock of the runtime, a [`ManualClock`](crate::time::ManualClock) included.
///
/// The times of workers are told when they look at time and I/O, which they do about each 64 us and
/// after a job that took longer: so the job in which a worker is now is missing.
///
/// Names are those of tokio-metrics where the meaning is the same.
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, group};
///
/// let runtime = Runtime::builder().workers(2).build()?;
/// runtime.block_on(group(async |g| g.spawn(async {}).await));
/// let statistics = runtime.statistics();
/// for (index, worker) in statistics.workers.iter().enumerate() {
///     println!("worker {index} was busy for {:?}", worker.busy_duration);
/// }
/// assert!(statistics.totals.jobs >= statistics.workers.iter().map(|worker| worker.jobs).sum());
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// The sums over all threads, and what is alive.
    pub totals: Metrics,
    /// The workers, in the order of their numbers.
    pub workers: Vec<WorkerMetrics>,
    /// Spares, and callers that run jobs while they are blocked: their sum.
    pub others: WorkerMetrics,
    /// Jobs that threads without a seat have queued, and no worker has taken yet.
    pub global_queue_depth: u64,
    /// How long tasks waited in queues until they were polled, for one in
    /// [`SAMPLED_EVERY`](Statistics::SAMPLED_EVERY).
    pub schedule_latency: Histogram,
    /// How long polls of tasks took, for the same ones. One that is blocked in a wait counts all of
    /// it.
    pub poll_time: Histogram,
    /// Tasks that were to be timed, and were not, because too many that are timed were queued.
    pub missed_samples: u64,
    /// The groups that have a name, by it.
    pub groups: Vec<GroupMetrics>,
    /// Groups that are not among these, because
    /// [`MAX_GROUP_NAMES`](Statistics::MAX_GROUP_NAMES) others came first.
    pub unlisted_groups: u64,
}

/// What one worker has done so far.
///
/// # Examples
///
/// ```
/// use spinney::runtime::WorkerMetrics;
///
/// fn utilisation(worker: &WorkerMetrics, uptime: std::time::Duration) -> f64 {
///     worker.busy_duration.as_secs_f64() / uptime.as_secs_f64()
/// }
/// # let runtime = spinney::Runtime::builder().workers(1).build()?;
/// # let worker = &runtime.statistics().workers[0];
/// # assert!(utilisation(worker, std::time::Duration::from_secs(3600)) < 1.0);
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Jobs run: polls of tasks, reapers.
    pub jobs: u64,
    /// Batches taken from another seat.
    pub steals: u64,
    /// Times that it looked for a job at every seat.
    pub searches: u64,
    /// Times that it went to sleep.
    pub parks: u64,
    /// Times that it was woken for a push.
    pub wakes: u64,
    /// Jobs that wait on its seat now.
    pub local_queue_depth: u64,
    /// How long it ran jobs, and looked at time and I/O between them; with waits in these jobs, and
    /// with the tasks of `tokio::spawn` that it ran, with `Tokio::Parked`.
    pub busy_duration: Duration,
    /// How long it looked for a job before it found one, or slept.
    pub searching_duration: Duration,
}

/// What became of the groups of one name.
///
/// # Examples
///
/// ```
/// use spinney::{GroupBuilder, Runtime};
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// for number in ["1", "x"] {
///     let parse = GroupBuilder::new().name("parse");
///     let _ = runtime.block_on(parse.run(async move |_| number.parse::<u8>()));
/// }
/// let parse = &runtime.statistics().groups[0];
/// assert_eq!((parse.opened, parse.failed, parse.cut, parse.live), (2, 1, 0, 0));
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupMetrics {
    /// The name.
    pub name: String,
    /// How many were opened: their future was polled.
    pub opened: u64,
    /// How many have not ended.
    pub live: u64,
    /// How many have ended with an error or a panic.
    pub failed: u64,
    /// How many have ended because they were cancelled from outside, and without a failure of their
    /// own.
    pub cut: u64,
    /// How long those that have ended were open: the sum.
    pub duration: Duration,
}

impl Statistics {
    /// Of so many tasks that are queued one is timed, in the mean.
    pub const SAMPLED_EVERY: u32 = timing::EVERY;

    /// So many names of groups are told apart: those that come first.
    pub const MAX_GROUP_NAMES: usize = NAMES;

    pub(crate) fn of(shared: &Shared) -> Self {
        attach::attach_here();
        let mut workers = vec![WorkerMetrics::default(); shared.workers];
        let mut others = WorkerMetrics::default();
        for (index, seat) in shared.seats.numbered() {
            let sum = workers.get_mut(index).unwrap_or(&mut others);
            sum.add(shared, index, seat);
        }
        let (schedule_latency, poll_time) = shared.timing.histograms();
        let names = shared.names.sums().into_iter();
        Self {
            totals: shared.metrics(),
            workers,
            others,
            global_queue_depth: shared.injector.len() as u64,
            schedule_latency,
            poll_time,
            missed_samples: shared.timing.missed(),
            groups: names
                .map(|(name, sums)| GroupMetrics {
                    name: name.to_owned(),
                    opened: sums.opened,
                    live: sums.opened.saturating_sub(sums.ended),
                    failed: sums.failed,
                    cut: sums.cut,
                    duration: sums.open_for,
                })
                .collect(),
            unlisted_groups: shared.names.unlisted(),
        }
    }
}

impl WorkerMetrics {
    fn add(&mut self, shared: &Shared, index: usize, seat: &Seat) {
        let counters = &seat.counters;
        self.jobs += counters.jobs.get() + counters.awaited_jobs.get();
        self.steals += counters.steals.get();
        self.searches += counters.searches.get();
        self.parks += counters.parks.get();
        self.wakes += counters.wakes.get();
        self.local_queue_depth += seat.waiting() as u64;
        // A caller's seat has none, as a rule, and is not to get some by being looked at.
        if let Some(times) = shared.timing.measured_on(index) {
            self.busy_duration += times.busy.get();
            self.searching_duration += times.searching.get();
        }
    }
}
