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
            match form {
                Form::Text => answer(PLAIN, dump.to_string()),
                Form::Page => answer("text/html; charset=utf-8", page(&dump)),
                _ => {
                    let statistics = Statistics::of(&self.shared);
                    let json = json(&dump, &statistics, &self.server);
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
    })
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
        "cancelled": task.is_cancelled,
        "text": task.to_string(),
    })
}

/// The page for browsers: the text as a plain list, which a script on it keeps fresh and folds.
fn page(dump: &Dump) -> String {
    let mut list = String::new();
    for line in dump.to_string().lines() {
        list.push_str(&escaped(line));
        list.push('\n');
    }
    include_str!("tasks.html").replace("<!-- list -->", &list)
}

fn escaped(line: &str) -> String {
    line.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
