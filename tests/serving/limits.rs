//! Limits: connections, requests in flight, heads.

use crate::running::{echo, echoes, start, until};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use spinney::serve::{RequestBody, Server, service_fn};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn beyond_the_most_connections_none_is_accepted_until_one_ends() {
    let server = echoes(Server::new().max_connections(2));
    let mut first = server.client();
    let mut second = server.client();
    let mut third = server.client();
    assert_eq!(first.get("/").status, 200);
    assert_eq!(second.get("/").status, 200);
    third.send("GET /third HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(first.get("/").status, 200); // others go on
    assert_eq!(server.counts().connections, 2);
    drop(second);
    assert_eq!(third.answer().body, "/third: ");
    drop((first, third));
    let (report, _) = server.stop();
    assert_eq!(report.counts.connections, 3);
    assert_eq!(report.counts.refused_connections, 0);
}

#[test]
fn a_stop_accepts_no_more_than_the_most_connections() {
    let server = echoes(Server::new().max_connections(2));
    let mut clients: Vec<_> = (0..2).map(|_| server.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let _third = server.client(); // in the queue of the system
    let (report, _) = server.stop();
    assert_eq!(report.counts.connections, 2);
}

#[test]
fn ten_thousand_clients_come_and_go_through_a_limit_of_a_hundred() {
    let server = echoes(Server::new().max_connections(100));
    for _ in 0..100 {
        let mut clients: Vec<_> = (0..100).map(|_| server.client()).collect();
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        }
        for client in &mut clients {
            assert_eq!(client.answer().status, 200);
        }
    }
    let (report, _) = server.stop();
    assert_eq!(report.counts.connections, 10_000);
    assert_eq!(report.counts.answered, 10_000);
}

#[test]
fn an_address_has_as_many_connections_as_it_may() {
    let server = echoes(Server::new().max_connections_per_address(1));
    let mut first = server.client();
    assert_eq!(first.get("/").status, 200);
    assert_eq!(server.client().rest(), "", "closed at once");
    drop(first);
    until(|| server.handle.connections() == 0);
    assert_eq!(server.client().get("/").status, 200);
    let (report, _) = server.stop();
    assert_eq!(report.counts.refused_connections, 1);
}

#[test]
fn a_request_too_many_is_told_to_come_again() {
    let (go, gone) = async_channel::bounded::<()>(1);
    let service = move |request: Request<RequestBody>| {
        let gone = gone.clone();
        async move {
            if request.uri().path() == "/slow" {
                let _ = gone.recv().await;
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done")))
        }
    };
    let server = start(Server::new().max_requests_in_flight(1), service_fn(service));
    let mut slow = server.client();
    slow.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| server.counts().requests == 1);
    let mut other = server.client();
    let refused = other.get("/");
    assert_eq!(refused.status, 503);
    assert!(refused.has("retry-after: 1"), "{refused:?}");
    drop(go);
    assert_eq!(slow.answer().body, "done");
    // The slow one has left when its answer is here, and the connection that was refused lives.
    assert_eq!(other.get("/").status, 200);
    drop((slow, other));
    let (report, _) = server.stop();
    assert_eq!(report.counts.overloaded, 1);
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let server = echoes(Server::new().max_header_bytes(0)); // the least
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n");
    let line = format!("x: {}\r\n", "y".repeat(1000));
    while client.try_send(line.as_bytes()) && server.counts().broken_connections == 0 {}
    let answer = client.rest();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    let (report, _) = server.stop();
    assert_eq!(report.counts.requests, 0);
    assert_eq!(report.counts.broken_connections, 1);
}

#[test]
fn a_body_that_never_ends_is_cut_by_the_deadline() {
    let server = Server::new()
        .request_deadline(Duration::from_secs(3))
        .body_timeout(Duration::MAX);
    let server = start(server, service_fn(echo));
    let mut client = server.client();
    client.send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..1000 {
        client.send("5\r\nhello\r\n");
    }
    until(|| server.counts().requests == 1);
    until(|| {
        server.advance(3);
        server.counts().expired == 1
    });
    assert_eq!(client.answer().status, 503);
    server.stop();
}

#[test]
fn a_service_is_cloned_and_called_when_it_is_ready() {
    #[derive(Clone)]
    struct Counting {
        _alive: Arc<()>,
        asked: bool,
    }
    impl tower_service::Service<Request<RequestBody>> for Counting {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            self.asked = true;
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
            assert!(self.asked, "asked whether it is ready first");
            std::future::ready(Ok(Response::new(Full::from("x"))))
        }
    }
    let alive = Arc::new(());
    let service = Counting {
        _alive: Arc::clone(&alive),
        asked: false,
    };
    let server = start(Server::new(), service);
    let mut client = server.client();
    for _ in 0..10 {
        assert_eq!(client.get("/").status, 200);
    }
    drop(client);
    server.stop();
    assert_eq!(Arc::strong_count(&alive), 1, "no clone is left");
}
