//! Connections of HTTP/1.1 that are idle give back the buffers of hyper, and lose nothing by it.

use crate::running::{Running, echo, patient, start_with, until};
use hyper::rt::{Read, ReadBufCursor, Write};
use spinney::net::{TcpListener, TcpStream};
use spinney::serve::{Accept, Ending, Peer, Server, Transport, service_fn};
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};

/// What the connections were to read.
#[derive(Default)]
struct Reads {
    /// How large the last buffer was, in bytes.
    room: AtomicUsize,
    /// How often one was to be filled.
    count: AtomicUsize,
}

/// A transport that notes its reads.
struct Noting(TcpStream, Arc<Reads>);

impl Transport for Noting {
    fn has_input(&self) -> bool {
        self.0.has_input()
    }
}

impl Read for Noting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.1.room.store(buffer.remaining(), SeqCst);
        self.1.count.fetch_add(1, SeqCst);
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Noting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

struct Listener(TcpListener, Arc<Reads>);

impl Accept for Listener {
    type Transport = Noting;
    type Handshake = Ready<io::Result<Noting>>;

    async fn accept(&mut self) -> io::Result<(Self::Handshake, Peer)> {
        let (stream, address) = self.0.accept().await?;
        let stream = Noting(stream, Arc::clone(&self.1));
        Ok((ready(Ok(stream)), Peer::at(address)))
    }
}

fn noting(server: Server) -> (Running, Arc<Reads>) {
    let reads = Arc::new(Reads::default());
    let theirs = Arc::clone(&reads);
    let server = start_with(server, service_fn(echo), |listener| {
        Listener(listener, theirs)
    });
    (server, reads)
}

/// Whether the connection reads into a buffer of hyper's, which has some 8 kB or more. At rest it
/// has room for the preface of HTTP/2.
fn is_awake(reads: &Reads) -> bool {
    reads.room.load(SeqCst) > 1000
}

const POST: &str = "POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody";

#[test]
fn an_idle_connection_rests_and_is_served_again() {
    let (server, reads) = noting(patient());
    let mut client = server.client();
    for _ in 0..3 {
        assert_eq!(client.get("/get").body, "/get: ");
        until(|| server.handle.counts().answered == server.handle.counts().requests);
        assert!(is_awake(&reads), "it may have more to say");
        until(|| {
            server.advance(1);
            !is_awake(&reads)
        });
        client.send(POST);
        assert_eq!(client.answer().body, "/post: body");
    }
    drop(client);
    let (report, _) = server.stop();
    assert_eq!(report.counts.answered, 6);
    assert_eq!(report.counts.broken_connections, 0);
}

#[test]
fn half_a_head_that_came_with_another_one_is_not_lost() {
    let (server, reads) = noting(patient());
    let mut client = server.client();
    client.send("GET /first HTTP/1.1\r\nhost: x\r\n\r\nGET /sec");
    assert_eq!(client.answer().body, "/first: ");
    // It has looked at the time, and rested: hyper reads anew.
    let before = reads.count.load(SeqCst);
    until(|| {
        server.advance(1);
        reads.count.load(SeqCst) >= before + 2
    });
    client.send("ond HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.answer().body, "/second: ");
    drop(client);
    let (report, _) = server.stop();
    assert_eq!(report.counts.answered, 2);
}

#[test]
fn a_resting_connection_is_closed_by_the_drain_and_by_its_time() {
    let (server, reads) = noting(Server::new());
    let rests = || {
        until(|| {
            server.advance(1);
            !is_awake(&reads)
        });
    };
    let mut late = server.client();
    assert_eq!(late.get("/").status, 200);
    rests();
    until(|| {
        server.advance(5);
        server.handle.connections() == 0
    });
    assert_eq!(late.rest(), "");
    let mut client = server.client();
    assert_eq!(client.get("/").status, 200);
    rests();
    server.handle.stop();
    assert_eq!(client.rest(), "");
    let (report, _) = server.end();
    assert_eq!(report.ending, Ending::Drained);
    assert_eq!(report.counts.broken_connections, 0);
}

#[test]
fn a_client_that_leaves_a_resting_connection_breaks_nothing() {
    let (server, reads) = noting(patient());
    let mut client = server.client();
    assert_eq!(client.get("/").status, 200);
    until(|| {
        server.advance(1);
        !is_awake(&reads)
    });
    drop(client);
    until(|| server.handle.connections() == 0);
    let (report, _) = server.stop();
    assert_eq!(report.counts.broken_connections, 0);
}
