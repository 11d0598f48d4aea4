//! Clients that are slow, silent, or do not read.

use crate::running::{echo, echoes, start, until};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use spinney::serve::{Ending, RequestBody, Server, service_fn};
use std::convert::Infallible;
use std::time::Duration;

#[test]
fn half_a_head_is_not_waited_for_longer_than_its_time() {
    for sent in ["", "GET / HTTP/1.1\r\nhost:"] {
        let server = echoes(Server::new());
        let mut client = server.client();
        client.send(sent);
        until(|| server.counts().connections == 1);
        server.until_timers(1);
        server.advance(10);
        assert_eq!(client.rest(), "");
        let (report, _) = server.stop();
        assert_eq!(report.counts.broken_connections, 1);
    }
}

#[test]
fn a_later_head_has_its_own_time() {
    // It does not end by being idle, however late the connection notices the bytes.
    let server = echoes(Server::new().idle_timeout(Duration::MAX));
    let mut client = server.client();
    assert_eq!(client.get("/").status, 200);
    server.advance(40); // idle
    client.send("GET /half");
    until(|| {
        server.advance(10);
        server.handle.connections() == 0
    });
    let (report, _) = server.stop();
    assert_eq!(report.counts.broken_connections, 1);
}

#[test]
fn an_idle_connection_is_closed_after_its_time_and_not_before() {
    let server = echoes(Server::new());
    let mut client = server.client();
    assert_eq!(client.get("/").status, 200);
    server.advance(70);
    assert_eq!(client.get("/").status, 200);
    server.until_timers(1);
    server.advance(75);
    assert_eq!(client.rest(), "");
    let (report, _) = server.stop();
    assert_eq!(report.counts.broken_connections, 0);
    assert_eq!(report.counts.answered, 2);
}

#[test]
fn a_body_that_stops_coming_is_an_error_of_the_body() {
    let service = async |request: Request<RequestBody>| {
        let answer = match echo(request).await {
            Ok(answer) => answer,
            Err(error) => Response::new(Full::from(error.to_string())),
        };
        Ok::<_, Infallible>(answer)
    };
    // The deadline is not what ends it.
    let server = Server::new().request_deadline(Duration::MAX);
    let server = start(server, service_fn(service));
    let mut client = server.client();
    client.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf");
    until(|| server.counts().requests == 1);
    until(|| {
        server.advance(30);
        server.counts().answered == 1
    });
    assert_eq!(client.answer().body, "the body did not come in time");
    server.stop();
}

#[test]
fn a_client_that_reads_nothing_is_not_written_to_for_ever() {
    let much = Bytes::from(vec![b'x'; 64 << 20]);
    let service = move |_: Request<RequestBody>| {
        let much = much.clone();
        async move { Ok::<_, Infallible>(Response::new(Full::new(much))) }
    };
    // The deadline is not what ends it.
    let server = Server::new().request_deadline(Duration::MAX);
    let server = start(server, service_fn(service));
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| server.counts().requests == 1);
    until(|| {
        server.advance(30);
        server.handle.connections() == 0
    });
    let (report, _) = server.stop();
    assert_eq!(report.counts.broken_connections, 1);
    assert_eq!(report.ending, Ending::Drained);
}
