//! The numbers of a server, for Prometheus.

use crate::common::openmetrics::read;
use crate::running::{echo, start, until};
use hyper::Request;
use spinney::serve::{BoxError, Phase, RequestBody, Routes, Server, service_fn};
use std::time::Duration;

#[test]
fn the_numbers_of_the_runtime_and_of_the_server_are_written_for_prometheus() {
    let service = async |request: Request<RequestBody>| match request.uri().path() {
        "/panic" => panic!("a bug"),
        "/error" => Err(BoxError::from("no database")),
        _ => echo(request).await,
    };
    let server = Server::new().lame_duck(Duration::from_secs(5));
    let routes = Routes::new(server.handle()).metrics("/metrics");
    let server = start(server, routes.around(service_fn(service)));
    let mut client = server.client();
    for (path, status) in [("/", 200), ("/panic", 500), ("/error", 500)] {
        assert_eq!(client.get(path).status, status);
    }
    let answer = client.get("/metrics");
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(answer.has(kind), "{answer:?}");
    let samples = read(&answer.body);
    let of_server = |name: &str| samples[&format!("spinney_server_{name}")];
    assert_eq!(of_server("connections_total"), 1.0);
    assert_eq!(of_server("open_connections"), 1.0);
    assert_eq!(of_server("requests_total"), 4.0);
    assert_eq!(of_server("answered_requests_total"), 3.0);
    assert_eq!(of_server("panicked_requests_total"), 1.0);
    assert_eq!(of_server("failed_requests_total"), 1.0);
    for other in ["cut", "overloaded", "expired"] {
        assert_eq!(of_server(&format!("{other}_requests_total")), 0.0);
    }
    assert_eq!(of_server("phase{phase=\"Ready\"}"), 1.0);
    assert_eq!(of_server("phase{phase=\"Draining\"}"), 0.0);
    let of_runtime = |name: &str| {
        let mut found = samples.iter();
        found.any(|(series, _)| series.starts_with(name))
    };
    assert!(of_runtime("spinney_workers_count{"));
    assert!(of_runtime("spinney_group_live{"));
    server.handle.stop();
    until(|| server.handle.phase() == Phase::LameDuck);
    let samples = read(&client.get("/metrics").body);
    assert_eq!(samples["spinney_server_phase{phase=\"LameDuck\"}"], 1.0);
    assert_eq!(samples["spinney_server_phase{phase=\"Ready\"}"], 0.0);
    drop(client);
    until(|| {
        server.advance(5);
        server.handle.phase() >= Phase::Draining
    });
    server.end();
}
