//! Each metric by its name, its help and the number that it is.

use crate::pool::statistics::{GroupMetrics, Statistics, WorkerMetrics};
use crate::report::histogram::Histogram;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;
use std::fmt;
use std::time::Duration;

use Number::{Level, Sum, Time};

/// The name of a metric, its help, and what it is of a `T`.
type Row<T> = (&'static str, &'static str, Number<T>);

/// A number of a `T`.
enum Number<T> {
    /// It only grows.
    Sum(fn(&T) -> u64),
    /// As of now.
    Level(fn(&T) -> u64),
    /// It only grows, in seconds.
    Time(fn(&T) -> Duration),
}

/// Calls a function with each `T` of a runtime, and the labels of that.
type Each<T> = fn(&Statistics, &str, &mut dyn FnMut(&Labels<'_>, &T) -> fmt::Result) -> fmt::Result;

/// The same for a histogram, which is borrowed.
type HistogramRow = (&'static str, &'static str, fn(&Statistics) -> &Histogram);

/// Labels and their values.
type Labels<'a> = [(&'a str, &'a str)];

/// The numbers of all runtimes, taken at one time.
pub(super) struct Taken<'r, 'a> {
    pub(super) runtimes: Vec<(&'r str, Statistics)>,
    pub(super) encoder: DescriptorEncoder<'a>,
}

impl Taken<'_, '_> {
    pub(super) fn encode(mut self) -> fmt::Result {
        self.totals()?;
        self.workers()?;
        self.histograms()?;
        self.groups()
    }

    /// One metric: `write` is called with the numbers of each runtime and its labels.
    fn metric(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        kind: MetricType,
        write: impl Fn(&Statistics, &str, &mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let mut encoder = self.encoder.encode_descriptor(name, help, unit, kind)?;
        self.runtimes
            .iter()
            .try_for_each(|(runtime, numbers)| write(numbers, runtime, &mut encoder))
    }

    /// Metrics of each `T`.
    fn rows<T>(&mut self, each: Each<T>, rows: &[Row<T>]) -> fmt::Result {
        rows.iter().try_for_each(|(name, help, number)| {
            let (unit, kind) = match number {
                Sum(_) => (None, MetricType::Counter),
                Level(_) => (None, MetricType::Gauge),
                Time(_) => (Some(&Unit::Seconds), MetricType::Counter),
            };
            self.metric(name, help, unit, kind, |all, runtime, encoder| {
                each(all, runtime, &mut |labels, one| match number {
                    Sum(sum) => counter(encoder, labels, &sum(one)),
                    Level(level) => gauge(encoder, labels, level(one)),
                    Time(time) => counter(encoder, labels, &time(one).as_secs_f64()),
                })
            })
        })
    }

    fn totals(&mut self) -> fmt::Result {
        let rows: &[Row<Statistics>] = &[
            (
                "spinney_workers_count",
                "Workers",
                Level(|all| all.workers.len() as u64),
            ),
            (
                "spinney_live_tasks_count",
                "Tasks that have not ended",
                Level(|all| all.totals.live_tasks),
            ),
            (
                "spinney_live_groups",
                "Groups that have not ended",
                Level(|all| all.totals.live_groups),
            ),
            (
                "spinney_live_timers",
                "Timers that have not fired",
                Level(|all| all.totals.live_timers),
            ),
            (
                "spinney_global_queue_depth",
                "Jobs queued by other threads, and not taken by a worker",
                Level(|all| all.global_queue_depth),
            ),
            (
                "spinney_num_remote_schedules",
                "Jobs queued by threads without a seat",
                Sum(|all| all.totals.injected),
            ),
            (
                "spinney_awaited_jobs",
                "Jobs run by callers that wait for them",
                Sum(|all| all.totals.awaited_jobs),
            ),
            (
                "spinney_forks",
                "Halves of joins offered to other threads",
                Sum(|all| all.totals.forks),
            ),
            (
                "spinney_spares",
                "Spare workers started",
                Sum(|all| all.totals.spares),
            ),
            (
                "spinney_ended_spares",
                "Spare workers that have left",
                Sum(|all| all.totals.ended_spares),
            ),
            (
                "spinney_stalls",
                "Times that a worker did not come back from a job",
                Sum(|all| all.totals.stalls),
            ),
            (
                "spinney_ended_stalls",
                "Times that one of those came back",
                Sum(|all| all.totals.ended_stalls),
            ),
            (
                "spinney_reported_stalls",
                "Polls that were reported because they did not end",
                Sum(|all| all.totals.reported_stalls),
            ),
            (
                "spinney_last_resorts",
                "Waits that ran any job, because no thread could be had",
                Sum(|all| all.totals.last_resorts),
            ),
            (
                "spinney_cut_tasks",
                "Tasks that were cut",
                Sum(|all| all.totals.cut_tasks),
            ),
            (
                "spinney_missed_samples",
                "Tasks that were to be timed, and were not",
                Sum(|all| all.missed_samples),
            ),
            (
                "spinney_unlisted_groups",
                "Groups whose name came too late to be told apart",
                Sum(|all| all.unlisted_groups),
            ),
        ];
        self.rows(each_runtime, rows)
    }

    fn workers(&mut self) -> fmt::Result {
        let rows: &[Row<WorkerMetrics>] = &[
            (
                "spinney_worker_jobs",
                "Jobs run: polls of tasks, reapers",
                Sum(|one| one.jobs),
            ),
            (
                "spinney_worker_steal_operations",
                "Batches taken from another seat",
                Sum(|one| one.steals),
            ),
            (
                "spinney_worker_searches",
                "Looks for a job at every seat",
                Sum(|one| one.searches),
            ),
            (
                "spinney_worker_park_count",
                "Times that it went to sleep",
                Sum(|one| one.parks),
            ),
            (
                "spinney_worker_wakes",
                "Times that it was woken for a push",
                Sum(|one| one.wakes),
            ),
            (
                "spinney_worker_busy_duration",
                "How long it ran jobs",
                Time(|one| one.busy_duration),
            ),
            (
                "spinney_worker_searching_duration",
                "How long it looked for a job",
                Time(|one| one.searching_duration),
            ),
            (
                "spinney_worker_local_queue_depth",
                "Jobs that wait on its seat",
                Level(|one| one.local_queue_depth),
            ),
        ];
        self.rows(each_worker, rows)
    }

    fn histograms(&mut self) -> fmt::Result {
        let all: [HistogramRow; 2] = [
            (
                "spinney_poll_time",
                "How long polls of a sample of tasks took",
                |all| &all.poll_time,
            ),
            (
                "spinney_schedule_latency",
                "How long tasks of a sample were queued",
                |all| &all.schedule_latency,
            ),
        ];
        for (name, help, histogram) in all {
            let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
            self.metric(name, help, unit, kind, |all, runtime, encoder| {
                let histogram = histogram(all);
                let sum = histogram.total().as_secs_f64();
                let labels: &Labels<'_> = &[("runtime", runtime)];
                encoder
                    .encode_family(&labels)?
                    .encode_histogram::<NoLabelSet>(
                        sum,
                        histogram.count(),
                        &coarse(histogram),
                        None,
                    )
            })?;
        }
        Ok(())
    }

    fn groups(&mut self) -> fmt::Result {
        let rows: &[Row<GroupMetrics>] = &[
            (
                "spinney_group_opened",
                "Groups of this name that were opened",
                Sum(|one| one.opened),
            ),
            (
                "spinney_group_failed",
                "Those that ended with an error or a panic",
                Sum(|one| one.failed),
            ),
            (
                "spinney_group_cut",
                "Those that were cancelled from outside",
                Sum(|one| one.cut),
            ),
            (
                "spinney_group_live",
                "Those that have not ended",
                Level(|one| one.live),
            ),
            (
                "spinney_group_duration",
                "How long those that have ended were open",
                Time(|one| one.duration),
            ),
        ];
        self.rows(each_group, rows)
    }
}

fn each_runtime(
    all: &Statistics,
    runtime: &str,
    write: &mut dyn FnMut(&Labels<'_>, &Statistics) -> fmt::Result,
) -> fmt::Result {
    write(&[("runtime", runtime)], all)
}

fn each_group(
    all: &Statistics,
    runtime: &str,
    write: &mut dyn FnMut(&Labels<'_>, &GroupMetrics) -> fmt::Result,
) -> fmt::Result {
    let mut groups = all.groups.iter();
    groups.try_for_each(|one| write(&[("runtime", runtime), ("group", &one.name)], one))
}

fn each_worker(
    all: &Statistics,
    runtime: &str,
    write: &mut dyn FnMut(&Labels<'_>, &WorkerMetrics) -> fmt::Result,
) -> fmt::Result {
    for (index, one) in all.workers.iter().enumerate() {
        write(&[("runtime", runtime), ("worker", &index.to_string())], one)?;
    }
    write(&[("runtime", runtime), ("worker", "others")], &all.others)
}

fn counter(
    encoder: &mut MetricEncoder<'_>,
    labels: &Labels<'_>,
    value: &impl EncodeCounterValue,
) -> fmt::Result {
    let none: Option<&Exemplar<NoLabelSet, f64>> = None;
    encoder.encode_family(&labels)?.encode_counter(value, none)
}

fn gauge(
    encoder: &mut MetricEncoder<'_>,
    labels: &Labels<'_>,
    value: impl EncodeGaugeValue,
) -> fmt::Result {
    encoder.encode_family(&labels)?.encode_gauge(&value)
}

/// From 256 ns to about a minute, by powers of two: the upper ends in seconds, and how many are in
/// each. Ours have their ends there, too, so nothing is rounded.
fn coarse(histogram: &Histogram) -> Vec<(f64, u64)> {
    let ends = (8..=36).map(|bits| Duration::from_nanos(1 << bits));
    let mut fine = histogram.buckets().peekable();
    let mut coarse: Vec<_> = ends
        .map(|end| {
            let mut here = 0;
            while let Some((_, count)) = fine.next_if(|(range, _)| range.end <= end) {
                here += count;
            }
            (end.as_secs_f64(), here)
        })
        .collect();
    coarse.push((f64::INFINITY, fine.map(|(_, count)| count).sum()));
    coarse
}
