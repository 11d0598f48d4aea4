//! A server of `spinney::serve` behind TLS, as clients meet it that are rustls over the standard
//! library's sockets, or no clients at all. Its time stands still until a test moves it.

use crate::common::process::alone;
use crate::libraries::certificates::{configs, name};
use crate::running::{Running, echo, start_with, until};
use interop::tls::Tls;
use rustls::{ClientConfig, ClientConnection, ServerConfig, StreamOwned};
use spinney::serve::{Ending, Server, service_fn};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

fn start(server: Server, config: Arc<ServerConfig>) -> Running {
    start_with(server, service_fn(echo), |listener| {
        Tls::new(listener, config)
    })
}

/// Asks for a page, and has the answer to its end.
fn get(server: &Running, config: &Arc<ClientConfig>, path: &str) -> String {
    ask(TcpStream::connect(server.address).unwrap(), config, path)
}

fn ask(stream: TcpStream, config: &Arc<ClientConfig>, path: &str) -> String {
    let session = ClientConnection::new(Arc::clone(config), name()).unwrap();
    let mut tls = StreamOwned::new(session, stream);
    write!(
        tls,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    // The end is said, or this is an error: nothing was cut off.
    tls.read_to_string(&mut answer).unwrap();
    answer
}

fn assert_served(answer: &str, path: &str) {
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(&format!("\r\n\r\n{path}: ")), "{answer}");
}

/// What a client says first.
fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut session = ClientConnection::new(Arc::clone(config), name()).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn nonsense_instead_of_a_handshake_breaks_its_connection_alone() {
    alone(|| {
        let (config, client) = configs();
        let server = start(Server::new(), config);
        let mut broken_hello = hello(&client);
        broken_hello[5..].fill(b'x');
        let nonsense = [
            &b"\x16\x03\x01\xff\xffgarbage, longer than a record may be"[..],
            b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &[0; 64],
            &broken_hello,
        ];
        for (count, bytes) in (1..).zip(nonsense) {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(bytes).unwrap();
            // An alert at most. A reset is an end, too.
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let is_alert = answer.first() == Some(&21) && answer.len() == 7;
            assert!(answer.is_empty() || is_alert, "{answer:?}");
            until(|| server.counts().broken_connections == count);
            assert_served(&get(&server, &client, "/good"), "/good");
        }
        let (report, told) = server.stop();
        assert_eq!(report.counts.broken_connections, nonsense.len() as u64);
        assert_eq!(report.counts.requests, nonsense.len() as u64);
        assert_eq!(report.counts.answered, report.counts.requests);
        assert!(told.is_empty(), "{told:?}");
    });
}

#[test]
fn a_handshake_that_stops_half_way_holds_up_nobody_and_has_its_time() {
    alone(|| {
        let (config, client) = configs();
        let server = start(Server::new(), config);
        let hello = hello(&client);
        // Nothing; half of the first word; all of it, and no second one.
        for sent in [&hello[..0], &hello[..hello.len() / 2], &hello] {
            let broken = server.counts().broken_connections;
            let mut slow = TcpStream::connect(server.address).unwrap();
            slow.write_all(sent).unwrap();
            until(|| server.handle.connections() == 1);
            assert_served(&get(&server, &client, "/good"), "/good");
            until(|| server.handle.connections() == 1);
            server.until_timers(1);
            server.advance(9);
            assert_served(&get(&server, &client, "/later"), "/later");
            assert_eq!(server.counts().broken_connections, broken);
            server.advance(1);
            let _ = slow.read_to_end(&mut Vec::new());
            until(|| server.counts().broken_connections == broken + 1);
        }
        let (report, _) = server.stop();
        assert_eq!(report.counts.answered, 6);
        assert_eq!(report.counts.connections, 9);
        assert_eq!(report.ending, Ending::Drained);
    });
}

#[test]
fn a_handshake_counts_as_a_connection() {
    alone(|| {
        let (config, client) = configs();
        let server = start(Server::new().max_connections(1), config);
        let slow = TcpStream::connect(server.address).unwrap();
        until(|| server.handle.connections() == 1);
        // The system has accepted it, and the server does not.
        let queued = TcpStream::connect(server.address).unwrap();
        server.until_timers(1);
        server.advance(9);
        assert_eq!(server.counts().connections, 1);
        server.advance(1);
        assert_served(&ask(queued, &client, "/queued"), "/queued");
        drop(slow);
        let (report, _) = server.stop();
        assert_eq!(report.counts.connections, 2);
        assert_eq!(report.counts.broken_connections, 1);
    });
}

#[test]
fn a_client_in_the_queue_of_the_system_is_served_before_the_end() {
    alone(|| {
        let (config, client) = configs();
        let server = start(Server::new().max_connections(2), config);
        let slow = TcpStream::connect(server.address).unwrap();
        until(|| server.handle.connections() == 1);
        let queued = TcpStream::connect(server.address).unwrap();
        server.handle.stop();
        assert_served(&ask(queued, &client, "/queued"), "/queued");
        drop(slow);
        let (report, _) = server.end();
        assert_eq!(report.ending, Ending::Drained);
        assert_eq!(report.counts.connections, 2);
    });
}
