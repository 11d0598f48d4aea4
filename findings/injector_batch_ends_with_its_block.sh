#!/usr/bin/env bash
# How many tasks `Injector::steal_batch` takes depends on how many were stolen before.
#
# Package: crossbeam-deque 0.8.8
# Guessed: half of what is queued, at most 32, as its documentation says (around half, not more than a constant): 32 of
#   100, 32 of 140, 10 of 20.
# Behaviour: a batch does not reach past the block of 63 slots in which the queue begins, and where the queue goes on in
#   another block, all that is left of the first is taken, not half of it: 3 of 140 after 60 steals, 13 of 20 after 50.
# Seen:
#   100 queued, 0 stolen before: 32 taken
#   140 queued, 60 stolen before: 3 taken
#   20 queued, 50 stolen before: 13 taken
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "injector-batch-ends-with-its-block"
version = "0.0.0"
edition = "2024"

[dependencies]
crossbeam-deque = "=0.8.8"
TOML
cat > src/main.rs <<'RUST'
use crossbeam_deque::{Injector, Worker};

fn main() {
    for (queued, before) in [(100, 0), (140, 60), (20, 50)] {
        let injector = Injector::new();
        for task in 0..before + queued {
            injector.push(task);
        }
        for task in 0..before {
            assert_eq!(injector.steal().success(), Some(task));
        }
        assert_eq!(injector.len(), queued);
        let worker = Worker::new_fifo();
        assert!(injector.steal_batch(&worker).is_success());
        println!("{queued} queued, {before} stolen before: {} taken", worker.len());
    }
}
RUST
cat > expected <<'SEEN'
100 queued, 0 stolen before: 32 taken
140 queued, 60 stolen before: 3 taken
20 queued, 50 stolen before: 13 taken
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
