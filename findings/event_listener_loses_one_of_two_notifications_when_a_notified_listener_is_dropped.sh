#!/usr/bin/env bash
# A dropped listener passes its notification on only if no other listener holds one.
#
# Package: event-listener 5.4.2
# Guessed: after `notify(2)` with three listeners, dropping the first (notified, not yet polled) notifies the third, as
#   the documentation of `Event` says of dropped listeners; two of the three get through.
# Behaviour: the drop acts like `notify(1)`, which does nothing while another notified listener exists, here the second.
#   One of the two notifications is lost. After `notify(1)`, or `notify_additional(2)`, it is passed on.
# Seen:
#   notify(1): second true, third false
#   notify(2): second true, third false
#   notify_additional(2): second true, third true
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "event-listener-loses-one-of-two-notifications-when-a-notified-listener-is-dropped"
version = "0.0.0"
edition = "2024"

[dependencies]
event-listener = "=5.4.2"
TOML
cat > src/main.rs <<'RUST'
use event_listener::{Event, EventListener, IntoNotification};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

fn got_it(listener: &mut EventListener) -> bool {
    Pin::new(listener).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn case(name: &str, notify: impl Fn(&Event)) {
    let event = Event::new();
    let first = event.listen();
    let (mut second, mut third) = (event.listen(), event.listen());
    notify(&event);
    drop(first);
    println!("{name}: second {}, third {}", got_it(&mut second), got_it(&mut third));
}

fn main() {
    case("notify(1)", |event| drop(event.notify(1)));
    case("notify(2)", |event| drop(event.notify(2)));
    case("notify_additional(2)", |event| drop(event.notify(2.additional())));
}
RUST
cat > expected <<'SEEN'
notify(1): second true, third false
notify(2): second true, third false
notify_additional(2): second true, third true
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
