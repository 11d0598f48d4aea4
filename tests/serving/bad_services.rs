//! Services with bugs: they panic in destructors, block their threads, never answer.

use crate::common::drops::on_drop;
use crate::common::runtimes::Seen;
use crate::running::{echo, start, start_on, start_with, until};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Bytes, Frame};
use hyper::{Request, Response};
use rustix::net::Shutdown;
use spinney::serve::{BoxError, Ending, Phase, RequestBody, Server, service_fn};
use spinney::time::ManualClock;
use spinney::{Runtime, current, shield};
use std::convert::Infallible;
use std::future::pending;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_service::Service;

const BUG: &str = "a bug in a destructor";

/// A future that panics when it is dropped, however far it came.
async fn bomb<T>(future: impl Future<Output = T>) -> T {
    let _bomb = on_drop(|| panic!("{BUG}"));
    future.await
}

#[test]
fn a_destructor_in_a_request_panics_for_that_request_alone() {
    let service = async |request: Request<RequestBody>| match request.uri().path() {
        "/ends" => bomb(echo(request)).await,
        "/late" => bomb(pending()).await,
        _ => echo(request).await,
    };
    let server = start(Server::new(), service_fn(service));
    let mut client = server.client();
    assert_eq!(client.get("/ends").status, 500);
    assert_eq!(client.get("/fine").status, 200);
    // Cut by the deadline, and then because the client hangs up.
    client.send("GET /late HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| server.counts().requests == 3);
    until(|| {
        server.advance(30);
        server.counts().answered == 3
    });
    assert_eq!(client.answer().status, 500);
    assert_eq!(client.get("/fine").status, 200, "the connection lives");
    client.send("GET /late HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| server.counts().requests == 5);
    drop(client);
    until(|| server.handle.connections() == 0);
    assert_eq!(server.client().get("/fine").status, 200);
    let (report, told) = server.stop();
    assert_eq!(report.ending, Ending::Drained);
    let counts = report.counts;
    assert_eq!((counts.answered, counts.cut, counts.panicked), (5, 1, 2));
    let of_request = |path: &str| format!("GET {path}: {BUG}");
    assert!(told.contains(&of_request("/ends")), "{told:?}");
    assert!(told.contains(&of_request("/late")), "{told:?}");
    let bugs = told.iter().filter(|text| text.ends_with(BUG)).count();
    assert_eq!(bugs, 3, "none is lost: {told:?}");
}

/// One piece, and the end; it panics when it is dropped.
fn exploding() -> impl Body<Data = Bytes, Error = Infallible> + Send + 'static {
    let bomb = on_drop(|| panic!("{BUG}"));
    let mut piece = Some(Frame::data(Bytes::from_static(b"piece")));
    let pieces = futures_lite::stream::poll_fn(move |_| {
        let _held = &bomb;
        Poll::Ready(piece.take().map(Ok))
    });
    StreamBody::new(pieces)
}

#[test]
fn a_destructor_of_a_body_panics_for_its_connection_alone() {
    let service = async |request: Request<RequestBody>| {
        let body = match request.uri().path() {
            "/explodes" => exploding().boxed_unsync(),
            _ => Full::from("fine").boxed_unsync(),
        };
        Ok::<_, Infallible>(Response::new(body))
    };
    let server = start(Server::new(), service_fn(service));
    let mut other = server.client();
    assert_eq!(other.get("/").body, "fine");
    let mut client = server.client();
    client.send("GET /explodes HTTP/1.1\r\nhost: x\r\n\r\n");
    client.rest();
    until(|| server.handle.connections() == 1);
    assert_eq!(other.get("/").body, "fine");
    drop(other);
    let (report, told) = server.stop();
    assert_eq!(report.counts.panicked_connections, 1);
    assert_eq!(report.ending, Ending::Drained);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("connection from 127.0.0.1:"),
        "{told:?}"
    );
    assert!(told[0].ends_with(BUG), "{told:?}");
}

/// A service whose clones panic when they are dropped, once they are armed.
#[derive(Clone)]
struct Armed(Arc<AtomicBool>);

impl Drop for Armed {
    fn drop(&mut self) {
        if self.0.load(SeqCst) && !std::thread::panicking() {
            panic!("{BUG}");
        }
    }
}

impl Service<Request<RequestBody>> for Armed {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::pin::Pin<
        Box<dyn Future<Output = Result<Response<Full<Bytes>>, BoxError>> + Send + 'static>,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        Box::pin(async {
            if request.uri().path() == "/waits" {
                current::stopping().await;
            }
            echo(request).await
        })
    }
}

