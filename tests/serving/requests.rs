//! Requests and their groups: answers, failures, deadlines, clients that hang up, upgrades, HTTP/2.

use crate::common::drops::on_drop;
use crate::running::{echo, echoes, start, until};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};
use spinney::compat::hyper::Timer;
use spinney::net::TcpStream;
use spinney::serve::{BoxError, ConnectionHandle, Ending, Peer, RequestBody, Server, service_fn};
use spinney::{block_on, current, group};
use std::convert::Infallible;
use std::future::pending;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

type Answer = Result<Response<Full<Bytes>>, Infallible>;

#[test]
fn requests_of_a_connection_are_answered_one_after_the_other() {
    let server = echoes(Server::new());
    let mut client = server.client();
    for path in ["/a", "/b"] {
        let answer = client.get(path);
        assert_eq!((answer.status, &*answer.body), (200, &*format!("{path}: ")));
    }
    client.send("POST /c HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!(client.answer().body, "/c: body");
    client.send("GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.answer().body, "/1: ");
    assert_eq!(client.answer().body, "/2: ");
    drop(client);
    let (report, told) = server.stop();
    assert_eq!(report.ending, Ending::Drained);
    assert_eq!((report.counts.connections, report.counts.requests), (1, 5));
    assert_eq!((report.counts.answered, report.counts.cut), (5, 0));
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn a_body_is_asked_for_by_100_continue() {
    let server = echoes(Server::new());
    let mut client = server.client();
    client.send("POST /c HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().status, 100);
    client.send("body");
    assert_eq!(client.answer().body, "/c: body");
    server.stop();
}

#[test]
fn heads_alone_count_as_answered() {
    let empty = async |_: Request<RequestBody>| -> Answer {
        let mut answer = Response::new(Full::from("not sent"));
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        Ok(answer)
    };
    let server = start(Server::new(), service_fn(empty));
    let mut client = server.client();
    assert_eq!(client.get("/").status, 304);
    client.send("HEAD / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.head().status, 304);
    drop(client);
    let (report, _) = server.stop();
    assert_eq!((report.counts.answered, report.counts.cut), (2, 0));
}

#[test]
fn a_panic_or_an_error_is_500_and_is_told_with_its_path_and_the_connection_lives() {
    let service = async |request: Request<RequestBody>| match request.uri().path() {
        "/panic" => panic!("a bug"),
        "/child" => {
            group(async |g| {
                g.spawn(async { panic!("a bug in a child") });
            })
            .await;
            unreachable!("the panic resumes")
        }
        "/error" => Err(BoxError::from("no database")),
        _ => echo(request).await,
    };
    let server = start(Server::new(), service_fn(service));
    let mut client = server.client();
    for path in ["/panic", "/child", "/error"] {
        assert_eq!(client.get(path).status, 500);
    }
    assert_eq!(client.get("/fine").status, 200);
    drop(client);
    let (report, told) = server.stop();
    assert_eq!(
        told,
        [
            "GET /child: a bug in a child",
            "GET /error: no database",
            "GET /panic: a bug"
        ]
    );
    let counts = report.counts;
    assert_eq!((counts.panicked, counts.failed, counts.answered), (2, 1, 4));
}

#[test]
fn a_deadline_answers_503_after_the_children_of_the_request_were_joined() {
    let ended = Arc::new(AtomicBool::new(false));
    let in_service = Arc::clone(&ended);
    let service = move |_: Request<RequestBody>| {
        let ended = Arc::clone(&in_service);
        async move {
            group(async |g| {
                g.spawn(async move {
                    let _ended = on_drop(move || ended.store(true, SeqCst));
                    pending::<()>().await
                });
            })
            .await;
            Ok::<_, Infallible>(Response::new(Full::from("never")))
        }
    };
    let server = start(Server::new(), service_fn(service));
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| server.counts().requests == 1);
    server.until_timers(1);
    until(|| server.runtime.metrics().live_tasks >= 2);
    server.advance(30);
    let answer = client.answer();
    assert_eq!(answer.status, 503);
    assert!(ended.load(SeqCst), "the child was joined before the answer");
    drop(client);
    let (report, _) = server.stop();
    assert_eq!(report.counts.expired, 1);
}

#[test]
fn a_client_that_hangs_up_cuts_its_request_and_the_connection_joins_it() {
    let cut = Arc::new(AtomicUsize::new(0));
    let in_service = Arc::clone(&cut);
    let service = move |_: Request<RequestBody>| {
        let cut = Arc::clone(&in_service);
        async move {
            let _cut = on_drop(move || _ = cut.fetch_add(1, SeqCst));
            pending::<Answer>().await
        }
    };
    let server = start(Server::new(), service_fn(service));
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    until(|| server.counts().requests == 1);
    drop(client);
    until(|| cut.load(SeqCst) == 1);
    until(|| server.handle.connections() == 0);
    let (report, _) = server.stop();
    assert_eq!((report.counts.answered, report.counts.cut), (0, 1));
}

#[test]
fn requests_know_their_peer_and_their_group() {
    let service = async |request: Request<RequestBody>| -> Answer {
        let peer = request.extensions().get::<Peer>().unwrap().address();
        let path = current::group_path().unwrap();
        Ok(Response::new(Full::from(format!(
            "{path} of {}",
            peer.unwrap().ip()
        ))))
    };
    let server = start(Server::new(), service_fn(service));
    let body = server.client().get("/").body;
    assert!(body.ends_with("server/conn/request of 127.0.0.1"), "{body}");
    server.stop();
}

/// Talks another protocol: each byte comes back, until the drain.
async fn switch(mut request: Request<RequestBody>) -> Answer {
    let upgrade = hyper::upgrade::on(&mut request);
    let connection = request.extensions().get::<ConnectionHandle>().unwrap();
    connection.spawn(async {
        let mut upgraded = upgrade.await.unwrap();
        let mut byte = [0; 1];
        let mut room = hyper::rt::ReadBuf::new(&mut byte);
        std::future::poll_fn(|cx| {
            use hyper::rt::Read;
            std::pin::Pin::new(&mut upgraded).poll_read(cx, room.unfilled())
        })
        .await
        .unwrap();
        assert_eq!(room.filled(), b"x");
        current::stopping().await;
        std::future::poll_fn(|cx| {
            use hyper::rt::Write;
            std::pin::Pin::new(&mut upgraded).poll_write(cx, b"bye")
        })
        .await
        .unwrap();
    });
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(hyper::header::CONNECTION, "upgrade".parse().unwrap());
    headers.insert(hyper::header::UPGRADE, "test".parse().unwrap());
    Ok(answer)
}

#[test]
fn what_an_upgrade_starts_belongs_to_the_connection_and_hears_of_the_drain() {
    let server = start(Server::new(), service_fn(switch));
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n");
    assert_eq!(client.head().status, 101);
    client.send("x");
    assert_eq!(server.handle.connections(), 1);
    server.handle.stop();
    assert_eq!(client.rest(), "bye");
    let (report, told) = server.end();
    assert_eq!(report.ending, Ending::Drained);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn http2_is_served_to_those_that_begin_with_it() {
    let server = echoes(Server::new());
    let address = server.address;
    let bodies = block_on(group(async |g| {
        let stream = TcpStream::connect_addr(address).await.unwrap();
        let mut http = hyper::client::conn::http2::Builder::new(g.service_handle());
        let (mut sender, connection) = http.timer(Timer).handshake(stream).await.unwrap();
        g.service(async move { connection.await.unwrap() });
        let mut bodies = Vec::new();
        let asked = ["/a", "/b", "/c"].map(|path| {
            let body = Full::new(Bytes::from_static(b"body"));
            sender.send_request(Request::get(path).body(body).unwrap())
        });
        for answer in asked {
            let body = answer.await.unwrap().into_body().collect().await.unwrap();
            bodies.push(String::from_utf8(body.to_bytes().to_vec()).unwrap());
        }
        bodies
    }));
    assert_eq!(bodies, ["/a: body", "/b: body", "/c: body"]);
    let (report, _) = server.stop();
    assert_eq!((report.counts.connections, report.counts.answered), (1, 3));
}

#[test]
fn nonsense_breaks_its_connection_alone() {
    let server = echoes(Server::new());
    let mut nonsense = std::net::TcpStream::connect(server.address).unwrap();
    nonsense
        .write_all(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    nonsense.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    assert_eq!(server.client().get("/").status, 200);
    let (report, _) = server.stop();
    assert_eq!(report.counts.broken_connections, 1);
}
