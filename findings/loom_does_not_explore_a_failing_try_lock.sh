#!/usr/bin/env bash
# The model checker never runs the program in which `try_lock` meets a held lock, unless something else leads there.
#
# Package: loom 0.7.3 (next to shuttle 0.9.10)
# Guessed: two threads, one that locks, yields and unlocks, one that calls `try_lock`: the exhaustive search sees both
#   outcomes, as it tries every order of the two.
# Behaviour: only success is seen. A `try_lock` is no reason for loom to try the other order, so code after a failed
#   `try_lock` is silently untested. With another conflict that stops the holder inside (here an atomic that it stores
#   and the other thread loads first) failure is seen as well. Shuttle's random search sees both from the start.
# Seen:
#   loom, lock against try_lock: {"locked"}
#   loom, with an atomic stored under the lock: {"locked", "refused"}
#   shuttle, lock against try_lock: {"locked", "refused"}
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "loom-does-not-explore-a-failing-try-lock"
version = "0.0.0"
edition = "2024"

[dependencies]
loom = "=0.7.3"
shuttle = "=0.9.10"
TOML
cat > src/main.rs <<'RUST'
use std::collections::BTreeSet;
use std::sync::Mutex as Plain;
use std::sync::atomic::Ordering::{Acquire, Release};

static SEEN: Plain<BTreeSet<&str>> = Plain::new(BTreeSet::new());

fn note(locked: bool) {
    SEEN.lock().unwrap().insert(if locked { "locked" } else { "refused" });
}

fn report(case: &str) {
    println!("{case}: {:?}", std::mem::take(&mut *SEEN.lock().unwrap()));
}

fn main() {
    loom::model(|| {
        use loom::{sync::{Arc, Mutex}, thread};
        let lock = Arc::new(Mutex::new(()));
        let held = lock.clone();
        let holder = thread::spawn(move || {
            let _guard = held.lock().unwrap();
            thread::yield_now();
        });
        note(lock.try_lock().is_ok());
        holder.join().unwrap();
    });
    report("loom, lock against try_lock");

    loom::model(|| {
        use loom::{sync::{Arc, Mutex, atomic::AtomicUsize}, thread};
        let lock = Arc::new((Mutex::new(()), AtomicUsize::new(0)));
        let held = lock.clone();
        let holder = thread::spawn(move || {
            let _guard = held.0.lock().unwrap();
            held.1.store(1, Release);
            thread::yield_now();
        });
        lock.1.load(Acquire);
        note(lock.0.try_lock().is_ok());
        holder.join().unwrap();
    });
    report("loom, with an atomic stored under the lock");

    let program = || {
        use shuttle::{sync::{Arc, Mutex}, thread};
        let lock = Arc::new(Mutex::new(()));
        let held = lock.clone();
        let holder = thread::spawn(move || {
            let _guard = held.lock().unwrap();
            thread::yield_now();
        });
        note(lock.try_lock().is_ok());
        holder.join().unwrap();
    };
    shuttle::check_random(program, 1000);
    report("shuttle, lock against try_lock");
}
RUST
cat > expected <<'SEEN'
loom, lock against try_lock: {"locked"}
loom, with an atomic stored under the lock: {"locked", "refused"}
shuttle, lock against try_lock: {"locked", "refused"}
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
