//! tokio's libraries as they are: its context on every thread, its driver in ours, what it has of
//! its own, and the end of both.

#[path = "../common/mod.rs"]
mod common;

mod beside_others;
mod budget;
mod context;
mod driver;
mod end;
mod escapees;

use spinney::runtime::Tokio;
use spinney::{Runtime, RuntimeBuilder};

/// Options with tokio driven by the workers.
fn parked(workers: usize) -> RuntimeBuilder {
    Runtime::builder().workers(workers).tokio(Tokio::Parked)
}

/// Both ways to drive tokio.
fn both(workers: usize, test: impl Fn(RuntimeBuilder)) {
    for how in [Tokio::Parked, Tokio::Background { workers: 1 }] {
        test(Runtime::builder().workers(workers).tokio(how));
    }
}
