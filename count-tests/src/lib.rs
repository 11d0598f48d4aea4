//! Counts what threads do to memory that they share: the very sources of spinney, with a twin of
//! `crate::sync` whose atomics, locks and deques count their calls.
//!
//! What is counted is what the sources ask for, not what the processor does: a lock that is taken
//! is one, though it costs two locked instructions, and the references of `Arc` are not counted.
//! `benches/counts/run` counts instructions.

#![allow(
    dead_code,
    unfulfilled_lint_expectations,
    unused_imports,
    reason = "the tests need a part of spinney, which has lints of its own"
)]

pub mod counts;
mod sync;

/// The real ground, on which the twin stands.
#[path = "../../src/sync/mod.rs"]
mod real;

#[path = "../../src/api/mod.rs"]
mod api;
#[path = "../../src/block_on.rs"]
mod block_on;
#[path = "../../src/driver/mod.rs"]
mod driver;
#[path = "../../src/eventcount.rs"]
mod eventcount;
#[path = "../../src/group/mod.rs"]
mod group;
#[path = "../../src/job.rs"]
mod job;
#[path = "../../src/keyed_queue.rs"]
mod keyed_queue;
#[path = "../../src/latch.rs"]
mod latch;
#[path = "../../src/net/mod.rs"]
mod net;
#[path = "../../src/parker.rs"]
mod parker;
#[path = "../../src/poll/mod.rs"]
mod poll;
#[path = "../../src/pool/mod.rs"]
mod pool;
#[path = "../../src/recycle.rs"]
mod recycle;
#[path = "../../src/report/mod.rs"]
mod report;
#[path = "../../src/rng.rs"]
mod rng;
#[path = "../../src/scoped.rs"]
mod scoped;
#[path = "../../src/sleep.rs"]
mod sleep;
#[path = "../../src/spans/off.rs"]
mod spans;
#[path = "../../src/task/mod.rs"]
mod task;
#[path = "../../src/time/mod.rs"]
pub mod time;
#[path = "../../src/tree/mod.rs"]
mod tree;
#[path = "../../src/unwind.rs"]
mod unwind;
#[path = "../../src/waiters.rs"]
mod waiters;

pub use crate::api::child::task::Task;
pub use crate::api::group::futures::{GroupFuture, TryGroupFuture, group, try_group};
pub use crate::api::group::handle::Group;
pub use crate::api::here::join::join;
pub use crate::api::here::yield_now::yield_now;
pub use crate::block_on::block_on;
pub use crate::pool::config::RuntimeBuilder;
pub use crate::pool::runtime::Runtime;
pub use crate::time::sleep;
