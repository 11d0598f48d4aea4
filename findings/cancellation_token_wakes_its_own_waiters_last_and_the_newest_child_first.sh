#!/usr/bin/env bash
# A cancelled `CancellationToken` wakes its descendants level by level, from the newest, and its own waiters at the end.
#
# Package: tokio-util 0.7.20
# Guessed: the cancel goes down the tree: the waiters of the token itself are woken first, then the children in the
#   order in which they were made.
# Behaviour: the waiters of the token that is cancelled come last, after those of all its descendants. Of its children
#   the newest is woken first, then the others in their order. With grandchildren the levels go down one by one.
# Seen:
#   flat: c4 c0 c1 c2 c3 root
#   tree: b a b1 b0 a1 a0 root
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "cancellation-token-wakes-its-own-waiters-last-and-the-newest-child-first"
version = "0.0.0"
edition = "2024"

[dependencies]
tokio-util = "=0.7.20"
TOML
cat > src/main.rs <<'RUST'
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use tokio_util::sync::CancellationToken;

type Log = Arc<Mutex<Vec<String>>>;

struct Named(String, Log);

impl Wake for Named {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0.clone());
    }
}

#[derive(Default)]
struct Waiters(Vec<Pin<Box<dyn Future<Output = ()>>>>, Log);

impl Waiters {
    fn add(&mut self, token: &CancellationToken, name: &str) {
        let waker = Waker::from(Arc::new(Named(name.into(), self.1.clone())));
        let mut waiter = Box::pin(token.clone().cancelled_owned());
        assert!(waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        self.0.push(waiter);
    }

    fn cancel(&self, shape: &str, root: &CancellationToken) {
        root.cancel();
        println!("{shape}: {}", self.1.lock().unwrap().join(" "));
    }
}

fn main() {
    let (root, mut waiters) = (CancellationToken::new(), Waiters::default());
    waiters.add(&root, "root");
    for index in 0..5 {
        waiters.add(&root.child_token(), &format!("c{index}"));
    }
    waiters.cancel("flat", &root);

    let (root, mut waiters) = (CancellationToken::new(), Waiters::default());
    waiters.add(&root, "root");
    for name in ["a", "b"] {
        let child = root.child_token();
        waiters.add(&child, name);
        for index in 0..2 {
            waiters.add(&child.child_token(), &format!("{name}{index}"));
        }
    }
    waiters.cancel("tree", &root);
}
RUST
cat > expected <<'SEEN'
flat: c4 c0 c1 c2 c3 root
tree: b a b1 b0 a1 a0 root
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
