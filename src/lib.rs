//! spinney: a work-stealing, multithreaded task-group executor.
//!
//! Every task has one parent group; a group's future resolves only when its body and every child
//! have ended; no error or panic is lost; cancellation cascades down the tree. Children run in
//! parallel on worker threads and borrow what their group keeps. Futures of any library are
//! children like any other, and spinney's futures run on any executor. Sync code waits for async
//! code anywhere: `future.wait()`.
//!
//! ```
//! use spinney::{block_on, group};
//!
//! let total = block_on(group(async |g| {
//!     let words = g.keep(vec!["task", "group"]);
//!     let lengths: Vec<_> = words
//!         .iter()
//!         .map(|word| g.spawn(async move { Ok(word.len()) }))
//!         .collect();
//!     let mut total = 0;
//!     for length in lengths {
//!         total += length.await;
//!     }
//!     total
//! }));
//! assert_eq!(total, 9);
//! ```
//!
//! # Where to start
//!
//! [`group`] and [`try_group`] open a group, [`Group`] spawns into it, [`block_on`] and [`Wait`]
//! enter from sync code, [`blocking`] calls closures that block, [`join`] and [`scope`] compute in
//! parallel, [`Runtime`] has the options, [`time`](mod@time) sleeps.
//!
//! # Order of execution
//!
//! New children of a worker run newest first, woken tasks in the order in which they were woken.
//! Of the children of one job those after the 64th, and all while 1,024 wait, are queued with the
//! woken tasks. The oldest child is run out of turn once a millisecond on a busy worker, or once in
//! six jobs if they take longer, so that each begins. All queues can be stolen from; a job that
//! waits on a worker that does not come back begins elsewhere after 2 ms, if a worker is idle.

#![cfg_attr(docsrs, feature(doc_cfg))]

// Floor 0: the ground.
mod keyed_queue;
mod rng;
mod scoped;
mod sync;
mod unwind;
// Floor 1: waiting, and memory.
mod parker;
mod recycle;
#[cfg_attr(feature = "tracing", path = "spans/on.rs")]
#[cfg_attr(not(feature = "tracing"), path = "spans/off.rs")]
mod spans;
mod waiters;
// Floor 2: jobs, sleepers, waits in a frame of another thread, data for people.
mod eventcount;
mod job;
mod latch;
mod report;
mod sleep;
// Floor 3: what a group is.
mod group;
// Floor 4: where a thread is.
mod poll;
// Floor 5: how groups live together, and the driver.
mod driver;
mod tree;
// Floor 6: tasks.
mod task;
// Floor 7: the pool.
mod pool;
// Floor 8: the interface.
mod api;
mod block_on;
pub mod compat;
pub mod fs;
pub mod io;
pub mod net;
#[cfg(feature = "process")]
pub mod process;
#[cfg(any(feature = "process", feature = "signal"))]
pub mod signal;
pub mod time;
pub mod trace;
// Floor 9: servers.
#[cfg(feature = "serve")]
pub mod serve;

pub use crate::api::child::bounded::Bounded;
pub use crate::api::child::closures::blocking;
pub use crate::api::child::failure::Failure;
pub use crate::api::child::outcome::Outcome;
pub use crate::api::child::race::race;
pub use crate::api::child::restart::Restart;
pub use crate::api::child::set::TaskSet;
pub use crate::api::child::start::{Ready, StartError};
pub use crate::api::child::stream::{Generator, Yielder};
pub use crate::api::child::supervised::Supervised;
pub use crate::api::child::task::Task;
pub use crate::api::group::builder::GroupBuilder;
pub use crate::api::group::futures::{group, try_group};
pub use crate::api::group::group_handle::GroupHandle;
pub use crate::api::group::handle::{Group, Never};
pub use crate::api::group::lend::{group_with, try_group_with};
pub use crate::api::group::scope::{scope, try_scope};
pub use crate::api::group::service_handle::ServiceHandle;
pub use crate::api::here::cooperative::cooperative;
pub use crate::api::here::join::join;
pub use crate::api::here::local::TaskLocal;
pub use crate::api::here::panic_hook::install_panic_hook;
pub use crate::api::here::shield::shield;
pub use crate::api::here::yield_now::yield_now;
pub use crate::block_on::{Wait, block_on};
pub use crate::pool::config::RuntimeBuilder;
pub use crate::pool::runtime::Runtime;
pub use crate::report::errors::{ErrorEntry, Errors};
pub use crate::report::failure::Unobserved;
pub use crate::time::{sleep, timeout};

/// A read-only view of where the caller is in the tree of groups, and in which runtime.
pub mod current {
    pub use crate::api::here::current::{
        GroupPath, cancel_reason, deadline, group_path, is_cancelled, is_stopping, stopping,
        task_id, task_name,
    };
    pub use crate::api::here::runtime::{dump, metrics, runtime_name};
    pub use crate::report::reason::{CancelKind, CancelReason};
}

/// The reports of a runtime about its tasks: dumps, stalls, and the stragglers of a shutdown.
pub mod dump {
    pub use crate::pool::shutdown::Stragglers;
    pub use crate::report::dump::{Dump, GroupDump, TaskDump, TaskState};
    pub use crate::report::failure::{Straggler, TaskId};
    pub use crate::report::stall::{Stall, ThreadState};
    pub use crate::report::waits_for::{Endpoint, WaitsFor};
}

/// The futures that functions and methods return, for code that names them.
pub mod future {
    pub use crate::api::child::bounded::SpawnBounded;
    pub use crate::api::child::start::Start;
    pub use crate::api::child::supervised::CancelSupervised;
    pub use crate::api::child::task::CancelTask;
    pub use crate::api::group::futures::{GroupFuture, TryGroupFuture};
    pub use crate::api::group::joined::Joined;
    pub use crate::api::group::unless_stopping::UnlessStopping;
    pub use crate::api::here::cooperative::Cooperative;
    pub use crate::api::here::local::TaskLocalScope;
    pub use crate::api::here::shield::Shield;
}

/// The errors, numbers and guards of a [`Runtime`].
pub mod runtime {
    #[cfg(feature = "tokio")]
    pub use crate::driver::beside::Tokio;
    pub use crate::pool::config::BuildError;
    pub use crate::pool::metrics::Metrics;
    pub use crate::pool::runtime::EnterGuard;
    pub use crate::pool::statistics::{GroupMetrics, Statistics, WorkerMetrics};
    pub use crate::report::histogram::Histogram;
}

#[cfg(any(doc, doctest))]
pub mod guide;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
