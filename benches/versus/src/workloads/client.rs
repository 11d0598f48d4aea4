//! A client that is a plain thread: it sends a request, waits for the answer, and pauses.

use crate::measure::Delays;
use crate::workloads::sockets::LENGTH;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// Until it is over; the delays are those of round trips.
pub(super) fn run(mut stream: TcpStream, pause: Duration, over: impl Fn() -> bool) -> Delays {
    let mut delays = Delays::new();
    while !over() {
        let sent = Instant::now();
        round_trip(&mut stream);
        delays.add(sent.elapsed());
        thread::sleep(pause);
    }
    delays
}

/// One request and its answer.
pub(super) fn round_trip(stream: &mut TcpStream) {
    let mut buffer = [0; LENGTH];
    stream.write_all(&[7; LENGTH]).expect("a server");
    stream.read_exact(&mut buffer).expect("a server");
    assert_eq!(buffer, [7; LENGTH]);
}
