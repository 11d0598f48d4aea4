#!/usr/bin/env bash
# In the hook that tokio calls for a task that has ended, the task still counts as alive, and its `JoinHandle` was woken already.
#
# Package: tokio 1.54.1, with `--cfg tokio_unstable`
# Guessed: the hook comes first: a task that is joined has been reported, so one that counts begins and ends of tasks by
#   `on_task_spawn` and `on_task_terminate` has an exact number once all handles are joined; and in the hook of the last task
#   `num_alive_tasks` is 0.
# Behaviour: the waiter for the handle is woken first, then the hook is called, and then the task is taken off the runtime's
#   list. With threads the joiner may run before the hook: its counts are one too many for a moment, also `num_alive_tasks`.
# Seen:
#   order: the joiner is woken, the hook is called
#   alive in the hook of the last task: 1
#   alive afterwards: 0
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "tokio-task-is-alive-in-its-own-terminate-hook"
version = "0.0.0"
edition = "2024"

[dependencies]
tokio = { version = "=1.54.1", features = ["rt"] }
TOML
cat > src/main.rs <<'RUST'
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use tokio::runtime::{Builder, Handle};

type Notes = Arc<Mutex<Vec<String>>>;

struct Joiner(Notes);

impl Wake for Joiner {
    fn wake(self: Arc<Self>) {
        self.0.lock().unwrap().push("the joiner is woken".to_owned());
    }
}

fn main() {
    let notes = Notes::default();
    let alive = Arc::new(Mutex::new(None));
    let (noted, seen) = (Arc::clone(&notes), Arc::clone(&alive));
    let runtime = Builder::new_current_thread()
        .on_task_terminate(move |_| {
            noted.lock().unwrap().push("the hook is called".to_owned());
            *seen.lock().unwrap() = Some(Handle::current().metrics().num_alive_tasks());
        })
        .build()
        .unwrap();
    let joiner = Waker::from(Arc::new(Joiner(Arc::clone(&notes))));
    runtime.block_on(async {
        let mut handle = pin!(tokio::spawn(async {}));
        assert!(handle.as_mut().poll(&mut Context::from_waker(&joiner)).is_pending());
        tokio::task::yield_now().await;
    });
    println!("order: {}", notes.lock().unwrap().join(", "));
    println!("alive in the hook of the last task: {}", alive.lock().unwrap().unwrap());
    println!("alive afterwards: {}", runtime.metrics().num_alive_tasks());
}
RUST
cat > expected <<'SEEN'
order: the joiner is woken, the hook is called
alive in the hook of the last task: 1
alive afterwards: 0
SEEN
RUSTFLAGS="--cfg tokio_unstable" cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
