#!/usr/bin/env bash
# A `sleep` or `timeout` of tokio's that is over is not ready before the runtime has looked at the time.
#
# Package: tokio 1.54.1, async-io 2.6.0
# Guessed: a sleep whose instant has passed is ready at its first poll, so that `timeout(1 ms)` of a future that takes
#   20 ms and gives way at their end is `Err(Elapsed)`.
# Behaviour: the poll asks the runtime's wheel of timers, which stands where the driver last turned it, and not the clock.
#   What has passed since then is still to come: the sleep is pending, and the future of a timeout has another poll, in
#   which it may win. That is so, too, with a timeout of zero, whose end is rounded up to a millisecond. async-io asks
#   the clock.
# Seen:
#   tokio, an instant that passed 10 ms ago: pending
#   async-io, an instant that passed 10 ms ago: ready
#   tokio, timeout of 1 ms around 20 ms and a yield: Ok(7)
#   tokio, timeout of zero around 20 ms and a yield: Ok(7)
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "tokio-sleep-that-is-over-is-pending-until-the-driver-has-turned"
version = "0.0.0"
edition = "2024"

[dependencies]
async-io = "=2.6.0"
tokio = { version = "=1.54.1", features = ["rt", "time"] }
TOML
cat > src/main.rs <<'RUST'
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout};

async fn first_poll(name: &str, future: impl Future) {
    let mut future = pin!(future);
    let ready = poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await;
    println!("{name}: {}", if ready { "ready" } else { "pending" });
}

async fn long_poll() -> u32 {
    thread::sleep(Duration::from_millis(20));
    yield_now().await;
    7
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let at = Instant::now() + Duration::from_millis(10);
        thread::sleep(Duration::from_millis(20));
        let passed = "an instant that passed 10 ms ago";
        first_poll(&format!("tokio, {passed}"), sleep_until(at.into())).await;
        first_poll(&format!("async-io, {passed}"), async_io::Timer::at(at)).await;
    });
    for (name, duration) in [("1 ms", Duration::from_millis(1)), ("zero", Duration::ZERO)] {
        let result = runtime.block_on(async { timeout(duration, long_poll()).await });
        println!("tokio, timeout of {name} around 20 ms and a yield: {result:?}");
    }
}
RUST
cat > expected <<'SEEN'
tokio, an instant that passed 10 ms ago: pending
async-io, an instant that passed 10 ms ago: ready
tokio, timeout of 1 ms around 20 ms and a yield: Ok(7)
tokio, timeout of zero around 20 ms and a yield: Ok(7)
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
