#!/usr/bin/env bash
# A `send_to` that a full Unix queue refuses makes a writable event of the sender's own socket: who waits for it spins.
#
# Package: mio 1.2.5, tokio 1.54.1, async-io 2.6.0, on Linux
# Guessed: a sender that meets `WouldBlock` hears nothing until the receiver has taken a datagram; so a `send_to` of tokio's to
#   a full queue is polled twice: at first, and when there is room.
# Behaviour: true of a socket that is connected to the full one. One that is not has its own room alone to report, and the
#   datagram that is refused takes and gives back some of it: an edge. An edge-triggered loop of wait and try never sleeps,
#   and neither does tokio's `send_to`, nor async-io's, whose oneshot events find the socket writable. On one thread the
#   others still have their turn; the processor has no rest until the receiver reads.
# Seen:
#   events of mio, connected: 0
#   events of mio, not connected: 1000 or more
#   polls of tokio, not connected: 1000 or more
#   polls of async-io, not connected: 1000 or more
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "a-refused-datagram-makes-its-unix-socket-writable-again"
version = "0.0.0"
edition = "2024"

[dependencies]
async-io = "=2.6.0"
mio = { version = "=1.2.5", features = ["net", "os-poll"] }
tokio = { version = "=1.54.1", features = ["net", "rt", "time"] }
TOML
cat > src/main.rs <<'RUST'
use mio::{Events, Interest, Poll, Token};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::pin::pin;
use std::task::Poll::Ready;
use std::time::Duration;

const MANY: usize = 1000;

/// A sender in non-blocking mode, which has filled the queue at `full`.
fn sender(full: &Path) -> UnixDatagram {
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(b"x", full).is_ok() {}
    sender
}

fn with_mio(sender: UnixDatagram, send: impl Fn(&mio::net::UnixDatagram) -> io::Result<usize>) -> usize {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(8);
    let mut sender = mio::net::UnixDatagram::from_std(sender);
    poll.registry().register(&mut sender, Token(0), Interest::WRITABLE).unwrap();
    let mut seen = 0;
    while seen < MANY {
        assert_eq!(send(&sender).unwrap_err().kind(), ErrorKind::WouldBlock);
        poll.poll(&mut events, Some(Duration::from_millis(500))).unwrap();
        if events.is_empty() {
            break;
        }
        assert!(events.iter().all(|event| event.is_writable()));
        seen += 1;
    }
    seen
}

/// How often a send that cannot succeed is polled, until that is often enough, or late.
async fn polls(send: impl Future<Output = io::Result<usize>>, late: impl Future<Output = ()>) -> usize {
    let (mut send, mut late) = (pin!(send), pin!(late));
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        assert!(send.as_mut().poll(context).is_pending());
        if polls == MANY { Ready(()) } else { late.as_mut().poll(context) }
    })
    .await;
    polls
}

fn say(name: &str, count: usize) {
    let more = if count == MANY { " or more" } else { "" };
    println!("{name}: {count}{more}");
}

fn main() {
    let full = Path::new("full.socket");
    let _receiver = UnixDatagram::bind(full).unwrap();
    let connected = sender(full);
    connected.connect(full).unwrap();
    let events = with_mio(connected, |sender| sender.send(b"x"));
    say("events of mio, connected", events);
    let events = with_mio(sender(full), |sender| sender.send_to(b"x", full));
    say("events of mio, not connected", events);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen = runtime.block_on(async {
        let sender = tokio::net::UnixDatagram::from_std(sender(full)).unwrap();
        polls(sender.send_to(b"x", full), tokio::time::sleep(Duration::from_secs(10))).await
    });
    say("polls of tokio, not connected", seen);
    let seen = async_io::block_on(async {
        let sender = async_io::Async::new(sender(full)).unwrap();
        let late = async { drop(async_io::Timer::after(Duration::from_secs(10)).await) };
        polls(sender.send_to(b"x", full), late).await
    });
    say("polls of async-io, not connected", seen);
}
RUST
cat > expected <<'SEEN'
events of mio, connected: 0
events of mio, not connected: 1000 or more
polls of tokio, not connected: 1000 or more
polls of async-io, not connected: 1000 or more
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
