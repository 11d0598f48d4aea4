#!/usr/bin/env bash
# `buffered_ordered(n)` goes on through its source while the first future is slow, and keeps all results.
#
# Package: futures-buffered 0.2.14 (next to futures 0.3.34)
# Guessed: like `buffered(n)` of futures: a future that has ended but waits for its turn keeps its place, so with a
#   limit of 3 and a first future that does not end, 3 futures are started; the documentation promises that no more
#   than `n` are buffered at any point in time.
# Behaviour: the limit is on futures that run. Results that wait for the first are kept beside it, uncounted: polled
#   as often as it asks to be, the stream starts all 1,000 futures of its source, and keeps 999 results.
# Seen:
#   futures, buffered(3): 3 started
#   futures-buffered, buffered_ordered(3): 1000 started
#   the first ends: [0, 1, 2, 3], 1000 in order
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "futures-buffered-ordered-limit-does-not-count-results-that-wait"
version = "0.0.0"
edition = "2024"

[dependencies]
futures = "=0.3.34"
futures-buffered = "=0.2.14"
TOML
cat > src/main.rs <<'RUST'
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::stream::{self, Stream, StreamExt};
use futures_buffered::BufferedStreamExt;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Pends once, and asks to be polled again.
async fn pend_once() {
    let mut first = true;
    poll_fn(|context| {
        if std::mem::take(&mut first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await
}

fn work<'a>(
    started: &'a Cell<usize>,
    first: oneshot::Receiver<()>,
) -> impl Stream<Item = impl Future<Output = usize> + 'a> + 'a {
    let mut first = Some(first);
    stream::iter(0..1000).map(move |index| {
        let wait = first.take();
        async move {
            started.set(started.get() + 1);
            match wait {
                Some(wait) => wait.await.unwrap(),
                None => pend_once().await,
            }
            index
        }
    })
}

/// Polls as often as the stream wakes its task; it gives nothing, as the first future does not end.
fn drive(results: &mut (impl Stream + Unpin)) {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(woken.clone());
    while woken.0.swap(false, SeqCst) {
        assert!(results.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
    }
}

fn main() {
    let (_hold, first) = oneshot::channel();
    let started = Cell::new(0);
    let mut results = Box::pin(work(&started, first).buffered(3));
    drive(&mut results);
    println!("futures, buffered(3): {} started", started.get());

    let (end, first) = oneshot::channel();
    let started = Cell::new(0);
    let mut results = Box::pin(work(&started, first).buffered_ordered(3));
    drive(&mut results);
    println!("futures-buffered, buffered_ordered(3): {} started", started.get());

    end.send(()).unwrap();
    let all: Vec<usize> = block_on(results.collect());
    assert!(all.is_sorted());
    println!("the first ends: {:?}, {} in order", &all[..4], all.len());
}
RUST
cat > expected <<'SEEN'
futures, buffered(3): 3 started
futures-buffered, buffered_ordered(3): 1000 started
the first ends: [0, 1, 2, 3], 1000 in order
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
