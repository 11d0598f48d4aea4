//! Other people's software in one program with spinney: their libraries in our tasks, and our
//! groups on their executors.
//!
//! Every test is a process of its own, for each of them counts what its process has.

#[path = "../../tests/common/mod.rs"]
mod common;

#[path = "../../tests/serving/client.rs"]
#[expect(
    dead_code,
    reason = "it belongs to `running`, which these tests use a part of"
)]
mod client;
#[path = "../../tests/serving/running.rs"]
#[expect(dead_code, reason = "these tests use a part of it")]
mod running;

mod census;
mod deadlines;
mod examples;
mod executors;
mod http;
mod libraries;
mod served;
mod servers;
mod tls;
mod trial;
