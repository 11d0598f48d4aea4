//! What the tasks of a runtime do, as text, JSON, or a page for browsers.

use crate::api::child::closures::blocking;
use crate::pool::shared::Shared;
use crate::pool::statistics::{Statistics, WorkerMetrics};
use crate::pool::{global, snapshot};
use crate::report::dump::{Dump, GroupDump, TaskDump};
use crate::report::histogram::Histogram;
use crate::serve::phase::ServerHandle;
use crate::serve::report::Counts;
use crate::sync::{Arc, Mutex};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The type of a text.
pub(super) const PLAIN: &str = "text/plain; charset=utf-8";

/// For how long a text of the tree is given out again: many readers cost as much as one.
const FRESH: Duration = Duration::from_millis(200);

/// The last dump, and when it was made.
#[derive(Default)]
pub(super) struct Cache(Option<(Instant, Arc<Dump>)>);

impl Cache {
    fn fresh(&mut self, now: Instant, make: impl FnOnce() -> Dump) -> Arc<Dump> {
        match &self.0 {
            Some((at, dump)) if now.duration_since(*at) < FRESH => Arc::clone(dump),
            _ => {
                let dump = Arc::new(make());
                self.0 = Some((now, Arc::clone(&dump)));
                dump
            }
        }
    }
}

/// In which form the tasks are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
    Page,
    /// JSON again and again, as server-sent events.
    Events,
}

impl Form {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let asked = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("format="));
        let accepts = request.headers().get(ACCEPT);
        let accepts = accepts
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        match asked {
            Some("json") => Self::Json,
            Some("html") => Self::Page,
            Some("events") => Self::Events,
            Some(_) => Self::Text,
            None if accepts.contains("text/html") => Self::Page,
            None if accepts.contains("application/json") => Self::Json,
            None => Self::Text,
        }
    }
}

/// What the route shows.
#[derive(Clone)]
pub(super) struct Tree {
    pub(super) server: ServerHandle,
    pub(super) cache: Arc<Mutex<Cache>>,
    pub(super) shared: Arc<Shared>,
}

impl Tree {
    /// The tree in this form. Thousands of tasks take milliseconds to print, so it is done on a
    /// thread for closures that block.
    pub(super) fn show(self, form: Form) -> impl Future<Output = Response<Bytes>> + Send {
        let now = global::now();
        blocking(move || {
            let dump = self
                .cache
                .lock()
                .fresh(now, || snapshot::take(&self.shared));
            let statistics = || Statistics::of(&self.shared);
            match form {
                Form::Text => answer(PLAIN, dump.to_string()),
                Form::Page => answer("text/html; charset=utf-8", page(&dump, &statistics())),
                _ => {
                    let json = json(&dump, &statistics(), &self.server);
                    answer("application/json", json.to_string())
                }
            }
        })
    }

    /// The tree as the text of an event.
    pub(super) fn event(self) -> impl Future<Output = Bytes> + Send {
        let shown = self.show(Form::Json);
        async { Bytes::from([b"data: ", &*shown.await.into_body(), b"\n\n"].concat()) }
    }
}

