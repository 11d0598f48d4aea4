#!/usr/bin/env bash
# A stream with a stop token does not end when it is stopped.
#
# Package: stop-token 0.7.0, futures 0.3.34
# Guessed: `timeout_at` of a stream gives one `Err` when the token stops it, and then ends: the documentation says that
#   it produces no more items once the token is cancelled.
# Behaviour: every later poll gives another `Err`, at once; the stream never ends, also when its source has ended. A
#   loop over it must break at the first `Err` itself. A future has the same adapter, and ends with its `Err`.
# Seen:
#   future: Err
#   stream, up to 5 items: ["Err", "Err", "Err", "Err", "Err"]
#   stream of no items, up to 5: ["Err", "Err", "Err", "Err", "Err"]
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "stop-token-stream-yields-errors-for-ever-after-the-stop"
version = "0.0.0"
edition = "2024"

[dependencies]
futures = "=0.3.34"
stop-token = "=0.7.0"
TOML
cat > src/main.rs <<'RUST'
use futures::executor::block_on;
use futures::stream::{self, StreamExt};
use std::future::ready;
use stop_token::StopSource;
use stop_token::future::FutureExt as StopFuture;
use stop_token::stream::StreamExt as StopStream;

fn name<T, E>(result: Result<T, E>) -> &'static str {
    if result.is_ok() { "Ok" } else { "Err" }
}

fn main() {
    let source = StopSource::new();
    let token = source.token();
    drop(source);

    println!("future: {}", name(block_on(StopFuture::timeout_at(ready(()), token.clone()))));
    for (case, items) in [("stream, up to 5 items", 3), ("stream of no items, up to 5", 0)] {
        let stopped = StopStream::timeout_at(stream::iter(0..items), token.clone());
        let seen: Vec<_> = block_on(stopped.take(5).map(name).collect());
        println!("{case}: {seen:?}");
    }
}
RUST
cat > expected <<'SEEN'
future: Err
stream, up to 5 items: ["Err", "Err", "Err", "Err", "Err"]
stream of no items, up to 5: ["Err", "Err", "Err", "Err", "Err"]
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
