#!/usr/bin/env bash
# `try_join_all` of more than 30 futures keeps an error back until every future before it has ended.
#
# Package: futures 0.3.34
# Guessed: an error ends `try_join_all` in the poll that meets it, whatever the number of futures; its documentation
#   says that the others are cancelled and the error is returned immediately. Later futures are not polled any more.
# Behaviour: so it is up to 30 futures. From 31 on they are collected in order: the error of the second waits for the
#   first, which here only ends when told to. Meanwhile all later ones are polled, and none is cancelled.
# Seen:
#   30 futures, the second fails: Ready(Err("second")), polled 2
#   31 futures, the second fails: Pending, polled 31
#   31 futures, then the first ends: Ready(Err("second"))
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "try-join-all-of-31-does-not-fail-fast"
version = "0.0.0"
edition = "2024"

[dependencies]
futures = "=0.3.34"
TOML
cat > src/main.rs <<'RUST'
use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt, try_join_all};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Waker};

type Child = BoxFuture<'static, Result<(), &'static str>>;

fn main() {
    for count in [30, 31] {
        let polled = Arc::new(AtomicUsize::new(0));
        let (end_first, first_ends) = oneshot::channel::<()>();
        let mut first_ends = Some(first_ends);
        let children: Vec<Child> = (0..count)
            .map(|index| {
                let polled = polled.clone();
                let first_ends = first_ends.take();
                async move {
                    polled.fetch_add(1, SeqCst);
                    match (index, first_ends) {
                        (0, Some(ends)) => ends.await.map_err(|_| "first"),
                        (1, _) => Err("second"),
                        _ => futures::future::pending().await,
                    }
                }
                .boxed()
            })
            .collect();

        let mut all = try_join_all(children);
        let mut context = Context::from_waker(Waker::noop());
        let result = all.poll_unpin(&mut context);
        let count_polled = polled.load(SeqCst);
        println!("{count} futures, the second fails: {result:?}, polled {count_polled}");
        if result.is_pending() {
            end_first.send(()).unwrap();
            println!("{count} futures, then the first ends: {:?}", all.poll_unpin(&mut context));
        }
    }
}
RUST
cat > expected <<'SEEN'
30 futures, the second fails: Ready(Err("second")), polled 2
31 futures, the second fails: Pending, polled 31
31 futures, then the first ends: Ready(Err("second"))
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
