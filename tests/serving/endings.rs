//! How a server ends: drains, cuts, is forced, loses its listener.

use crate::running::{echoes, start, start_with, until};
use async_channel::{Receiver, bounded};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use spinney::net::{TcpListener, TcpStream};
use spinney::serve::{Accept, Ending, Peer, Phase, RequestBody, Server, service_fn};
use spinney::{current, group, shield};
use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::io;
use std::pin::Pin;
use std::time::Duration;

type Answer = Result<Response<Full<Bytes>>, Infallible>;

#[test]
fn a_drain_closes_idle_connections_and_answers_what_is_under_way() {
    let (tell, told) = bounded::<()>(1);
    let (go, gone) = bounded::<()>(1);
    let service = move |_: Request<RequestBody>| {
        let (tell, gone) = (tell.clone(), gone.clone());
        async move {
            current::stopping().await;
            let _ = tell.send(()).await;
            let _ = gone.recv().await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done")))
        }
    };
    let server = start(Server::new(), service_fn(service));
    let mut silent = server.client();
    let mut busy = server.client();
    busy.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| server.counts().requests == 1 && server.counts().connections == 2);
    server.handle.stop();
    assert_eq!(silent.rest(), "", "it is idle");
    until(|| server.handle.phase() == Phase::Draining);
    assert!(std::net::TcpStream::connect(server.address).is_err());
    // The connection was told before its request was.
    told.recv_blocking().unwrap();
    drop(go);
    let answer = busy.answer();
    assert_eq!(answer.body, "done");
    assert!(answer.has("connection: close"), "{answer:?}");
    assert_eq!(busy.rest(), "");
    let (report, _) = server.end();
    assert_eq!(report.ending, Ending::Drained);
    assert_eq!(report.counts.cut, 0);
}

#[test]
fn a_request_that_was_sent_before_the_stop_is_answered() {
    for _ in 0..50 {
        let server = echoes(Server::new());
        let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200);
        }
        for client in &mut clients {
            client.send("GET /last HTTP/1.1\r\nhost: x\r\n\r\n");
        }
        server.handle.stop();
        for client in &mut clients {
            assert_eq!(client.answer().body, "/last: ");
        }
        let (report, _) = server.end();
        assert_eq!(report.counts.answered, 8);
    }
}

#[test]
fn clients_in_the_queue_of_the_system_are_served_before_the_end() {
    for _ in 0..20 {
        let server = echoes(Server::new());
        let mut clients: Vec<_> = (0..20).map(|_| server.client()).collect();
        for client in &mut clients {
            client.send("GET /queued HTTP/1.1\r\nhost: x\r\n\r\n");
        }
        server.handle.stop();
        for client in &mut clients {
            assert_eq!(client.answer().body, "/queued: ");
        }
        server.end();
    }
}

#[test]
fn what_does_not_drain_in_time_is_cut_and_joined() {
    let service = |_: Request<RequestBody>| pending::<Answer>();
    // Nothing else ends the request, however far the clock goes.
    let server = Server::new()
        .request_deadline(Duration::MAX)
        .cancel_timeout(Duration::MAX);
    let server = start(server, service_fn(service));
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| server.counts().requests == 1);
    server.handle.stop();
    until(|| server.handle.phase() == Phase::Draining);
    until(|| {
        server.advance(5);
        server.handle.phase() >= Phase::Cancelling
    });
    assert_eq!(client.rest(), "");
    let (report, _) = server.end();
    assert_eq!(report.ending, Ending::Cancelled);
    assert_eq!(report.counts.cut, 1);
}

#[test]
fn a_second_signal_forces_and_says_what_is_left() {
    let (go, gone) = bounded::<()>(1);
    let service = move |_: Request<RequestBody>| {
        let gone = gone.clone();
        async move {
            group(async |g| {
                g.spawn_named("writes the ledger", async move {
                    shield(gone.recv()).await.unwrap_err();
                });
            })
            .await;
            pending::<Answer>().await
        }
    };
    let server = start(Server::new(), service_fn(service));
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| {
        server
            .runtime
            .dump()
            .to_string()
            .contains("writes the ledger")
    });
    server.handle.stop_or_force();
    until(|| server.handle.phase() == Phase::Draining);
    server.handle.stop_or_force();
    until(|| server.handle.phase() >= Phase::Forced);
    drop(go);
    let (report, _) = server.end();
    assert_eq!(report.ending, Ending::Forced);
    let names: Vec<_> = report
        .stragglers
        .iter()
        .filter_map(|task| task.name.as_deref())
        .collect();
    assert!(names.contains(&"writes the ledger"), "{names:?}");
    assert!(
        report.to_string().starts_with("forced: 1 connections"),
        "{report}"
    );
}

