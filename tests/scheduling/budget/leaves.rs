//! A loop over each future of ours that is ready at once, as far as it can be.
//! `tests/repository/leaves.rs` sees to it that none is missing.

use super::{Looped, Note};
use crate::common::place::Place;
use crate::common::sockets::tcp_pair;
use futures_lite::io::{empty, sink};
use futures_lite::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use hyper::rt::Timer as _;
use rustix::process::{getpid, kill_process};
use spinney::compat::hyper::Timer;
use spinney::fs::{self, DirEntry, File};
use spinney::io::{copy, copy_bidirectional, stderr};
use spinney::net::{
    Async, TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
    lookup_host,
};
use spinney::process::Command;
use spinney::serve::{
    Deadlines, Phase, Report, Routed, Routes, Server, ServiceFn, Timely, service_fn,
};
use spinney::signal::{Signal, Signals, ctrl_c, terminate};
use spinney::time::{interval, sleep_until};
use spinney::{
    Group, GroupBuilder, Never, Ready, Restart, Supervised, Task, TaskLocal, Yielder, blocking,
    cooperative, current, group, group_with, race, shield, sleep, timeout, trace, try_group,
    try_group_with, yield_now,
};
use std::future::{pending, poll_fn, ready};
use std::io::{self, SeekFrom};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tower_service::Service as _;

/// A loop, and what it is over.
pub(crate) struct Leaf {
    pub(crate) name: &'static str,
    pub(crate) looped: fn(Note) -> Looped,
}

/// What came of an operation is not looked at.
fn over<T>(_: T) {}

/// Each expression is awaited again and again.
macro_rules! leaves {
    ($($name:literal: $setup:expr => |$held:pat_param| $leaf:expr;)*) => {
        vec![$(Leaf {
            name: $name,
            looped: |note| Box::pin(async move {
                let mut held = $setup;
                loop {
                    let $held = &mut held;
                    over($leaf.await);
                    note.add();
                }
            }),
        },)*]
    };
}

/// The same in a group, which each expression may use.
macro_rules! children {
    ($($name:literal: |$g:ident| $setup:expr => |$held:pat_param| $leaf:expr;)*) => {
        vec![$(Leaf {
            name: $name,
            looped: |note| Box::pin(async move {
                let _ = try_group(async move |$g: Group<'_, '_, ()>| -> Result<(), ()> {
                    let mut held = $setup;
                    loop {
                        let $held = &mut held;
                        over($leaf.await);
                        note.add();
                    }
                })
                .await;
            }),
        },)*]
    };
}

const ZERO: Duration = Duration::ZERO;

static LOCAL: TaskLocal<u8> = TaskLocal::new();

/// Children that have ended.
async fn ended<T>(spawn: impl Fn() -> T, is_finished: impl Fn(&T) -> bool) -> Vec<T> {
    let children: Vec<_> = (0..300).map(|_| spawn()).collect();
    while !children.iter().all(&is_finished) {
        yield_now().await;
    }
    children
}

/// Both ends of a connection; the far one is closed if there is nothing to be read.
async fn connection() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let near = TcpStream::connect_addr(address).await.unwrap();
    drop(listener.accept().await.unwrap());
    near
}

type Nothing = Result<hyper::Response<http_body_util::Empty<hyper::body::Bytes>>, io::Error>;

type Handler = fn(hyper::Request<()>) -> std::future::Ready<Nothing>;

/// A service with a route that answers at once.
fn routed() -> Routed<ServiceFn<Handler>> {
    let service: Handler = |_| ready(Ok(hyper::Response::default()));
    Routes::new(Server::new().handle())
        .live("/live")
        .around(service_fn(service))
}

/// A service whose caller has no time left.
fn timely() -> Timely<ServiceFn<Handler>> {
    let service: Handler = |_| ready(Ok(hyper::Response::default()));
    Deadlines::new().around(service_fn(service))
}

/// A server that ends at once.
async fn stopped_server() -> Report {
    let server = Server::new();
    server.handle().stop();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = service_fn(async |_| {
        Ok::<_, io::Error>(hyper::Response::new(http_body_util::Empty::new()))
    });
    server.serve(listener, service).await
}

async fn file(path: &str) -> File {
    let mut options = File::options();
    options.read(true).write(true).open(path).await.unwrap()
}

async fn entry() -> DirEntry {
    let mut entries = fs::read_dir("/proc/self").await.unwrap();
    entries.next().await.unwrap().unwrap()
}

/// No one listens there.
fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