pub(super) fn answer<B>(kind: &'static str, body: impl Into<B>) -> Response<B> {
    let mut answer = Response::new(body.into());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The dump as JSON: the groups in order, each with its depth, so that no reader has to recurse;
/// and what the workers have done since the runtime was built.
fn json(dump: &Dump, statistics: &Statistics, server: &ServerHandle) -> Value {
    let groups: Vec<_> = dump.groups().iter().map(group).collect();
    let Counts {
        connections,
        requests,
        answered,
        cut,
        ..
    } = server.counts();
    let running = dump.first_polls().iter().map(ToString::to_string);
    let stalled = dump.stalled().iter().map(ToString::to_string);
    json!({
        "server": {
            "phase": format!("{:?}", server.phase()),
            "open_connections": server.connections(),
            "connections": connections,
            "requests": requests,
            "answered": answered,
            "cut": cut,
        },
        "groups": groups,
        "running": running.collect::<Vec<_>>(),
        "stalled": stalled.collect::<Vec<_>>(),
        "workers": statistics.workers.iter().map(worker).collect::<Vec<_>>(),
        "others": worker(&statistics.others),
        "schedule_latency": times(&statistics.schedule_latency),
        "poll_time": times(&statistics.poll_time),
    })
}

fn worker(worker: &WorkerMetrics) -> Value {
    json!({
        "jobs": worker.jobs,
        "steals": worker.steals,
        "parks": worker.parks,
        "queue": worker.local_queue_depth,
        "busy_ns": nanos(worker.busy_duration),
        "searching_ns": nanos(worker.searching_duration),
    })
}

fn times(histogram: &Histogram) -> Value {
    let quantile = |share| histogram.quantile(share).map(nanos);
    json!({
        "count": histogram.count(),
        "p50_ns": quantile(0.5),
        "p90_ns": quantile(0.9),
        "p99_ns": quantile(0.99),
        "p999_ns": quantile(0.999),
        "max_ns": histogram.max().map(nanos),
        "steps": steps(histogram),
    })
}

/// How many durations there are from each of these on, in nanoseconds, and below the next: four
/// steps in each doubling, which is as fine as a plot can show.
fn steps(histogram: &Histogram) -> Vec<(u64, u64)> {
    let mut steps: Vec<(u64, u64)> = Vec::new();
    for (durations, count) in histogram.buckets() {
        let from = nanos(durations.start);
        let fine = (u64::BITS - from.leading_zeros()).saturating_sub(3);
        let from = from >> fine << fine;
        match steps.last_mut() {
            Some((last, sum)) if *last == from => *sum += count,
            _ => steps.push((from, count)),
        }
    }
    steps
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn group(group: &GroupDump) -> Value {
    json!({
        "depth": group.depth,
        "name": group.name,
        "place": group.location.to_string(),
        "counted": group.count,
        "stopping": group.is_stopping,
        "cancelled": group.is_cancelled,
        "shielded": group.is_shielded,
        "text": group.to_string(),
        "tasks": group.tasks.iter().map(task).collect::<Vec<_>>(),
    })
}

fn task(task: &TaskDump) -> Value {
    json!({
        "id": task.id.to_string(),
        "name": task.name,
        "place": task.location.to_string(),
        "state": format!("{:?}", task.state).to_lowercase(),
        "age_ms": u64::try_from(task.age.as_millis()).unwrap_or(u64::MAX),
        "polls": task.polls,
        "waited_ms": u64::try_from(task.has_waited.as_millis()).unwrap_or(u64::MAX),
        "cancelled": task.is_cancelled,
        "waits_for": task.waits_for.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "text": task.to_string(),
    })
}

/// Bytes of the list in the page at most, so that a page is small whatever the tree is.
const LISTED: usize = 40_000;

/// The page for browsers: the times and the tree as a plain list, which a script on it keeps fresh,
/// folds and draws.
fn page(dump: &Dump, statistics: &Statistics) -> String {
    let mut list = format!(
        "{}\n{}\n\n",
        line("tasks wait in queues for", &statistics.schedule_latency),
        line("polls take", &statistics.poll_time)
    );
    let tree = dump.to_string();
    let mut lines = tree.lines();
    while let Some(line) = lines.next() {
        let line = escaped(line);
        if list.len() + line.len() > LISTED {
            let more = 1 + lines.count();
            list.push_str(&format!(
                "and {more} lines more: ?format=text has them all\n"
            ));
            break;
        }
        list.push_str(&line);
        list.push('\n');
    }
    include_str!("tasks.html").replace("<!-- list -->", &list)
}

/// A histogram in a line.
fn line(what: &str, times: &Histogram) -> String {
    let within = |share| times.quantile(share).unwrap_or_default();
    match times.count() {
        0 => format!("{what}: nothing measured yet"),
        count => format!(
            "{what}: 50 % within {:?}, 99 % {:?}, all {:?}; {count} measured",
            within(0.5),
            within(0.99),
            within(1.0)
        ),
    }
}

fn escaped(line: &str) -> String {
    line.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
