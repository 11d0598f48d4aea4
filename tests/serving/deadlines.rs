//! Deadlines that callers on other machines set.

use crate::common::drops::on_drop;
use crate::running::{Running, patient, start, until};
use futures_lite::future::or;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response};
use spinney::compat::hyper::Timer;
use spinney::net::TcpStream;
use spinney::serve::{Deadlines, ForwardDeadlines, RequestBody, Server, service_fn};
use spinney::{block_on, group};
use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;
use tower_service::Service;

type Answer = Result<Response<Full<Bytes>>, Infallible>;

/// Moves the clock until the condition holds.
fn until_later(server: &Running, condition: impl Fn() -> bool) {
    until(|| {
        server.advance(1);
        condition()
    });
}

/// Answers with what it would write into a request of its own, plain and of gRPC.
async fn forwards(request: Request<RequestBody>) -> Answer {
    let deadlines = Deadlines::new().header(HeaderName::from_static("x-patience"));
    let mut plain = HeaderMap::new();
    deadlines.forward(&mut plain);
    let mut grpc = HeaderMap::new();
    grpc.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    deadlines.forward(&mut grpc);
    let text = |value: Option<&HeaderValue>| {
        value.map_or_else(
            || "-".to_owned(),
            |value| value.to_str().unwrap().to_owned(),
        )
    };
    let told = [
        text(plain.get("x-patience")),
        text(grpc.get("grpc-timeout")),
    ]
    .join(" ");
    drop(request);
    Ok(Response::new(Full::from(told)))
}

