//! What is not over with the head of an answer, what comes before it, and the routes for operators.

use super::client::{Connection, Server};
use rustix::process::Signal;
use std::fs;

#[test]
fn an_upload_is_a_file() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let body = "0123456789".repeat(100_000);
    client.write(b"PUT /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n");
    client.write(body.as_bytes());
    let answer = client.receive();
    assert_eq!(answer.status, 200);
    let path = answer
        .body
        .strip_prefix("1000000 bytes in ")
        .unwrap()
        .trim_end();
    assert!(fs::read_to_string(path).unwrap() == body);
    fs::remove_file(path).unwrap();
}

#[test]
fn half_an_upload_leaves_no_file() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.write(b"PUT /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n12345");
    let name = format!("web_server-{}-0", server.id());
    let path = std::env::temp_dir().join(name);
    super::until("the file is there", || path.exists().then_some(()));
    drop(client);
    super::until("it is gone", || (!path.exists()).then_some(()));
}

#[test]
fn a_body_is_asked_for_first_if_the_client_waits_for_that() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.write(
        b"POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write(b"body");
    let answer = client.receive();
    let path = answer.body.strip_prefix("4 bytes in ").unwrap().trim_end();
    assert_eq!(fs::read_to_string(path).unwrap(), "body");
    fs::remove_file(path).unwrap();
    // One that is refused is not asked for its body.
    client.write(
        b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.receive().status, 405);
}

#[test]
fn requests_in_one_piece_are_answered_in_their_order() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let paths = ["/slow?ms=50", "/fanout?n=3", "/slow?ms=1"];
    let all = paths.map(|path| format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"));
    client.write(all.concat().as_bytes());
    let bodies = paths.map(|_| client.receive().body);
    assert_eq!(bodies, ["50 ms later\n", "21\n", "1 ms later\n"]);
}

#[test]
fn events_come_until_the_server_drains() {
    let server = Server::start(&["--grace", "3600"]);
    let mut client = server.connect();
    client.send("/events?ms=1");
    let head = client.until("\r\n\r\n");
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    for number in 0..10 {
        let event = client.until("\n\n");
        assert!(
            event.ends_with(&format!("id: {number}\ndata: {number}\n\n")),
            "{event}"
        );
    }
    server.signal(Signal::TERM);
    client.until("\r\n0\r\n\r\n"); // the last chunk
    let ended = server.wait();
    assert!(
        ended
            .stdout
            .contains("stopped: all drained; requests: 1 drained"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_deadline_of_the_client_is_504() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.write(b"GET /slow?ms=60000 HTTP/1.1\r\nhost: test\r\nx-request-timeout-ms: 20\r\n\r\n");
    assert_eq!(client.receive().status, 504);
    assert_eq!(client.get("/slow?ms=1").status, 200);
}

#[test]
fn operators_have_routes() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.get("/livez").body, "alive\n");
    assert_eq!(client.get("/readyz").body, "ready\n");
    assert!(client.get("/debug/tasks").body.contains("group server at "));
    let metrics = client.get("/metrics").body;
    assert!(
        metrics.contains("\nspinney_server_requests_total 4\n"),
        "{metrics}"
    );
    assert!(metrics.ends_with("# EOF\n"));
}

/// A WebSocket that is open. The key and what is made of it are those of RFC 6455.
fn web_socket(server: &Server) -> Connection {
    let mut client = server.connect();
    client.write(
        b"GET /ws HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
          sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let head = client.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert!(head.contains(accept), "{head}");
    client
}

/// Sends a frame, whose mask is zero.
fn send(client: &mut Connection, kind: u8, text: &[u8]) {
    let mut frame = vec![0x80 | kind, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend(text);
    client.write(&frame);
}

/// Receives a frame.
fn receive(client: &mut Connection) -> (u8, Vec<u8>) {
    let head = client.bytes(2);
    (head[0] & 0x7f, client.bytes(head[1].into()))
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The status of a server that goes.
const AWAY: [u8; 2] = 1001_u16.to_be_bytes();

#[test]
fn a_web_socket_echoes_and_closes_when_the_server_drains() {
    let server = Server::start(&["--grace", "3600"]);
    let mut client = web_socket(&server);
    for text in ["one", "two"] {
        send(&mut client, TEXT, text.as_bytes());
        assert_eq!(receive(&mut client), (TEXT, text.into()));
    }
    send(&mut client, PING, b"?");
    assert_eq!(receive(&mut client), (PONG, b"?".to_vec()));
    server.signal(Signal::TERM);
    let (kind, why) = receive(&mut client);
    assert_eq!((kind, &why[..2]), (CLOSE, &AWAY[..]));
    send(&mut client, CLOSE, &AWAY);
    assert!(client.at_end());
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    let last = "stopped: all drained; requests: 0 drained, 0 cancelled; connections: 1 drained, ";
    assert!(ended.stdout.contains(last), "{}", ended.stdout);
}

#[test]
fn a_web_socket_whose_client_does_not_close_is_cut_by_the_second_signal() {
    let server = Server::start(&["--grace", "3600"]);
    let mut client = web_socket(&server);
    send(&mut client, TEXT, b"here");
    assert_eq!(receive(&mut client), (TEXT, b"here".to_vec()));
    server.signal(Signal::TERM);
    let stopping = server.line();
    assert!(
        stopping.starts_with("stopping: 1 connections open, 0 requests"),
        "{stopping}"
    );
    assert_eq!(receive(&mut client).0, CLOSE);
    server.signal(Signal::INT);
    assert!(client.at_end());
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    let forced = "stopped: forced by a second signal; requests: 0 drained, 0 cancelled; ";
    assert!(ended.stdout.contains(forced), "{}", ended.stdout);
}

#[test]
fn what_asks_for_no_web_socket_gets_none() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/ws").0, 400);
}
