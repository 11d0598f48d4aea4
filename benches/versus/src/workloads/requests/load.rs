//! An open load: requests fall due at their times, and any connection that is free takes the next
//! one.
//!
//! A closed load, which sends the next request when the last was answered, would ask a slow server
//! for less, and would not count how long its requests had waited.

use super::servers::{CONNECTIONS, LENGTH};
use crossbeam_channel::{Receiver, bounded};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const REQUESTS: u32 = 800;
const PERIOD: Duration = Duration::from_micros(500);

/// Connections that are open.
pub(super) struct Load(Vec<TcpStream>);

impl Load {
    pub(super) fn connect(address: SocketAddr) -> Self {
        let connect = |_| {
            let stream = TcpStream::connect(address).expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            stream
        };
        Self((0..CONNECTIONS).map(connect).collect())
    }

    /// Sends all requests, and says how long each took from the time when it was due.
    pub(super) fn run(self) -> Vec<Duration> {
        // There is room for all: the times do not depend on the answers.
        let (due, requests) = bounded(REQUESTS as usize);
        thread::scope(|s| {
            let clients: Vec<_> = self
                .0
                .into_iter()
                .map(|stream| {
                    let requests = requests.clone();
                    s.spawn(move || ask(stream, &requests))
                })
                .collect();
            let begin = Instant::now();
            for request in 1..=REQUESTS {
                let at = begin + PERIOD * request;
                thread::sleep(at.saturating_duration_since(Instant::now()));
                due.send(at).expect("the clients receive");
            }
            drop(due);
            let delays = clients.into_iter();
            delays
                .flat_map(|client| client.join().expect("no panic"))
                .collect()
        })
    }
}

/// One connection, until no request is left.
fn ask(mut stream: TcpStream, requests: &Receiver<Instant>) -> Vec<Duration> {
    let mut buffer = [0; LENGTH];
    let mut delays = Vec::new();
    for at in requests {
        stream.write_all(&buffer).expect("the server reads");
        stream.read_exact(&mut buffer).expect("the server answers");
        delays.push(at.elapsed());
    }
    delays
}
