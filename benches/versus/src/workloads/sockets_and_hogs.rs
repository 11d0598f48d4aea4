//! 64 connections that send the next request when the last one was answered, which takes 5 us of computing, beside four
//! tasks that compute for 100 us between two `yield_now`, all in one runtime: what does a request cost, how long does its
//! client wait, and what is left for the others?

use crate::measure::{Delays, Figures, Length, Sample, Watch};
use crate::sides;
use crate::workloads::sockets::{self, compute, futures, tokios};
use crate::workloads::{Workload, says};
use futures_lite::future;
use spinney::{Group, group};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 64;
const HOGS: usize = 4;
const ANSWER: Duration = Duration::from_micros(5);
const UNIT: Duration = Duration::from_micros(100);
const TIME: Duration = Duration::from_millis(1_500);

pub(crate) const WORKLOAD: Workload = Workload::new(
    "sockets_and_hogs",
    "a request of one of 64 connections beside four tasks that compute",
    &[
        says("spinney", spinney),
        says("tokio", tokio),
        says("smol", smol),
    ],
)
.quick();

fn pairs() -> Vec<(TcpStream, TcpStream)> {
    (0..CONNECTIONS).map(|_| sockets::pair()).collect()
}

/// Computes and gives way, and says how many units that were.
async fn hog<F: Future>(end: Instant, yield_now: fn() -> F) -> u64 {
    let mut units = 0;
    while Instant::now() < end {
        compute(UNIT);
        units += 1;
        yield_now().await;
    }
    units
}

fn figures(sample: Sample, delays: &Delays, units: u64) -> Figures {
    let requests = delays.count() as f64;
    assert!(requests > 0.0, "no request was answered");
    let mut figures = delays.figures();
    figures.insert("wall_ns".to_owned(), sample.wall / requests);
    figures.insert("cpu_ns".to_owned(), sample.cpu / requests);
    let seconds = sample.wall / 1e9;
    figures.insert("hog_per_s".to_owned(), units as f64 / seconds);
    figures
}

/// The delays of all clients, and the units of all hogs.
async fn results_of(
    clients: impl IntoIterator<Item = impl Future<Output = Delays>>,
    hogs: impl IntoIterator<Item = impl Future<Output = u64>>,
) -> (Delays, u64) {
    let mut delays = Delays::new();
    for client in clients {
        delays.add_all(&client.await);
    }
    let mut units = 0;
    for hog in hogs {
        units += hog.await;
    }
    (delays, units)
}

fn spinney(length: Length) -> Figures {
    let pairs = pairs();
    let watch = Watch::start();
    let end = Instant::now() + length.of(TIME);
    let (delays, units) = sides::in_spinney(group(async move |g: Group<'_, 'static>| {
        let hogs: Vec<_> = (0..HOGS)
            .map(|_| g.spawn(async move { Ok(hog(end, spinney::yield_now).await) }))
            .collect();
        let mut clients = Vec::new();
        for (client, server) in pairs {
            g.spawn(futures::answer(sockets::in_spinney(server), ANSWER));
            let client = futures::ask(sockets::in_spinney(client), end);
            clients.push(g.spawn(async move { Ok(client.await) }));
        }
        results_of(clients, hogs).await
    }));
    figures(watch.stop(), &delays, units)
}

fn tokio(length: Length) -> Figures {
    let pairs = pairs();
    let watch = Watch::start();
    let end = Instant::now() + length.of(TIME);
    let (delays, units) = sides::in_tokio(async move {
        let hogs: Vec<_> = (0..HOGS)
            .map(|_| tokio::spawn(hog(end, tokio::task::yield_now)))
            .collect();
        let mut clients = Vec::new();
        for (client, server) in pairs {
            tokio::spawn(tokios::answer(sockets::in_tokio(server), ANSWER));
            clients.push(tokio::spawn(tokios::ask(sockets::in_tokio(client), end)));
        }
        let clients = clients
            .into_iter()
            .map(async |task| task.await.expect("no panic"));
        let hogs = hogs
            .into_iter()
            .map(async |task| task.await.expect("no panic"));
        results_of(clients, hogs).await
    });
    figures(watch.stop(), &delays, units)
}

fn smol(length: Length) -> Figures {
    let executor = sides::smol();
    let pairs = pairs();
    let watch = Watch::start();
    let end = Instant::now() + length.of(TIME);
    let (delays, units) = sides::in_smol(async move {
        let hogs: Vec<_> = (0..HOGS)
            .map(|_| executor.spawn(hog(end, future::yield_now)))
            .collect();
        let mut clients = Vec::new();
        for (client, server) in pairs {
            let server = futures::answer(sockets::in_smol(server), ANSWER);
            executor.spawn(server).detach();
            clients.push(executor.spawn(futures::ask(sockets::in_smol(client), end)));
        }
        results_of(clients, hogs).await
    });
    figures(watch.stop(), &delays, units)
}
