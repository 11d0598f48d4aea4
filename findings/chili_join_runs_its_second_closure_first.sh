#!/usr/bin/env bash
# Where nothing is stolen, chili runs the second closure of a `join` before the first.
#
# Package: chili 0.2.1 (next to rayon 1.12.0)
# Guessed: as in rayon, to whose `join` it compares itself: the thread runs the first closure and offers the second to
#   the others, so without a thief a recursion over a split slice visits it from left to right.
# Behaviour: the first closure is offered, the second one run, and the first after it: a recursion that splits a slice
#   in two visits it from right to left. In a pool of one thread this is the order every time.
# Seen:
#   rayon: [0, 1, 2, 3, 4, 5, 6, 7]
#   chili: [7, 6, 5, 4, 3, 2, 1, 0]
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "chili-join-runs-its-second-closure-first"
version = "0.0.0"
edition = "2024"

[dependencies]
chili = "=0.2.1"
rayon = "=1.12.0"
TOML
cat > src/main.rs <<'RUST'
use std::num::NonZero;
use std::sync::Mutex;

type Log = Mutex<Vec<usize>>;

fn by_rayon(log: &Log, from: usize, to: usize) {
    if to - from == 1 {
        return log.lock().unwrap().push(from);
    }
    let middle = (from + to) / 2;
    rayon::join(|| by_rayon(log, from, middle), || by_rayon(log, middle, to));
}

fn by_chili(scope: &mut chili::Scope<'_>, log: &Log, from: usize, to: usize) {
    if to - from == 1 {
        return log.lock().unwrap().push(from);
    }
    let middle = (from + to) / 2;
    scope.join(
        |scope| by_chili(scope, log, from, middle),
        |scope| by_chili(scope, log, middle, to),
    );
}

fn main() {
    let log = Log::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| by_rayon(&log, 0, 8));
    println!("rayon: {:?}", log.into_inner().unwrap());

    let log = Log::default();
    let config = chili::Config { thread_count: NonZero::new(1), ..Default::default() };
    let pool = chili::ThreadPool::with_config(config);
    by_chili(&mut pool.scope(), &log, 0, 8);
    println!("chili: {:?}", log.into_inner().unwrap());
}
RUST
cat > expected <<'SEEN'
rayon: [0, 1, 2, 3, 4, 5, 6, 7]
chili: [7, 6, 5, 4, 3, 2, 1, 0]
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
