#!/usr/bin/env bash
# Under two model checkers `Condvar::wait_timeout` is `wait`: the branch of the timeout is never run.
#
# Package: loom 0.7.3, shuttle 0.9.10
# Guessed: a checker explores a wait with a timeout both ways, notified and timed out: time is not modelled, so the
#   timeout may come first in some run, and where nobody notifies, it always comes.
# Behaviour: neither ever times out, in no order of the threads, so code after a timeout is never tested. With nobody to
#   notify, shuttle reports a deadlock.
# Seen:
#   loom, timed out: {false}
#   shuttle, timed out: {false}
#   shuttle, nobody notifies: deadlock
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "model-checkers-never-time-out-a-condvar-wait"
version = "0.0.0"
edition = "2024"

[dependencies]
loom = "=0.7.3"
shuttle = "=0.9.10"
TOML
cat > src/main.rs <<'RUST'
use std::collections::BTreeSet;
use std::panic::{catch_unwind, set_hook};
use std::sync::Mutex as Plain;
use std::time::Duration;

static SEEN: Plain<BTreeSet<bool>> = Plain::new(BTreeSet::new());
const SHORT: Duration = Duration::from_nanos(1);

macro_rules! notified_wait {
    ($checker:ident) => {{
        use $checker::{sync::{Arc, Condvar, Mutex}, thread};
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let notifier = pair.clone();
        let thread = thread::spawn(move || {
            *notifier.0.lock().unwrap() = true;
            notifier.1.notify_one();
        });
        let done = pair.0.lock().unwrap();
        if !*done {
            let (done, timeout) = pair.1.wait_timeout(done, SHORT).unwrap();
            SEEN.lock().unwrap().insert(timeout.timed_out());
            drop(done);
        } else {
            drop(done);
        }
        thread.join().unwrap();
    }};
}

fn report(checker: &str) {
    println!("{checker}, timed out: {:?}", std::mem::take(&mut *SEEN.lock().unwrap()));
}

fn main() {
    set_hook(Box::new(|_| {}));
    loom::model(|| notified_wait!(loom));
    report("loom");
    shuttle::check_random(|| notified_wait!(shuttle), 1000);
    report("shuttle");

    let alone = catch_unwind(|| {
        let program = || {
            let (lock, changed) = (shuttle::sync::Mutex::new(()), shuttle::sync::Condvar::new());
            drop(changed.wait_timeout(lock.lock().unwrap(), SHORT).unwrap());
        };
        shuttle::check_random(program, 10);
    });
    let outcome = match alone {
        Ok(()) => "ends",
        Err(payload) => match payload.downcast_ref::<String>() {
            Some(text) if text.starts_with("deadlock") => "deadlock",
            _ => "another panic",
        },
    };
    println!("shuttle, nobody notifies: {outcome}");
}
RUST
cat > expected <<'SEEN'
loom, timed out: {false}
shuttle, timed out: {false}
shuttle, nobody notifies: deadlock
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
