#!/usr/bin/env bash
# Lookups of one name at once are one query; but when the first of them is dropped, a later one asks again.
#
# Package: hickory-resolver 0.26.3
# Guessed: two lookups of a name that is not in the cache are two queries, as each `Resolver` method sends its own.
# Behaviour: the second finds the first under way and shares its answer. The entry by which it is found belongs to the
#   first: when that is dropped, as the loser of a race or by a timeout, the query goes on for those that share it
#   already, and whoever comes now sends another, although an answer is about to come.
# Seen:
#   queries of two at once: 1
#   queries of two, and a third after the first was dropped: 2
#   queries of two, and a third after the second was dropped: 1
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "hickory-lookups-of-one-name-share-a-query-until-the-first-is-dropped"
version = "0.0.0"
edition = "2024"

[dependencies]
hickory-resolver = { version = "=0.26.3", default-features = false, features = ["tokio"] }
tokio = { version = "=1.54.1", features = ["macros", "net", "rt", "sync", "time"] }
TOML
cat > src/main.rs <<'RUST'
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, MessageType};
use hickory_resolver::proto::rr::{RData, Record};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;

/// A server that counts what it is asked, and answers when it may.
struct Server {
    socket: UdpSocket,
    asked: Cell<usize>,
    may_answer: Semaphore,
}

impl Server {
    async fn serve(&self) {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer).await.unwrap();
            self.asked.set(self.asked.get() + 1);
            let _permit = self.may_answer.acquire().await.unwrap();
            let mut message = Message::from_vec(&buffer[..length]).unwrap();
            message.metadata.message_type = MessageType::Response;
            let name = message.queries[0].name().clone();
            let address = RData::A(Ipv4Addr::new(192, 0, 2, 7).into());
            message.answers.push(Record::from_rdata(name, 60, address));
            self.socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
        }
    }

    /// Polls a lookup until its query, or that which it shares, has come.
    async fn hears<F: Future>(&self, mut lookup: Pin<&mut F>) {
        poll_fn(|context| {
            assert!(lookup.as_mut().poll(context).is_pending());
            if self.asked.get() > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

async fn queries(server: &Server, resolver: &TokioResolver, name: &str, dropped: Option<usize>) -> usize {
    server.asked.set(0);
    let lookup = || Box::pin(resolver.ipv4_lookup(name));
    let mut lookups = vec![lookup(), lookup()];
    server.hears(lookups[0].as_mut()).await;
    server.hears(lookups[1].as_mut()).await;
    if let Some(index) = dropped {
        drop(lookups.remove(index));
        lookups.push(lookup());
    }
    let mut last = lookups.pop().unwrap();
    let mut first = lookups.pop().unwrap();
    // The last one finds what is under way, or asks, before there is an answer.
    poll_fn(|context| {
        assert!(last.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    server.may_answer.add_permits(1);
    first.as_mut().await.unwrap();
    last.as_mut().await.unwrap();
    server.may_answer.forget_permits(1);
    server.asked.get()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut udp = ConnectionConfig::udp();
    udp.port = socket.local_addr().unwrap().port();
    let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![udp]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    // None is sent again.
    builder.options_mut().timeout = Duration::from_secs(60);
    let resolver = builder.build().unwrap();
    let server = Server { socket, asked: Cell::new(0), may_answer: Semaphore::new(0) };
    let all = async {
        for (case, name, dropped) in [
            ("two at once", "oak.example.", None),
            ("two, and a third after the first was dropped", "elm.example.", Some(0)),
            ("two, and a third after the second was dropped", "ash.example.", Some(1)),
        ] {
            println!("queries of {case}: {}", queries(&server, &resolver, name, dropped).await);
        }
    };
    tokio::select! {
        () = server.serve() => {}
        () = all => {}
    }
}
RUST
cat > expected <<'SEEN'
queries of two at once: 1
queries of two, and a third after the first was dropped: 2
queries of two, and a third after the second was dropped: 1
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
