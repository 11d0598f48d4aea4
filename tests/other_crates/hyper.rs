//! The bridge to hyper: sockets under back-pressure, timers that hyper sets and moves, tasks that
//! it starts.

use crate::common::drops::on_drop;
use crate::common::hangs::without_hanging;
use crate::common::log::Log;
use crate::common::panics::panic_of;
use crate::common::polls::until;
use crate::common::runtimes::workers;
use futures_lite::FutureExt;
use futures_lite::future::zip;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::bounds::Http2ClientConnExec;
use hyper::rt::{Executor, Sleep, Timer as _};
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use spinney::compat::hyper::Timer;
use spinney::dump::{Dump, TaskDump, TaskState};
use spinney::net::{TcpListener, TcpStream};
use spinney::{Group, GroupBuilder, Never, block_on, current, group, shield, try_group, yield_now};
use std::convert::Infallible;
use std::future::pending;
use std::io::Write;
use std::net::SocketAddr;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
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

/// A timer of another library, which never ends.
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
            yield_now().await;
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
        let client = Mutex::new(Some(client));
        let (stream, _) = listener.accept().await.unwrap();
        let handler = service_fn(|_: Request<Incoming>| {
            drop(client.lock().unwrap().take());
            pending::<Result<Response<Full<Bytes>>, Infallible>>()
        });
        let http = server::conn::http1::Builder::new();
        http.serve_connection(stream, handler).await
    });
    assert!(dropped.unwrap_err().is_incomplete_message());
}

type Client = client::conn::http2::SendRequest<Full<Bytes>>;

/// Serves one client as a child of the group, and each of its requests as another.
async fn serve_one(g: Group<'_, '_>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handle = g.handle();
    g.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let http = server::conn::http2::Builder::new(handle);
        // It fails if the client goes away without a word.
        let _ = http.serve_connection(stream, service_fn(echo)).await;
    });
    address
}

/// Connects; both tasks of the connection go to the executor.
async fn connect<E>(address: SocketAddr, executor: E) -> Client
where
    E: Http2ClientConnExec<Full<Bytes>, TcpStream>
        + Executor<Pin<Box<dyn Future<Output = ()> + Send>>>,
    E: Clone + Unpin + Send + 'static,
{
    let stream = TcpStream::connect_addr(address).await.unwrap();
    let connecting = client::conn::http2::handshake(executor.clone(), stream).await;
    let (client, connection) = connecting.unwrap();
    executor.execute(Box::pin(async { connection.await.unwrap() }));
    client
}

async fn ask(client: &mut Client) -> Result<Bytes, hyper::Error> {
    client.ready().await?;
    let response = client.send_request(Request::new("ping".into())).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

#[test]
fn a_group_ends_before_a_client_whose_tasks_are_its_services() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        runtime.block_on(group(async |g| {
            let address = serve_one(g).await;
            let mut client = group(async |g| {
                let mut client = connect(address, g.service_handle()).await;
                assert_eq!(ask(&mut client).await.unwrap(), "ping");
                g.keep(client.clone());
                client
            })
            .await;
            let error = ask(&mut client).await.unwrap_err();
            assert!(error.is_closed() || error.is_canceled(), "{error:?}");
        }));
        assert!(seen.texts().is_empty());
    });
}

/// Whether the group "client" has two children, and both wait.
fn waits(dump: &Dump) -> bool {
    let client = |name: &Option<String>| name.as_deref() == Some("client");
    let found = dump.groups().iter().find(|group| client(&group.name));
    found.is_some_and(|group| {
        let waiting = |task: &&TaskDump| task.state == TaskState::Waiting;
        (group.count, group.tasks.iter().filter(waiting).count()) == (2, 2)
    })
}