/// A socket that is its own peer.
async fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(socket.local_addr().unwrap()).await.unwrap();
    socket
}

/// One to which a datagram has come.
async fn asked() -> UdpSocket {
    let socket = udp().await;
    socket.send(b"x").await.unwrap();
    socket
}

/// Clients in the queue of a listener, more than one poll may accept.
fn clients(listener: &TcpListener) -> Vec<std::net::TcpStream> {
    let address = listener.local_addr().unwrap();
    let clients = (0..200).map(|_| std::net::TcpStream::connect(address));
    clients.collect::<io::Result<_>>().unwrap()
}

/// Sends a signal to this program.
fn send(signal: Signal) {
    let signal = rustix::process::Signal::from_named_raw(signal.as_raw()).unwrap();
    kill_process(getpid(), signal).unwrap();
}

/// A listener that was made before its signal came.
async fn sent(signal: Signal, heard: impl Future<Output = io::Result<()>>) {
    send(signal);
    heard.await.unwrap();
}

pub(crate) fn leaves() -> Vec<Leaf> {
    let mut all = leaves! {
        "Sleep": () => |_| sleep(ZERO);
        "Sleep, in the past": Instant::now() => |at| sleep_until(*at);
        "Timeout, ready": () => |_| timeout(Duration::MAX, ready(1));
        "Timeout, late": () => |_| timeout(ZERO, pending::<()>());
        "record": () => |_| trace::record(ZERO);
        "Interval::tick": interval(Duration::from_nanos(1)) => |ticks| ticks.tick();
        "GroupFuture": () => |_| group(async |_| ());
        "TryGroupFuture": () => |_| try_group(async |_| Err::<(), _>(1));
        "GroupBuilder": () => |_| GroupBuilder::<()>::new().run(async |_| Ok(()));
        "group_with": () => |_| group_with(1, async |_, _| ());
        "try_group_with": () => |_| try_group_with(1, async |_: Group<'_, '_, ()>, _| Ok(()));
        "race": () => |_| race([ready(Ok::<_, ()>(1))]);
        "blocking": () => |_| blocking(|| ());
        "yield_now": () => |_| yield_now();
        "Shield": () => |_| shield(sleep(ZERO));
        // With the unit of a shield in a cut, as many operations as a poll has: they keep step.
        "Shield, in step": () => |_| shield(async {
            for _ in 1..127 {
                cooperative(ready(1)).await;
            }
        });
        "TaskLocalScope": () => |_| LOCAL.scope(1, sleep(ZERO));
        "Cooperative": () => |_| cooperative(ready(1));
        "Cooperative, a stream": cooperative(futures_lite::stream::repeat(1)) => |values|
            futures_lite::StreamExt::next(values);
        "TcpListener::bind": () => |_| TcpListener::bind("127.0.0.1:0");
        "Answering": routed() => |routed| routed.call(hyper::Request::get("/live").body(()).unwrap());
        "AnsweringInTime": timely() => |timely| timely.call(hyper::Request::get("/").header("grpc-timeout", "0n").body(()).unwrap());
        "ServerHandle::reached": Server::new().handle() => |handle| handle.reached(Phase::Starting);
        "Server::serve": () => |_| stopped_server();
        "TcpStream::connect": () => |_| TcpStream::connect("127.0.0.1:1");
        "TcpStream::connect_addr": () => |_| TcpStream::connect_addr(nowhere());
        "TcpSocket::connect": () => |_| TcpSocket::new_v4().unwrap().connect(nowhere());
        "lookup_host": nowhere() => |address| lookup_host(*address);
        "UdpSocket::bind": () => |_| UdpSocket::bind("127.0.0.1:0");
        "UdpSocket::connect": udp().await => |own| UdpSocket::connect(own, nowhere());
        "UdpSocket::send_to": udp().await => |own| own.send_to(b"x", nowhere());
        "UdpSocket::peek": asked().await => |own| own.peek(&mut [0]);
        "UdpSocket::peek_from": asked().await => |own| own.peek_from(&mut [0]);
        "send": udp().await => |own| own.send(b"x");
        "recv": udp().await => |own| async {
            own.try_send(b"x").unwrap();
            own.recv(&mut [0]).await
        };
        "recv_from": udp().await => |own| async {
            own.try_send(b"x").unwrap();
            own.recv_from(&mut [0]).await
        };
        "readable, datagrams": asked().await => |own| own.readable();
        "writable, datagrams": udp().await => |own| own.writable();
        "UnixDatagram::send_to": UnixDatagram::unbound().unwrap() => |own| own.send_to(b"x", "/nowhere/at all");
        "UnixDatagram::send_to_addr": std::os::unix::net::SocketAddr::from_pathname("/nowhere/at all").unwrap()
            => |nowhere| async { UnixDatagram::unbound().unwrap().send_to_addr(b"x", nowhere).await };
        "Async::readable": Async::new(asked().await).unwrap() => |own| own.readable();
        "Async::writable": Async::new(udp().await).unwrap() => |own| own.writable();
        "Async::read_with": Async::new(udp().await).unwrap() => |own| own.read_with(|_| Ok(()));
        "Async::write_with": Async::new(udp().await).unwrap() => |own| own.write_with(|_| Ok(()));
        "TcpStream::peek": connection().await => |near| near.peek(&mut [0]);
        "UnixStream::connect": () => |_| UnixStream::connect("/nowhere/at all");
        "UnixStream::connect_addr": std::os::unix::net::SocketAddr::from_pathname("/nowhere/at all").unwrap()
            => |nowhere| UnixStream::connect_addr(nowhere);
        "read": connection().await => |near| TcpStream::read(near, &mut [0]);
        "read, half": connection().await.into_split() => |(near, _)| near.read(&mut [0]);
        "read, Unix": UnixStream::pair().unwrap().0 => |near| UnixStream::read(near, &mut [0]);
        "read_exact": connection().await => |near| TcpStream::read_exact(near, &mut [0]);
        "read_exact, nothing": connection().await => |near| TcpStream::read_exact(near, &mut []);
        "readable": connection().await => |near| near.readable();
        "write": tcp_pair().await => |(near, _)| TcpStream::write(near, &[]);
        "write, half": tcp_pair().await.0.into_split() => |(_, near)| near.write(&[]);
        "write, Unix": UnixStream::pair().unwrap() => |(near, _)| UnixStream::write(near, &[]);
        "write_all": connection().await => |near| TcpStream::write_all(near, &[1]);
        "write_all, nothing": tcp_pair().await => |(near, _)| TcpStream::write_all(near, &[]);
        "writable": tcp_pair().await => |(near, _)| near.writable();
        "AsyncRead": connection().await => |near| async { AsyncReadExt::read(near, &mut [0]).await };
        "AsyncRead, half": connection().await.into_split() => |(near, _)| async {
            AsyncReadExt::read(near, &mut [0]).await
        };
        "AsyncWrite": tcp_pair().await => |(near, _)| AsyncWriteExt::write(near, &[]);
        "AsyncWrite, half": tcp_pair().await.0.into_split() => |(_, near)| {
            AsyncWriteExt::write(near, &[])
        };
        "AsyncWrite, flush": tcp_pair().await => |(near, _)| near.flush();
        "AsyncWrite, close": tcp_pair().await => |(near, _)| near.close();
        "copy": () => |_| copy(empty(), sink());
        "copy_bidirectional": (connection().await, connection().await) => |(a, b)|
            copy_bidirectional(&*a, &*b);
        "AsyncWrite, standard error": stderr() => |to| to.write(&[]);
        "AsyncWrite, standard error, flush": stderr() => |to| to.flush();
        "read, a whole file": () => |_| fs::read("/dev/null");
        "read_dir": () => |_| fs::read_dir("/proc/self/task");
        "DirEntry::file_type": entry().await => |entry| entry.file_type();
        "DirEntry::metadata": entry().await => |entry| entry.metadata();
        "AsyncRead, a file": file("/dev/zero").await => |file| async {
            file.read(&mut [0]).await
        };
        "AsyncWrite, a file": file("/dev/null").await => |file| file.write(&[1]);
        "AsyncWrite, a file, flush": file("/dev/null").await => |file| file.flush();
        "AsyncSeek": file("/dev/null").await => |file| file.seek(SeekFrom::Start(0));
        "hyper's Write, flush": tcp_pair().await => |(near, _)| poll_fn(|cx| {
            hyper::rt::Write::poll_flush(Pin::new(&mut *near), cx)
        });
        "hyper's Write, shutdown": tcp_pair().await => |(near, _)| poll_fn(|cx| {
            hyper::rt::Write::poll_shutdown(Pin::new(&mut *near), cx)
        });
        "hyper's Sleep": () => |_| Timer.sleep(ZERO);
        "Command::status": () => |_| Command::new("/no/program").status();
        "Command::output": () => |_| Command::new("/no/program").output();
        "ctrl_c": () => |_| sent(Signal::INT, ctrl_c());
        "terminate": () => |_| sent(Signal::TERM, terminate());
        "Signals": Signals::new([Signal::HUP]).unwrap() => |signals| {
            send(Signal::HUP);
            signals.next()
        };
    };
    all.extend(children! {
        "Group::group": |g| () => |_| g.group(async |_| ());
        "CancelTask": |g| g.spawn(async { Ok(()) }).cancel() => |cancel| &mut *cancel;
        "CancelSupervised": |g| g.supervise(async { Ok(()) }).cancel() => |cancel| &mut *cancel;
        "TaskSet": |g| g.set::<()>() => |set| set.next();
        "SpawnBounded": |g| g.bounded(usize::MAX) => |places| places.spawn(async {});
        "Bounded::compute": |g| g.bounded(usize::MAX) => |places| places.compute(|| ());
        "Bounded::blocking": |g| g.bounded(usize::MAX) => |places| places.blocking(|| ());
        "Start": |g| () => |_| g.start(|ready: Ready<u8>| {
            ready.set(1);
            async {}
        });
        "Generator": |g| g.stream(async |_: Yielder<u8>| {}) => |values| values.next();
        "Yielder::send": |g| g.stream(async |mut out: Yielder<u8>| loop {
            out.send(1).await
        }) => |values| values.next();
        "Group::stopping": |g| g.stop() => |_| g.stopping();
        "GroupHandle::stopping": |g| {
            g.stop();
            g.handle()
        } => |handle| handle.stopping();
        "stopping": |g| g.stop() => |_| current::stopping();
        "UnlessStopping": |g| () => |_| g.unless_stopping(ready(1));
        "UnlessStopping, over": |g| g.stop() => |_| g.unless_stopping(pending::<()>());
        "Joined": |g| () => |_| g.joined();
        "Child::wait": |g| Command::new("true").spawn(g).unwrap() => |child| child.wait();
        "Child::output": |g| Command::new("true").spawn(g).unwrap() => |child| child.output();
    });
    all.extend([
        Leaf {
            name: "Task",
            looped: |note| {
                Box::pin(group(async move |g| {
                    loop {
                        for child in ended(|| g.spawn(async { Ok(1) }), Task::is_finished).await {
                            child.await;
                            note.add();
                        }
                    }
                }))
            },
        },
        Leaf {
            name: "Supervised",
            looped: |note| {
                Box::pin(group(async move |g| {
                    let spawn = || g.supervise(async { Ok::<_, Never>(1) });
                    loop {
                        for child in ended(spawn, Supervised::is_finished).await {
                            drop(child.await);
                            note.add();
                        }
                    }
                }))
            },
        },
        Leaf {
            name: "TaskSet, items",
            looped: |note| {
                Box::pin(group(async move |g| {
                    let mut set = g.set();
                    loop {
                        let spawn = || g.spawn(async { Ok(()) });
                        for n in 0..300 {
                            set.spawn(async move { Ok(n) });
                        }
                        ended(spawn, Task::is_finished).await;
                        while set.next().await.is_some() {
                            note.add();
                        }
                    }
                }))
            },
        },
        Leaf {
            name: "ReadDir",
            looped: |note| {
                Box::pin(async move {
                    loop {
                        let mut entries = fs::read_dir("/proc/sys/kernel").await.unwrap();
                        while entries.next().await.is_some() {
                            note.add();
                        }
                    }
                })
            },
        },
        Leaf {
            name: "Restart::run",
            looped: |note| {
                Box::pin(async move {
                    let restarted = try_group(async move |g: Group<'_, '_, ()>| {
                        let attempt = move || {
                            note.add();
                            async { Err::<(), _>(()) }
                        };
                        Restart::at_most(usize::MAX).run(g, attempt).await
                    });
                    let _ = restarted.await;
                })
            },
        },
        Leaf {
            name: "Accept",
            looped: |note| {
                Box::pin(async move {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    loop {
                        for _client in clients(&listener) {
                            listener.accept().await.unwrap();
                            note.add();
                        }
                    }
                })
            },
        },
        Leaf {
            name: "UnixListener::accept",
            looped: |note| {
                Box::pin(async move {
                    let place = Place::new();
                    let path = place.at("listener");
                    let listener = UnixListener::bind(&path).unwrap();
                    loop {
                        let client = |_| std::os::unix::net::UnixStream::connect(&path);
                        for _client in (0..200).map(client).collect::<Vec<_>>() {
                            listener.accept().await.unwrap();
                            note.add();
                        }
                    }
                })
            },
        },
    ]);
    all
}
