//! What a server has done, beside the numbers of its runtime, in the text format of OpenMetrics.

use crate::api::child::closures::blocking;
use crate::compat::openmetrics::Exporter;
use crate::serve::phase::{Phase, ServerHandle};
use crate::serve::report::Counts;
use crate::serve::routes_tree::answer;
use hyper::Response;
use hyper::body::Bytes;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;

const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The name of a sum, its help, and its number.
type Row = (&'static str, &'static str, fn(&Counts) -> u64);

const SUMS: [Row; 13] = [
    (
        "spinney_server_connections",
        "Connections that were accepted",
        |all| all.connections,
    ),
    (
        "spinney_server_refused_connections",
        "Connections closed at once, as their address had its share",
        |all| all.refused_connections,
    ),
    (
        "spinney_server_broken_connections",
        "Connections that broke, or were too slow",
        |all| all.broken_connections,
    ),
    (
        "spinney_server_cut_connections",
        "Connections that were cut before they had ended",
        |all| all.cut_connections,
    ),
    (
        "spinney_server_panicked_connections",
        "Connections on which something panicked beside a request",
        |all| all.panicked_connections,
    ),
    (
        "spinney_server_accept_errors",
        "Times that the system gave no connection",
        |all| all.accept_errors,
    ),
    ("spinney_server_requests", "Requests that came in", |all| {
        all.requests
    }),
    (
        "spinney_server_answered_requests",
        "Requests whose answer was handed over to the end",
        |all| all.answered,
    ),
    (
        "spinney_server_cut_requests",
        "Requests without a whole answer",
        |all| all.cut,
    ),
    (
        "spinney_server_overloaded_requests",
        "Requests that were too many",
        |all| all.overloaded,
    ),
    (
        "spinney_server_expired_requests",
        "Requests whose deadline was over",
        |all| all.expired,
    ),
    (
        "spinney_server_panicked_requests",
        "Requests that panicked",
        |all| all.panicked,
    ),
    (
        "spinney_server_failed_requests",
        "Requests for which the service had an error",
        |all| all.failed,
    ),
];

/// All of it. Thousands of groups take a while to count, so it is done on a thread for closures
/// that block.
pub(super) fn metrics(server: ServerHandle) -> impl Future<Output = Response<Bytes>> + Send {
    let exporter = Exporter::of_current();
    blocking(move || {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(exporter));
        registry.register_collector(Box::new(OfServer(server)));
        let mut all = String::new();
        // A string takes whatever is written.
        let _ = text::encode(&mut all, &registry);
        answer(KIND, all)
    })
}

#[derive(Debug)]
struct OfServer(ServerHandle);

impl Collector for OfServer {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.0.counts();
        for (name, help, sum) in SUMS {
            let kind = MetricType::Counter;
            let encoder = encoder.encode_descriptor(name, help, None, kind)?;
            ConstCounter::new(sum(&counts)).encode(encoder)?;
        }
        let open = ConstGauge::new(self.0.connections() as u64);
        let (name, help) = (
            "spinney_server_open_connections",
            "Connections that are open",
        );
        open.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        let phase = self.0.phase();
        let (name, help) = (
            "spinney_server_phase",
            "1 for the phase in which the server is",
        );
        let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        Phase::ALL.iter().try_for_each(|one| {
            let labels = [("phase", &*format!("{one:?}"))];
            let is_it = u64::from(*one == phase);
            encoder.encode_family(&labels)?.encode_gauge(&is_it)
        })
    }
}
