#!/usr/bin/env bash
# A loop that awaits ready `Notify`, `Barrier` or `CancellationToken` futures is never made to yield.
#
# Package: tokio 1.54.1, tokio-util 0.7.20
# Guessed: every await of tokio's synchronisation takes one of the 128 units of a task's budget, and pends when they are
#   spent; so 10,000 ready awaits of any kind in one task are at least 79 polls of it.
# Behaviour: true of `Semaphore`, `Mutex` and `watch`. `notified()` with a permit at hand, `wait()` of a barrier of one,
#   and `cancelled()` of a cancelled token ask no budget, and are ready with a spent one: one poll runs the whole
#   loop, and its neighbours on the worker wait.
# Seen:
#   Semaphore::acquire: 79 polls
#   Mutex::lock: 79 polls
#   watch::Receiver::changed: 79 polls
#   Notify::notified: 1 polls
#   Barrier::wait: 1 polls
#   CancellationToken::cancelled: 1 polls
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "tokio-notify-barrier-and-cancelled-spend-no-budget"
version = "0.0.0"
edition = "2024"

[dependencies]
tokio = { version = "=1.54.1", features = ["rt", "sync"] }
tokio-util = "=0.7.20"
TOML
cat > src/main.rs <<'RUST'
use std::future::{Future, poll_fn};
use std::pin::pin;
use tokio::sync::{Barrier, Mutex, Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

const AWAITS: usize = 10_000;

fn polls(name: &str, work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut polls = 0;
    let mut work = pin!(work);
    runtime.block_on(poll_fn(|context| {
        polls += 1;
        work.as_mut().poll(context)
    }));
    println!("{name}: {polls} polls");
}

fn main() {
    polls("Semaphore::acquire", async {
        let semaphore = Semaphore::new(1);
        for _ in 0..AWAITS {
            drop(semaphore.acquire().await.unwrap());
        }
    });
    polls("Mutex::lock", async {
        let mutex = Mutex::new(());
        for _ in 0..AWAITS {
            drop(mutex.lock().await);
        }
    });
    polls("watch::Receiver::changed", async {
        let (sender, mut receiver) = watch::channel(0);
        for value in 0..AWAITS {
            sender.send(value).unwrap();
            receiver.changed().await.unwrap();
        }
    });
    polls("Notify::notified", async {
        let notify = Notify::new();
        for _ in 0..AWAITS {
            notify.notify_one();
            notify.notified().await;
        }
    });
    polls("Barrier::wait", async {
        let barrier = Barrier::new(1);
        for _ in 0..AWAITS {
            barrier.wait().await;
        }
    });
    polls("CancellationToken::cancelled", async {
        let token = CancellationToken::new();
        token.cancel();
        for _ in 0..AWAITS {
            token.cancelled().await;
        }
    });
}
RUST
cat > expected <<'SEEN'
Semaphore::acquire: 79 polls
Mutex::lock: 79 polls
watch::Receiver::changed: 79 polls
Notify::notified: 1 polls
Barrier::wait: 1 polls
CancellationToken::cancelled: 1 polls
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
