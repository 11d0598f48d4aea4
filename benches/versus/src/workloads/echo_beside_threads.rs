//! One connection of a server, whose client pauses for 0.3 ms between its requests, beside two busy threads of another
//! program: how many round trips come about in a second, and how long do they take?

use crate::busy::Busy;
use crate::measure::{Figures, Length};
use crate::sides;
use crate::workloads::sockets::{self, futures, tokios};
use crate::workloads::{Workload, client, says};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_micros(300);

pub(crate) const WORKLOAD: Workload = Workload::new(
    "echo_beside_threads",
    "round trips over one connection beside two busy threads of another program",
    &[
        says("spinney", spinney),
        says("tokio", tokio),
        says("smol", smol),
    ],
)
.quick();

/// Serves on this thread, and has the client on another.
fn measured(length: Length, serve: impl FnOnce(TcpStream)) -> Figures {
    let (client, server) = sockets::pair();
    let _busy = Busy::start();
    let time = length.of(TIME);
    thread::scope(|s| {
        let trips = s.spawn(move || {
            let end = Instant::now() + time;
            client::run(client, PAUSE, || Instant::now() >= end)
        });
        serve(server);
        let trips = trips.join().expect("no panic");
        let mut figures = trips.figures();
        let rate = trips.count() as f64 / time.as_secs_f64();
        figures.insert("trips_per_s".to_owned(), rate);
        figures
    })
}

fn spinney(length: Length) -> Figures {
    measured(length, |server| {
        sides::in_spinney(async move { futures::echo(sockets::in_spinney(server)).await });
    })
}

fn tokio(length: Length) -> Figures {
    measured(length, |server| {
        sides::in_tokio(async move { tokios::echo(sockets::in_tokio(server)).await });
    })
}

fn smol(length: Length) -> Figures {
    measured(length, |server| {
        sides::in_smol(async move { futures::echo(sockets::in_smol(server)).await });
    })
}
