//! 64 connections that send the next request when the last one was answered, which is saturation: what does a request cost
//! the server, and how long does its client wait? hyper with connections that are kept and with one for each request, axum, and
//! an echo, also through a proxy, with 200 connections. The client is a process of its own, and `epoll` a floor written by hand.

use crate::measure::{Figures, Length};
use crate::process;
use crate::sides;
use crate::web::parties::Party;
use crate::web::{Kind, axum, epoll, load, on_both, on_serve, on_spinney, on_tokio, proxy};
use crate::workloads::{Workload, says};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

const WARM_UP: Duration = Duration::from_millis(300);
const TIME: Duration = Duration::from_millis(1_500);

pub(crate) const HYPER: Workload = Workload::new(
    "hyper_64",
    "a request to hyper over one of 64 connections that are kept",
    &[
        says("spinney", |length| spinney(Kind::Hyper, length)),
        says("tokio", |length| tokio(Kind::Hyper, length)),
        says("epoll", |length| epoll(Kind::Hyper, length)),
    ],
)
.quick();

pub(crate) const ECHO: Workload = Workload::new(
    "echo_64",
    "an echo of 64 bytes over one of 64 connections",
    &[
        says("spinney", |length| spinney(Kind::Echo, length)),
        says("tokio", |length| tokio(Kind::Echo, length)),
        says("epoll", |length| epoll(Kind::Echo, length)),
    ],
)
.quick();

pub(crate) const HYPER_CLOSE: Workload = Workload::new(
    "hyper_close_64",
    "a connection to hyper and a request over it, 64 at a time",
    &[
        says("spinney", |length| spinney(Kind::HyperClose, length)),
        says("tokio", |length| tokio(Kind::HyperClose, length)),
        says("epoll", |length| epoll(Kind::HyperClose, length)),
    ],
)
.quick();

pub(crate) const SERVE: Workload = Workload::new(
    "serve_64",
    "a request over one of 64 connections that are kept, to our server with all its limits, beside a bare hyper",
    &[
        says("spinney", |length| {
            measured(Kind::Hyper, length, |listener, _| on_serve::serve(listener))
        }),
        says("tokio", |length| tokio(Kind::Hyper, length)),
    ],
);

/// Enough that what is read once a second is read as often as it should be.
const WATCHED_TIME: Duration = Duration::from_secs(6);

pub(crate) const SERVE_WATCHED: Workload = Workload::new(
    "serve_64_watched",
    "a request over one of 64 connections to our server, whose tree and numbers are read once a second, or not",
    &[
        says("spinney", |length| watched(length, true)),
        says("spinney unwatched", |length| watched(length, false)),
    ],
);

/// Our server with its routes for operators, and an operator who reads them.
fn watched(length: Length, is_watched: bool) -> Figures {
    let (serve, time) = (on_serve::with_routes, length.of(WATCHED_TIME));
    let server = Measured::start(Kind::Hyper, move |listener, _| serve(listener));
    let operator = is_watched.then(|| Party::operator(server.address).expect("an operator"));
    let figures = server.load(time);
    drop(operator);
    figures
}

pub(crate) const HYPER_OF_TOKIO: Workload = Workload::new(
    "hyper_of_tokio_64",
    "a request to hyper over one of 64 sockets of tokio",
    &[
        says("spinney", |length| both(Kind::Hyper, length)),
        says("tokio", |length| tokio(Kind::Hyper, length)),
    ],
);

pub(crate) const ECHO_OF_TOKIO: Workload = Workload::new(
    "echo_of_tokio_64",
    "an echo of 64 bytes over one of 64 sockets of tokio",
    &[
        says("spinney", |length| both(Kind::Echo, length)),
        says("tokio", |length| tokio(Kind::Echo, length)),
    ],
);

pub(crate) const AXUM_OF_TOKIO: Workload = Workload::new(
    "axum_of_tokio_64",
    "a request to axum's own `serve` over one of 64 connections that are kept",
    &[
        says("spinney", |length| {
            measured(Kind::Hyper, length, |listener, _| {
                axum::on_spinney(sides::spinney_and_tokio(), listener);
            })
        }),
        says("spinney background", |length| {
            measured(Kind::Hyper, length, |listener, _| {
                axum::on_spinney(sides::spinney_beside_tokio(), listener);
            })
        }),
        says("tokio", |length| {
            measured(Kind::Hyper, length, |listener, _| axum::on_tokio(listener))
        }),
    ],
);

pub(crate) const PROXY: Workload = Workload::new(
    "proxy_200",
    "64 bytes to an echo and back through a proxy, over one of 200 connections",
    &[
        says("spinney", |length| proxied(length, proxy::on_spinney)),
        says("tokio", |length| proxied(length, proxy::on_tokio)),
    ],
);

/// A proxy in front of an echo that is a process of its own.
fn proxied(length: Length, serve: fn(TcpListener, SocketAddr)) -> Figures {
    let (_backend, to) = proxy::Backend::start().expect("an echo");
    measured(Kind::Proxy, length, move |listener, _| serve(listener, to))
}

/// Children of spinney over tokio's sockets, by `RuntimeBuilder::tokio`.
fn both(kind: Kind, length: Length) -> Figures {
    measured(kind, length, on_both::serve)
}

fn spinney(kind: Kind, length: Length) -> Figures {
    measured(kind, length, on_spinney::serve)
}

fn tokio(kind: Kind, length: Length) -> Figures {
    measured(kind, length, on_tokio::serve)
}

fn epoll(kind: Kind, length: Length) -> Figures {
    measured(kind, length, |listener, kind| epoll::serve(&listener, kind))
}

fn measured(
    kind: Kind,
    length: Length,
    serve: impl FnOnce(TcpListener, Kind) + Send + 'static,
) -> Figures {
    Measured::start(kind, serve).load(length.of(TIME))
}

/// A server on a thread of this process, which ends with it.
struct Measured {
    kind: Kind,
    address: SocketAddr,
}

impl Measured {
    /// Starts it, and warms it up.
    fn start(kind: Kind, serve: impl FnOnce(TcpListener, Kind) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || serve(listener, kind));
        load::run(address, kind, WARM_UP).expect("a load");
        Self { kind, address }
    }

    fn load(&self, time: Duration) -> Figures {
        let before = process::cpu();
        let mut figures = load::run(self.address, self.kind, time).expect("a load");
        let used = process::cpu() - before;
        let requests = figures.remove("requests").expect("counted");
        let seconds = figures.remove("seconds").expect("measured");
        figures.insert("cpu_ns".to_owned(), used / requests);
        figures.insert("wall_ns".to_owned(), seconds * 1e9 / requests);
        figures
    }
}
