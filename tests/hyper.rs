//! The bridge to hyper: sockets under back-pressure, timers that hyper sets and moves, tasks that it starts.

use futures_lite::FutureExt;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Executor, Sleep, Timer as _};
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use spinney::compat::hyper::Timer;
use spinney::net::{TcpListener, TcpStream};
use spinney::{block_on, group};
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    Ok(Response::new(Full::new(body)))
}

#[test]
fn bodies_that_fill_every_buffer_come_back_whole() {
    let body: Bytes = (0..8_000_000_u32).map(|at| (at % 251) as u8).collect();
    let sent = body.clone();
    let received = block_on(group(async |g| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        g.spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            // By reference: the socket stays ours.
            let http = server::conn::http1::Builder::new();
            http.serve_connection(&stream, service_fn(echo))
                .await
                .unwrap();
            assert_eq!(stream.local_addr().unwrap(), address);
        });
        let stream = TcpStream::connect_addr(address).await.unwrap();
        let (mut sender, connection) = client::conn::http1::handshake(stream).await.unwrap();
        let exchange = async {
            let response = sender
                .send_request(Request::new(Full::new(sent)))
                .await
                .unwrap();
            let received = response.into_body().collect().await.unwrap().to_bytes();
            drop(sender);
            Some(received)
        };
        // A connection ends when its sender is gone, and then it has no more to say.
        let driven = async {
            connection.await.unwrap();
            None
        };
        exchange.or(driven).await
    }));
    assert!(received.unwrap() == body);
}

#[test]
fn a_head_that_does_not_end_runs_into_the_timeout() {
    let error = block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: ").unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut http = server::conn::http1::Builder::new();
        http.timer(Timer)
            .header_read_timeout(Duration::from_millis(10));
        http.serve_connection(stream, service_fn(echo))
            .await
            .unwrap_err()
    });
    assert!(error.is_timeout(), "{error:?}");
}

/// A timer of somebody else, which never ends.
struct Foreign;

impl Future for Foreign {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Foreign {}

#[test]
fn a_timer_is_moved_also_after_it_was_set_and_when_it_is_not_ours() {
    let hour = Duration::from_secs(3600);
    let mut ours = Timer.sleep(hour);
    block_on(async {
        assert!(futures_lite::future::poll_once(&mut ours).await.is_none());
    });
    let mut foreign: Pin<Box<dyn Sleep>> = Box::pin(Foreign);
    let soon = Timer.now() + Duration::from_millis(1);
    for sleep in [&mut ours, &mut foreign] {
        Timer.reset(sleep, soon);
        block_on(sleep);
        assert!(Instant::now() >= soon);
    }
    // And after it has ended.
    Timer.reset(&mut ours, Timer.now() + hour);
    assert!(block_on(futures_lite::future::poll_once(&mut ours)).is_none());
}

#[test]
fn tasks_that_hyper_starts_are_children_and_none_starts_after_the_end() {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let (ran, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let task = || {
        let (ran, dropped) = (Arc::clone(&ran), Dropped(Arc::clone(&dropped)));
        async move {
            spinney::yield_now().await;
            ran.fetch_add(1, SeqCst);
            drop(dropped);
        }
    };
    let handle = block_on(group(async |g| {
        let handle = g.handle();
        for _ in 0..100 {
            handle.execute(task());
        }
        handle
    }));
    assert_eq!((ran.load(SeqCst), dropped.load(SeqCst)), (100, 100));
    handle.execute(task());
    assert_eq!((ran.load(SeqCst), dropped.load(SeqCst)), (100, 101));
}

#[test]
fn a_handler_is_dropped_when_its_client_goes_away() {
    let dropped = block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        (&client)
            .write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
            .unwrap();
        let client = std::sync::Mutex::new(Some(client));
        let (stream, _) = listener.accept().await.unwrap();
        let handler = service_fn(|_: Request<Incoming>| {
            drop(client.lock().unwrap().take());
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
        });
        let http = server::conn::http1::Builder::new();
        http.serve_connection(stream, handler).await
    });
    assert!(dropped.unwrap_err().is_incomplete_message());
}
