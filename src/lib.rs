//! spinney: a work-stealing, multithreaded task-group executor.
//!
//! Every task has one parent group; a group's future resolves only when its body and every child have ended; no error
//! or panic is lost; cancellation cascades down the tree. Children run in parallel on worker threads and borrow what
//! their group keeps. Futures of any library are children like any other, and spinney's futures run on any executor.
//! Sync code waits for async code anywhere: `future.wait()`.
//!
//! ```
//! use spinney::{block_on, group};
//!
//! let total = block_on(group(async |g| {
//!     let words = g.keep(vec!["task", "group"]);
//!     let lengths: Vec<_> = words.iter().map(|word| g.spawn(async move { Ok(word.len()) })).collect();
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
//! [`group`] and [`try_group`] open a group, [`Group`] spawns into it, [`block_on`] and [`Wait`] enter from sync code,
//! [`blocking`] calls what blocks, [`join`] and [`scope`] compute in parallel, [`Runtime`] has the options,
//! [`time`](mod@time) sleeps.
//!
//! # Order of execution
//!
//! New children of a worker run newest first, woken tasks in the order in which they were woken. Both queues can be
//! stolen from.

#![cfg_attr(docsrs, feature(doc_cfg))]

// Floor 0: the ground.
mod rng;
mod sync;
mod unwind;
// Floor 1: waiting.
mod parker;
mod waiters;
// Floor 2: what is queued, who sleeps, who waits in whose frame.
mod eventcount;
mod job;
mod latch;
mod sleep;
// Floor 3: groups and the driver.
mod driver;
mod group;
// Floor 4: tasks.
mod task;
// Floor 5: the pool.
mod pool;
// Floor 6: the surface.
mod block_on;
pub mod compat;
pub mod net;
mod surface;
pub mod time;

pub use crate::block_on::{Wait, block_on};
pub use crate::group::errors::{ErrorEntry, Errors};
pub use crate::group::report::Unobserved;
pub use crate::pool::config::RuntimeBuilder;
pub use crate::pool::runtime::Runtime;
pub use crate::surface::bounded::Bounded;
pub use crate::surface::builder::GroupBuilder;
pub use crate::surface::child::{Failure, Supervised, Task};
pub use crate::surface::closures::blocking;
pub use crate::surface::fork_join::join;
pub use crate::surface::group::{Group, group, try_group};
pub use crate::surface::handle::GroupHandle;
pub use crate::surface::local::TaskLocal;
pub use crate::surface::outcome::{Never, Outcome};
pub use crate::surface::panic_hook::install_panic_hook;
pub use crate::surface::race::race;
pub use crate::surface::restart::Restart;
pub use crate::surface::scope::{scope, try_scope};
pub use crate::surface::service_handle::ServiceHandle;
pub use crate::surface::set::TaskSet;
pub use crate::surface::shield::shield;
pub use crate::surface::start::{Ready, StartError};
pub use crate::surface::stream::{Generator, Yielder};
pub use crate::surface::with::{group_with, try_group_with};
pub use crate::surface::yield_now::yield_now;
pub use crate::time::{sleep, timeout};

/// A read-only view of where the caller is in the tree of groups.
pub mod current {
    pub use crate::group::reason::{CancelKind, CancelReason};
    pub use crate::surface::current::{
        GroupPath, cancel_reason, deadline, group_path, is_cancelled, is_stopping, stopping,
        task_id, task_name,
    };
}

/// What a runtime tells about its tasks: dumps, and what still runs when a shutdown ends.
pub mod dump {
    pub use crate::group::dump::{Dump, GroupDump, TaskDump, TaskState};
    pub use crate::group::report::{Straggler, TaskId};
    pub use crate::pool::shutdown::Stragglers;
}

/// The futures that functions and methods return, for those who name them.
pub mod future {
    pub use crate::surface::bounded::SpawnBounded;
    pub use crate::surface::child::{CancelSupervised, CancelTask};
    pub use crate::surface::group::{GroupFuture, TryGroupFuture};
    pub use crate::surface::local::TaskLocalScope;
    pub use crate::surface::shield::Shield;
    pub use crate::surface::start::Start;
}

/// What belongs to a [`Runtime`].
pub mod runtime {
    pub use crate::pool::config::BuildError;
    pub use crate::pool::metrics::Metrics;
    pub use crate::pool::runtime::EnterGuard;
}

#[cfg(any(doc, doctest))]
pub mod guide;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
