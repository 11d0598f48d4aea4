//! A server with one worker, near its limit: requests come at a fixed rate over 64 connections, and each is computed for
//! 200 us by a child of its own: how long does the longest wait from when it was due to its answer?
//!
//! The load is open. A closed one, which sends the next request when the last was answered, would ask a slow server for
//! less, and would not count how long its requests had waited.

use crate::measure::{Delays, Figures, Length};
use crate::sides;
use crate::workloads::sockets::{self, LENGTH, compute};
use crate::workloads::{Workload, client, says};
use crossbeam_channel::{Receiver, unbounded};
use spinney::{Group, group};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 64;
const REQUEST: Duration = Duration::from_micros(200);
/// Nine tenths of what one worker can do, which has to read and write as well.
const PERIOD: Duration = Duration::from_micros(235);
const REQUESTS: usize = 12_000;

pub(crate) const WORKLOAD: Workload = Workload::new(
    "near_limit",
    "the longest answer of a server with one worker near its limit",
    &[
        says("spinney", spinney),
        says("tokio", tokio),
        says("smol", smol),
    ],
)
.quick();

/// One connection of the load: any that is free takes the next request.
fn ask(mut stream: TcpStream, requests: &Receiver<Instant>) -> Delays {
    let mut delays = Delays::new();
    for due in requests {
        client::round_trip(&mut stream);
        delays.add(due.elapsed());
    }
    delays
}

/// Serves on this thread, and has the load on others.
fn measured(length: Length, serve: impl FnOnce(Vec<TcpStream>)) -> Figures {
    sides::one_worker();
    let (clients, servers): (Vec<_>, Vec<_>) = (0..CONNECTIONS).map(|_| sockets::pair()).unzip();
    let (due, requests) = unbounded();
    thread::scope(|s| {
        let clients: Vec<_> = clients
            .into_iter()
            .map(|stream| {
                let requests = requests.clone();
                s.spawn(move || ask(stream, &requests))
            })
            .collect();
        let load = s.spawn(move || {
            let begin = Instant::now();
            for request in 0..u32::try_from(length.times(REQUESTS)).expect("a small number") {
                let at = begin + PERIOD * request;
                thread::sleep(at.saturating_duration_since(Instant::now()));
                due.send(at).expect("the clients receive");
            }
        });
        serve(servers);
        load.join().expect("no panic");
        let mut delays = Delays::new();
        for client in clients {
            delays.add_all(&client.join().expect("no panic"));
        }
        assert_eq!(delays.count(), length.times(REQUESTS) as u64);
        delays.figures()
    })
}

/// What a connection does; how to run a child is its runtime's matter.
macro_rules! connection {
    ($stream:expr, $($traits:ident)::+, |$work:ident| $child:expr) => {{
        use $($traits)::+::{AsyncReadExt, AsyncWriteExt};
        // By reference, so that the traits are used where there are methods, too.
        let stream = &mut { $stream };
        let mut buffer = [0; LENGTH];
        while stream.read_exact(&mut buffer).await.is_ok() {
            let $work = async { compute(REQUEST) };
            $child;
            if stream.write_all(&buffer).await.is_err() {
                break;
            }
        }
    }};
}

fn spinney(length: Length) -> Figures {
    measured(length, |servers| {
        sides::in_spinney(group(async move |g: Group<'_, 'static>| {
            for server in servers {
                g.spawn(async move {
                    connection!(sockets::in_spinney(server), futures_lite, |work| g
                        .spawn(work)
                        .await);
                });
            }
        }));
    })
}

fn tokio(length: Length) -> Figures {
    measured(length, |servers| {
        sides::in_tokio(async move {
            let mut connections = Vec::new();
            for server in servers {
                connections.push(tokio::spawn(async move {
                    connection!(sockets::in_tokio(server), tokio::io, |work| tokio::spawn(
                        work
                    )
                    .await
                    .expect("no panic"));
                }));
            }
            for connection in connections {
                connection.await.expect("no panic");
            }
        });
    })
}

fn smol(length: Length) -> Figures {
    measured(length, |servers| {
        // Only here, after it was said that there is one worker.
        let executor = sides::smol();
        sides::in_smol(async move {
            let mut connections = Vec::new();
            for server in servers {
                connections.push(executor.spawn(async move {
                    connection!(sockets::in_smol(server), futures_lite, |work| executor
                        .spawn(work)
                        .await);
                }));
            }
            for connection in connections {
                connection.await;
            }
        });
    })
}
