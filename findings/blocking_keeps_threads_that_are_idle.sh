#!/usr/bin/env bash
# The threads that a burst of blocking closures has started stay for the life of the process.
#
# Package: blocking 1.7.0, whose threads serve smol, async-fs and async-net
# Guessed: a thread without work ends after half a second, as the documentation says ("waits for the next job or shuts
#   down after a certain timeout"); so three seconds after a burst there is none, or one.
# Behaviour: the timeout ends a thread only while there are more threads than the limit, which is 500 and which new
#   threads do not exceed. So none ends, as long as nobody lowers the limit.
# Seen:
#   a burst has started several threads: true
#   all of them are there three seconds later: true
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat > Cargo.toml <<'TOML'
[package]
name = "blocking-keeps-threads-that-are-idle"
version = "0.0.0"
edition = "2024"

[dependencies]
blocking = "=1.7.0"
futures-lite = "=2.6.1"
TOML
mkdir src
cat > src/main.rs <<'RUST'
use std::sync::{Arc, Barrier};
use std::{fs, thread, time::Duration};

fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("blocking-")).count()
}

fn main() {
    // Closures that meet in pairs: no single thread can run them one by one.
    let pair = Arc::new(Barrier::new(2));
    let closures: Vec<_> = (0..20)
        .map(|_| {
            let pair = Arc::clone(&pair);
            blocking::unblock(move || _ = pair.wait())
        })
        .collect();
    for closure in closures {
        futures_lite::future::block_on(closure);
    }
    let after_the_burst = threads();
    thread::sleep(Duration::from_secs(3));
    let later = threads();
    println!("a burst has started several threads: {}", after_the_burst > 1);
    println!("all of them are there three seconds later: {}", later == after_the_burst);
}
RUST
cat > expected <<'SEEN'
a burst has started several threads: true
all of them are there three seconds later: true
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
