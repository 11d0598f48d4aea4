#!/usr/bin/env bash
# A task of forte that wakes itself and is pending is the next one that is polled: it gives way to no other.
#
# Package: forte 1.0.0-beta.2, which asks for Rust 1.96 and builds with 1.95 (next to tokio 1.54.1, futures-lite 2.6.1)
# Guessed: as in tokio, a task that gives way goes behind those that can run; its page says that it can be used
#   as an async executor, like tokio. So two tasks that give way alternate.
# Behaviour: woken tasks go on the worker's stack of jobs, on which the newest is run first. The task that was spawned
#   last is polled to its end, however often it gives way, and then the other. One that gives way until another has
#   done something waits for ever where no other worker takes that one.
# Seen:
#   tokio: a0 b0 a1 b1 a2 b2
#   forte: b0 b1 b2 a0 a1 a2
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "forte-task-that-gives-way-is-polled-again-before-any-other"
version = "0.0.0"
edition = "2024"

[dependencies]
forte = "=1.0.0-beta.2"
futures-lite = "=2.6.1"
tokio = { version = "=1.54.1", features = ["rt"] }
TOML
cat > src/main.rs <<'RUST'
use std::sync::{Arc, Mutex};

type Log = Arc<Mutex<Vec<String>>>;

/// Gives way by waking itself and being pending once, as every `yield_now` does.
async fn gives_way(name: &'static str, log: Log) {
    for turn in 0..3 {
        log.lock().unwrap().push(format!("{name}{turn}"));
        futures_lite::future::yield_now().await;
    }
}

fn by_tokio(log: &Log) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let tasks = ["a", "b"].map(|name| tokio::spawn(gives_way(name, log.clone())));
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn by_forte(log: &Log) {
    // Without threads of its own: the caller runs the tasks, so the order is the same every time.
    static POOL: forte::ThreadPool = forte::ThreadPool::new();
    POOL.with_worker(|worker| {
        let tasks = ["a", "b"].map(|name| worker.spawn(gives_way(name, log.clone())));
        for task in tasks {
            worker.block_on(task);
        }
    });
}

fn main() {
    for (name, run) in [("tokio", by_tokio as fn(&Log)), ("forte", by_forte)] {
        let log = Log::default();
        run(&log);
        println!("{name}: {}", log.lock().unwrap().join(" "));
    }
}
RUST
cat > expected <<'SEEN'
tokio: a0 b0 a1 b1 a2 b2
forte: b0 b1 b2 a0 a1 a2
SEEN
cargo run --quiet --ignore-rust-version > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
