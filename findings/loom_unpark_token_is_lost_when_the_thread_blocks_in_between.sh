#!/usr/bin/env bash
# A thread that was unparked loses the token if it blocks on something else before it parks.
#
# Package: loom 0.7.3
# Guessed: `unpark` stores a token that the next `park` takes, whatever the thread does in between, as with
#   `std::thread`; so unpark, join another thread, park ends in the model too.
# Behaviour: the token lives in the mark that the thread can run. Blocking in `join` overwrites it, and the later `park`
#   is reported as a deadlock. Without the join in between, the token is kept.
# Seen:
#   std: unpark, join, park: ends
#   loom: unpark, park: ends
#   loom: unpark, join, park: deadlock
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "loom-unpark-token-is-lost-when-the-thread-blocks-in-between"
version = "0.0.0"
edition = "2024"

[dependencies]
loom = "=0.7.3"
TOML
cat > src/main.rs <<'RUST'
use std::panic::{catch_unwind, set_hook};

fn model(program: fn()) -> &'static str {
    match catch_unwind(|| loom::model(program)) {
        Ok(()) => "ends",
        Err(payload) => match payload.downcast_ref::<String>() {
            Some(text) if text.starts_with("deadlock") => "deadlock",
            _ => "another panic",
        },
    }
}

fn main() {
    set_hook(Box::new(|_| {}));

    std::thread::current().unpark();
    std::thread::spawn(|| {}).join().unwrap();
    std::thread::park();
    println!("std: unpark, join, park: ends");

    println!(
        "loom: unpark, park: {}",
        model(|| {
            loom::thread::current().unpark();
            loom::thread::park();
        })
    );
    println!(
        "loom: unpark, join, park: {}",
        model(|| {
            loom::thread::current().unpark();
            loom::thread::spawn(|| {}).join().unwrap();
            loom::thread::park();
        })
    );
}
RUST
cat > expected <<'SEEN'
std: unpark, join, park: ends
loom: unpark, park: ends
loom: unpark, join, park: deadlock
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