/// Requests with these headers are answered with these values.
fn assert_forwarded(server: Server, cases: &[(&str, &str)]) {
    let deadlines = Deadlines::new().header(HeaderName::from_static("x-patience"));
    let server = start(server, deadlines.around(service_fn(forwards)));
    let mut client = server.client();
    for (headers, told) in cases {
        client.send(&format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n"));
        assert_eq!(client.answer().body, *told, "{headers}");
    }
    drop(client);
    server.stop();
}

#[test]
fn what_is_left_goes_to_the_next_machine() {
    let cases = [
        ("", "- -"),
        ("x-patience: 2500\r\n", "2500 2500000u"),
        ("grpc-timeout: 2S\r\n", "2000 2000000u"),
        ("grpc-timeout: 90000000n\r\n", "90 90000000n"),
        ("grpc-timeout: 2S\r\nx-patience: 2500\r\n", "2000 2000000u"),
        ("grpc-timeout: 3S\r\nx-patience: 2500\r\n", "2500 2500000u"),
        // What is no duration is ignored.
        ("grpc-timeout: 123456789S\r\nx-patience: soon\r\n", "- -"),
        ("grpc-timeout: 1s\r\nx-patience: 1.5\r\n", "- -"),
        ("x-request-timeout-ms: 5\r\n", "- -"), // another one was chosen
    ];
    assert_forwarded(patient(), &cases);
}

/// A client of the service of one server calls another one: the second knows for how long the
/// caller of the first waits.
#[test]
fn a_layer_of_a_client_tells_the_next_machine() {
    let deadlines = || Deadlines::new().header(HeaderName::from_static("x-patience"));
    let next = start(patient(), deadlines().around(service_fn(forwards)));
    let address = next.address;
    let first = move |request: Request<RequestBody>| async move {
        let stream = TcpStream::connect_addr(address).await.unwrap();
        let (mut sender, connection) = http1::handshake(stream).await.unwrap();
        let client = service_fn(move |request| sender.send_request(request));
        let mut client = ForwardDeadlines::with(deadlines()).around(client);
        let mut call = Request::new(Full::<Bytes>::default());
        // A caller's own word holds if it is less.
        if let Some(own) = request.headers().get("x-own") {
            call.headers_mut().insert("x-patience", own.clone());
        }
        let answer = or(async { client.call(call).await.unwrap() }, async {
            connection.await.unwrap();
            unreachable!("it is open while it is used")
        });
        let body = answer.await.into_body().collect().await.unwrap();
        Answer::Ok(Response::new(Full::from(body.to_bytes())))
    };
    let server = start(patient(), deadlines().around(service_fn(first)));
    let mut client = server.client();
    for (headers, told) in [
        ("", "- -"),
        ("x-patience: 2500\r\n", "2500 2500000u"),
        ("x-patience: 2500\r\nx-own: 100\r\n", "100 100000u"),
        ("x-patience: 2500\r\nx-own: 9000\r\n", "2500 2500000u"),
    ] {
        client.send(&format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n"));
        assert_eq!(client.answer().body, told, "{headers}");
    }
    drop(client);
    server.stop();
    next.stop();
}

#[test]
fn the_servers_own_deadline_goes_on_too_if_it_is_earlier() {
    let server = Server::new().request_deadline(Duration::from_secs(2));
    let cases = [
        ("", "2000 2000000u"),
        ("grpc-timeout: 3S\r\n", "2000 2000000u"),
        ("grpc-timeout: 1S\r\n", "1000 1000000u"),
    ];
    assert_forwarded(server, &cases);
}

#[test]
fn a_caller_that_does_not_wait_any_more_gets_504_after_the_children_were_joined() {
    let ended = Arc::new(AtomicBool::new(false));
    let in_service = Arc::clone(&ended);
    let service = move |_: Request<RequestBody>| {
        let ended = Arc::clone(&in_service);
        async move {
            group(async |g| {
                // It is dropped with the child, also if that is cut before its first poll.
                let dropped = on_drop(move || ended.store(true, SeqCst));
                g.spawn(async move {
                    let _dropped = dropped;
                    pending::<()>().await
                });
            })
            .await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("never")))
        }
    };
    let server = start(patient(), Deadlines::new().around(service_fn(service)));
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\nx-request-timeout-ms: 3000\r\n\r\n");
    until(|| server.runtime.metrics().live_tasks >= 2);
    until_later(&server, || ended.load(SeqCst));
    let answer = client.answer();
    assert_eq!(
        (answer.status, &*answer.body),
        (504, "the deadline is over\n")
    );
    assert!(ended.load(SeqCst), "the child was joined before the answer");
    drop(client);
    let (report, told) = server.stop();
    assert_eq!((report.counts.answered, report.counts.expired), (1, 1));
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn the_earlier_deadline_ends_the_request() {
    let called = Arc::new(AtomicUsize::new(0));
    let in_service = Arc::clone(&called);
    let service = service_fn(move |_: Request<RequestBody>| {
        in_service.fetch_add(1, SeqCst);
        pending::<Answer>()
    });
    let server = patient().request_deadline(Duration::from_secs(5));
    let server = start(server, Deadlines::new().around(service));
    let cases = [("grpc-timeout: 1H", 5, 503), ("grpc-timeout: 3S", 3, 504)];
    for (calls, (header, seconds, status)) in (1..).zip(cases) {
        let mut client = server.client();
        client.send(&format!("GET / HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n"));
        // Both deadlines are set then, and the clock reaches one of them.
        until(|| called.load(SeqCst) == calls);
        server.advance(seconds);
        assert_eq!(client.answer().status, status, "{header}");
    }
    let (report, _) = server.stop();
    assert_eq!(report.counts.expired, 2);
}

#[test]
fn a_caller_that_has_no_time_left_is_answered_without_the_service() {
    let called = Arc::new(AtomicUsize::new(0));
    let in_service = Arc::clone(&called);
    let service = move |_: Request<RequestBody>| {
        in_service.fetch_add(1, SeqCst);
        async { Answer::Ok(Response::new(Full::from("done"))) }
    };
    let server = start(patient(), Deadlines::new().around(service_fn(service)));
    let mut client = server.client();
    for header in ["grpc-timeout: 0n", "x-request-timeout-ms: 0"] {
        client.send(&format!("GET / HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n"));
        assert_eq!(client.answer().status, 504);
    }
    assert_eq!(called.load(SeqCst), 0);
    assert_eq!(client.get("/").body, "done");
    drop(client);
    let (report, _) = server.stop();
    assert_eq!((report.counts.answered, report.counts.expired), (3, 2));
}

/// One piece, and then nothing for ever; `done` is told when it is dropped.
fn one_piece(
    done: impl FnOnce() + Send + 'static,
) -> Response<impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static> {
    let mut piece = Some(Frame::data(Bytes::from_static(b"piece")));
    let done = on_drop(done);
    let pieces = futures_lite::stream::poll_fn(move |_| {
        let _held = &done;
        match piece.take() {
            Some(piece) => Poll::Ready(Some(Ok(piece))),
            None => Poll::Pending,
        }
    });
    Response::new(StreamBody::new(pieces))
}

#[test]
fn a_body_breaks_off_when_its_caller_does_not_wait_any_more() {
    let ended = Arc::new(AtomicBool::new(false));
    let in_service = Arc::clone(&ended);
    let service = move |_: Request<RequestBody>| {
        let ended = Arc::clone(&in_service);
        async move { Ok::<_, Infallible>(one_piece(move || ended.store(true, SeqCst))) }
    };
    let server = start(patient(), Deadlines::new().around(service_fn(service)));
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nhost: x\r\nx-request-timeout-ms: 3000\r\n\r\n");
    assert_eq!(client.head().status, 200);
    until_later(&server, || ended.load(SeqCst));
    // The last chunk would be `0`.
    assert_eq!(client.rest(), "5\r\npiece\r\n");
    let (report, _) = server.stop();
    assert_eq!((report.counts.answered, report.counts.cut), (0, 1));
}

/// Runs a client of HTTP/2 over one connection.
fn over_http2<R>(
    server: &Running,
    client: impl AsyncFnOnce(SendRequest<Full<Bytes>>) -> R + Send,
) -> R {
    let address = server.address;
    block_on(group(async |g| {
        let stream = TcpStream::connect_addr(address).await.unwrap();
        let mut http = Builder::new(g.service_handle());
        let (sender, connection) = http.timer(Timer).handshake(stream).await.unwrap();
        g.service(async move { connection.await.unwrap() });
        client(sender).await
    }))
}

/// As tonic asks.
fn unary(timeout: &str) -> Request<Full<Bytes>> {
    Request::post("http://x/echo.Echo/Say")
        .header("te", "trailers")
        .header(CONTENT_TYPE, "application/grpc+proto")
        .header("grpc-timeout", timeout)
        .body(Full::from(&b"\0\0\0\0\0"[..]))
        .unwrap()
}

fn assert_exceeded(headers: &HeaderMap) {
    assert_eq!(headers["grpc-status"], "4", "{headers:?}");
    assert_eq!(headers["grpc-message"], "the deadline is over");
}

#[test]
fn a_call_of_grpc_gets_its_status_without_a_body() {
    let (tell, told) = async_channel::unbounded::<()>();
    let service = move |_: Request<RequestBody>| {
        let tell = tell.clone();
        async move {
            tell.send(()).await.unwrap();
            pending::<Answer>().await
        }
    };
    let server = start(patient(), Deadlines::new().around(service_fn(service)));
    for timeout in ["3S", "0n"] {
        let answer: Response<Incoming> = over_http2(&server, async |mut sender| {
            let answer = sender.send_request(unary(timeout));
            // Once, and not beyond the time in which a client of HTTP/2 has to answer a ping.
            let time_passes = async {
                told.recv().await.unwrap();
                server.advance(3);
                pending().await
            };
            or(answer, time_passes).await.unwrap()
        });
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/grpc+proto");
        assert_exceeded(answer.headers());
        assert!(hyper::body::Body::is_end_stream(answer.body()));
    }
    let (report, _) = server.stop();
    assert_eq!((report.counts.answered, report.counts.expired), (2, 2));
}

#[test]
fn a_stream_of_grpc_ends_with_its_status() {
    let service = async |_: Request<RequestBody>| Ok::<_, Infallible>(one_piece(|| {}));
    let server = start(patient(), Deadlines::new().around(service_fn(service)));
    let (trailers, data) = over_http2(&server, async |mut sender| {
        let answer = sender.send_request(unary("3S")).await.unwrap();
        assert!(!answer.headers().contains_key("grpc-status"));
        let mut body = answer.into_body();
        let data = body.frame().await.unwrap().unwrap().into_data();
        server.advance(3);
        (body.collect().await.unwrap().trailers().cloned(), data)
    });
    assert_eq!(data.unwrap(), "piece");
    assert_exceeded(&trailers.unwrap());
    let (report, _) = server.stop();
    assert_eq!((report.counts.answered, report.counts.cut), (1, 0));
}

#[test]
fn the_deadline_of_an_answer_resets_its_stream_alone() {
    let service = async |request: Request<RequestBody>| {
        let forever = request.uri().path() == "/forever";
        let answer = match forever {
            true => one_piece(|| {}).map(BodyExt::boxed_unsync),
            false => Response::new(Full::from("done").boxed_unsync()),
        };
        Ok::<_, Infallible>(answer)
    };
    let server = start(patient(), Deadlines::new().around(service_fn(service)));
    over_http2(&server, async |mut sender| {
        let forever = Request::get("http://x/forever").header("x-request-timeout-ms", "3000");
        let answer = sender.send_request(forever.body(Full::default()).unwrap());
        let answer = answer.await.unwrap();
        server.advance(3);
        let error = answer.into_body().collect().await.unwrap_err();
        let why = error.source().unwrap().to_string();
        assert!(why.starts_with("stream error received"), "{why}");
        let other = Request::get("http://x/").body(Full::default()).unwrap();
        let other = sender.send_request(other).await.unwrap();
        assert_eq!(
            other.into_body().collect().await.unwrap().to_bytes(),
            "done"
        );
    });
    let (report, _) = server.stop();
    assert_eq!((report.counts.answered, report.counts.cut), (1, 1));
    assert_eq!(report.counts.connections, 1);
}

#[test]
fn a_caller_that_resets_its_stream_cuts_its_request_alone() {
    let cut = Arc::new(AtomicUsize::new(0));
    let in_service = Arc::clone(&cut);
    let (tell, told) = async_channel::bounded::<()>(1);
    let service = move |request: Request<RequestBody>| {
        let (cut, tell) = (Arc::clone(&in_service), tell.clone());
        async move {
            if request.uri().path() == "/forever" {
                let _cut = on_drop(move || _ = cut.fetch_add(1, SeqCst));
                tell.send(()).await.unwrap();
                pending::<()>().await;
            }
            Answer::Ok(Response::new(Full::from("done")))
        }
    };
    let server = start(patient(), Deadlines::new().around(service_fn(service)));
    over_http2(&server, async |mut sender| {
        let forever = Request::get("http://x/forever").header("grpc-timeout", "1H");
        let answer = sender.send_request(forever.body(Full::default()).unwrap());
        let reached = async { told.recv().await.unwrap() };
        let answered = async {
            answer.await.unwrap();
        };
        or(reached, answered).await;
        while cut.load(SeqCst) == 0 {
            spinney::yield_now().await;
        }
        let other = Request::get("http://x/").body(Full::default()).unwrap();
        let other = sender.send_request(other).await.unwrap();
        assert_eq!(
            other.into_body().collect().await.unwrap().to_bytes(),
            "done"
        );
    });
    let (report, _) = server.stop();
    assert_eq!((report.counts.answered, report.counts.cut), (1, 1));
}