#[test]
fn a_destructor_of_a_service_panics_and_the_server_drains_all_the_same() {
    let armed = Arc::new(AtomicBool::new(false));
    let server = start(Server::new(), Armed(Arc::clone(&armed)));
    let mut client = server.client();
    assert_eq!(client.get("/fine").status, 200);
    let mut waits = server.client();
    waits.send("GET /waits HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| server.counts().requests == 2);
    armed.store(true, SeqCst);
    assert_eq!(client.get("/fine").status, 500, "the clone of the request");
    drop(client);
    until(|| server.handle.connections() == 1);
    server.handle.stop();
    // That of the server is dropped when it accepts no more, and cuts nobody.
    assert_eq!(waits.answer().status, 500);
    let (report, told) = server.end();
    assert_eq!(report.ending, Ending::Drained);
    let counts = report.counts;
    assert_eq!((counts.answered, counts.cut, counts.panicked), (3, 0, 2));
    assert_eq!(counts.panicked_connections, 2);
    // Two of requests, two of connections, one of the server.
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told.iter().all(|text| text.ends_with(BUG)), "{told:?}");
}

#[test]
fn a_service_that_blocks_holds_up_no_other_and_is_reported_once() {
    let (go, gone) = async_channel::bounded::<()>(1);
    let service = move |request: Request<RequestBody>| {
        let gone = gone.clone();
        async move {
            if request.uri().path() == "/blocks" {
                gone.recv_blocking().unwrap_err(); // the thread sleeps
            }
            echo(request).await
        }
    };
    let (tell, reported) = mpsc::channel();
    let clock = ManualClock::new();
    let builder = Runtime::builder().workers(2).clock(&clock);
    let builder = builder.on_stall(move |stall| tell.send(stall).unwrap());
    let server = start_on(
        (builder.build().unwrap(), clock, Seen::default()),
        Server::new(),
        service_fn(service),
        |listener| listener,
    );
    // More than there are workers.
    let mut blocked: Vec<_> = (0..4).map(|_| server.client()).collect();
    for client in &mut blocked {
        client.send("GET /blocks HTTP/1.1\r\nhost: x\r\n\r\n");
    }
    until(|| server.counts().requests == 4);
    let mut client = server.client();
    for _ in 0..10 {
        assert_eq!(client.get("/fine").status, 200);
    }
    for _ in 0..4 {
        let stall = reported.recv().unwrap();
        assert!(stall.group.ends_with("/server"), "{stall}");
    }
    // However long it lasts.
    let long = Duration::from_millis(300);
    until(|| {
        let dump = server.runtime.dump();
        let stalled = dump.stalled();
        stalled.len() == 4 && stalled.iter().all(|stall| stall.lasts >= long)
    });
    assert_eq!(reported.try_iter().count(), 0);
    drop(go);
    for client in &mut blocked {
        assert_eq!(client.answer().status, 200);
    }
    drop((client, blocked));
    let (report, _) = server.stop();
    assert_eq!(report.ending, Ending::Drained);
    assert_eq!(report.counts.answered, 14);
}

#[test]
fn a_service_that_answers_neither_the_drain_nor_the_cut_is_named_and_left() {
    let (go, gone) = async_channel::bounded::<()>(1);
    let service = move |_: Request<RequestBody>| {
        let gone = gone.clone();
        async move {
            shield(gone.recv()).await.unwrap_err();
            pending::<Result<Response<Full<Bytes>>, Infallible>>().await
        }
    };
    let server = Server::new().request_deadline(Duration::MAX);
    let server = start(server, service_fn(service));
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| server.counts().requests == 1);
    server.handle.stop();
    // The drain, and then the cut, are over: the operator is not asked.
    until(|| {
        server.advance(1);
        server.handle.phase() >= Phase::Forced
    });
    // What is left is joined by the enclosing group.
    drop(go);
    let (report, _) = server.end();
    assert_eq!(report.ending, Ending::Forced);
    assert!(!report.stragglers.is_empty(), "{report}");
    assert_eq!(report.counts.answered, 0);
}

#[test]
fn a_listener_that_is_shut_down_below_the_server_drains_it() {
    let (go, gone) = async_channel::bounded::<()>(1);
    let service = move |request: Request<RequestBody>| {
        let gone = gone.clone();
        async move {
            gone.recv().await.unwrap_err();
            echo(request).await
        }
    };
    let mut theirs = None;
    let server = start_with(Server::new(), service_fn(service), |listener| {
        theirs = Some(listener.as_fd().try_clone_to_owned().unwrap());
        listener
    });
    let mut client = server.client();
    client.send("GET /before HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| server.counts().requests == 1);
    rustix::net::shutdown(theirs.unwrap(), Shutdown::Both).unwrap();
    until(|| server.handle.phase() == Phase::Draining);
    drop(go);
    assert_eq!(client.answer().body, "/before: ");
    let (report, _) = server.end();
    assert_eq!(report.ending, Ending::Drained);
    let error = report.listener.unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
}