#[test]
fn a_lame_duck_serves_and_says_that_it_is_about_to_go() {
    let server = echoes(Server::new().lame_duck(Duration::from_secs(5)));
    server.handle.stop();
    until(|| server.handle.phase() == Phase::LameDuck);
    assert_eq!(server.client().get("/late").body, "/late: ");
    until(|| {
        server.advance(5);
        server.handle.phase() >= Phase::Draining
    });
    let (report, _) = server.end();
    assert_eq!(report.counts.answered, 1);
}

/// Gives these errors first.
struct Failing<const FOR_EVER: bool>(TcpListener, Vec<i32>);

impl<const FOR_EVER: bool> Accept for Failing<FOR_EVER> {
    type Transport = TcpStream;
    type Handshake = Ready<io::Result<TcpStream>>;

    async fn accept(&mut self) -> io::Result<(Self::Handshake, Peer)> {
        if let Some(number) = self.1.pop() {
            return Err(io::Error::from_raw_os_error(number));
        }
        let (stream, address) = self.0.accept().await?;
        Ok((ready(Ok(stream)), Peer::at(address)))
    }
}

#[test]
fn errors_of_the_listener_are_waited_out_and_open_connections_go_on() {
    let errors = vec![libc::EMFILE, libc::ENFILE, libc::ECONNABORTED, libc::ENOMEM];
    let server = start_with(
        // The clock goes on while the client is connected, and it is not too slow.
        Server::new().header_timeout(Duration::MAX),
        service_fn(crate::running::echo),
        |listener| Failing::<false>(listener, errors),
    );
    until(|| {
        server.advance(1);
        server.counts().accept_errors == 4
    });
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| {
        server.clock.advance(Duration::from_millis(20));
        server.counts().answered == 1
    });
    assert_eq!(client.answer().status, 200);
    drop(client);
    server.stop();
}

#[test]
fn a_listener_that_is_gone_ends_the_server_with_its_error() {
    let server = start_with(
        Server::new(),
        service_fn(crate::running::echo),
        |listener| Failing::<true>(listener, vec![libc::EBADF]),
    );
    let (report, _) = server.end();
    assert_eq!(report.ending, Ending::Drained);
    let error = report.listener.unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::EBADF));
}

/// Its handshakes end when the gate opens.
struct Gated(TcpListener, Receiver<()>);

impl Accept for Gated {
    type Transport = TcpStream;
    type Handshake = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

    async fn accept(&mut self) -> io::Result<(Self::Handshake, Peer)> {
        let (stream, address) = self.0.accept().await?;
        let gate = self.1.clone();
        let handshake = async move {
            let _ = gate.recv().await;
            Ok(stream)
        };
        Ok((Box::pin(handshake), Peer::at(address)))
    }
}

#[test]
fn a_client_whose_handshake_ends_during_the_drain_is_served() {
    for _ in 0..20 {
        let (open, gate) = bounded(1);
        let server = start_with(
            Server::new(),
            service_fn(crate::running::echo),
            |listener| Gated(listener, gate),
        );
        let mut client = server.client();
        until(|| server.handle.connections() == 1);
        server.until_timers(1); // it waits
        server.handle.stop();
        until(|| server.handle.phase() == Phase::Draining);
        drop(open);
        assert_eq!(client.get("/late").body, "/late: ");
        assert_eq!(client.rest(), "", "it is closed then");
        let (report, _) = server.end();
        assert_eq!(report.ending, Ending::Drained);
    }
}

#[test]
fn the_stop_of_an_enclosing_group_drains() {
    let report = spinney::block_on(group(async |g| {
        let server = Server::new();
        let handle = server.handle();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let task = g.spawn(async move {
            let service = service_fn(crate::running::echo);
            Ok(server.serve(listener, service).await)
        });
        handle.reached(Phase::Ready).await;
        g.stop();
        task.await
    }));
    assert_eq!(report.ending, Ending::Drained);
}

#[test]
fn a_server_that_is_dropped_leaves_nothing() {
    let server = Server::new();
    let handle = server.handle();
    spinney::block_on(group(async |g| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = g.spawn(async move {
            let service = service_fn(|_: Request<RequestBody>| pending::<Answer>());
            Ok(server.serve(listener, service).await.counts)
        });
        let mut client = crate::client::Client::to(address);
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        while handle.counts().requests == 0 {
            spinney::yield_now().await;
        }
        task.cancel().await;
    }));
    assert_eq!(handle.connections(), 0);
}