#[test]
fn a_group_waits_for_a_client_whose_tasks_are_its_children() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let log = Log::default();
        runtime.block_on(group(async |g| {
            let address = serve_one(g).await;
            let kept = Mutex::new(None);
            let opened = GroupBuilder::<Never>::new().name("client").run(async |g| {
                let mut client = connect(address, g.handle()).await;
                assert_eq!(ask(&mut client).await.unwrap(), "ping");
                *kept.lock().unwrap() = Some(client);
                log.note("body");
                Ok(())
            });
            let ends = async {
                opened.await.unwrap();
                log.note("end");
            };
            let drops = async {
                until(|| log.has("end") || log.has("body") && waits(&runtime.dump())).await;
                log.note("drop");
                drop(kept.lock().unwrap().take());
            };
            zip(ends, drops).await;
        }));
        assert_eq!(log.take(), ["body", "drop", "end"]);
    });
}

#[test]
fn a_service_of_a_handle_is_cut_after_the_children_and_joined() {
    without_hanging(|| {
        for _ in 0..50 {
            let (runtime, _) = workers(2);
            let log = Log::default();
            runtime.block_on(group(async |g| {
                let (log, services) = (log.clone(), g.service_handle());
                let (inside, begun) = async_channel::bounded::<()>(1);
                for (name, polls) in [("older", 0), ("newer", 9)] {
                    let (local, inside) = (log.local(name), inside.clone());
                    services.execute(async move {
                        let _local = local;
                        // Told that it is cut, it goes on for some polls: it is joined.
                        shield(async {
                            drop(inside);
                            current::stopping().await;
                            for _ in 0..polls {
                                yield_now().await;
                            }
                        })
                        .await;
                        pending().await
                    });
                }
                drop(inside);
                begun.recv().await.unwrap_err();
                let (noted, local) = (log.clone(), log.local("kept"));
                g.keep(local);
                g.defer(async move { noted.note("defer") });
                g.spawn(async move {
                    for _ in 0..10 {
                        yield_now().await;
                    }
                    log.note("child");
                });
            }));
            log.note("end");
            let order = ["child", "newer", "older", "defer", "kept", "end"];
            assert_eq!(log.take(), order);
        }
    });
}

#[test]
fn a_handle_starts_no_service_once_they_are_ending() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let polled = Arc::new(AtomicUsize::new(0));
        let future = || {
            let polled = Arc::clone(&polled);
            async move { _ = polled.fetch_add(1, SeqCst) }
        };
        let log = Log::default();
        let handle = runtime.block_on(group(async |g| {
            let handle = g.service_handle();
            let (late, future, log) = (handle.clone(), future(), log.clone());
            let tries = on_drop(move || {
                let refused = late.spawn(future).is_err();
                log.note(if refused { "refused" } else { "accepted" });
            });
            let begun = handle.spawn(async move {
                let _tries = tries;
                pending::<()>().await
            });
            assert!(begun.is_ok());
            handle
        }));
        assert_eq!(log.take(), ["refused"]);
        let given_back = handle.spawn(future()).unwrap_err();
        handle.execute(future());
        assert_eq!((polled.load(SeqCst), Arc::strong_count(&polled)), (0, 2));
        block_on(given_back);
        assert_eq!(polled.load(SeqCst), 1);
        assert!(seen.texts().is_empty());
    });
}

#[test]
fn a_group_that_is_cancelled_takes_a_service_and_drops_it() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let captured = Arc::new(());
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            g.cancel(1);
            let held = Arc::clone(&captured);
            let taken = g.service_handle().spawn(async move { drop(held) });
            assert!(taken.is_ok());
            assert_eq!(Arc::strong_count(&captured), 1);
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
    });
}

#[test]
fn a_service_of_a_handle_that_fails_ends_its_group() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let text = panic_of(|| {
            runtime.block_on(group(async |g| {
                g.service_handle().execute(async { panic_any("service") });
                pending::<()>().await
            }))
        });
        assert_eq!(text, "service");
        let failed = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            let taken = g.service_handle().spawn(async { Err::<(), _>(5) });
            assert!(taken.is_ok());
            pending::<Result<(), _>>().await
        }));
        let errors = failed.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), (5, 1));
        assert!(seen.texts().is_empty());
    });
}
