//! The pool: threads, seats, queues, and the runtime that owns them.
//!
//! From the bottom up. What a runtime is made of: `metrics`, `hooks` and `config` are numbers,
//! callbacks and options, and `lines` says how many lines the default hook prints; `recorder` is
//! what a trace is made of, `timing` is how long jobs wait and run, `named` what is counted by the
//! names of groups, `waited` what the last dump saw; `looks` says when a busy worker looks around;
//! `active` are the seats on which a thread is, and `seats` is the table of places from which jobs
//! are run; `crowd` says which of them need help; `stalls` says which thread does not come back
//! from a job; `sentinel` sees to it that busy workers look around, and that a thread watches time
//! and I/O; `blocking` is the queue of closures that block; `circles` are tasks that wait for each
//! other; `reports` are on their way to the hooks; `told` is what these hear of tokio's tasks;
//! `census` knows the tasks that tokio has, or, as `no_census.rs`, does not. `shared` is what all
//! threads of a runtime see of these; `escapees` says how tokio's tasks end; `watch` is what the
//! sentinel does there.
//!
//! What a thread is in it: `stack_jobs` are the halves of `join` on its stack; `thread_ctx` says
//! where it is; `report_thread` calls hooks; `blocking_threads` do the closures that block;
//! `dispatch` is the pool as its groups see it; `worker` is the loop; `spares` stand in for threads
//! that wait or are stalled; `wanted` says which jobs a blocked caller runs, `waiting` is how it
//! blocks, and `visit` is for one from outside; `children` is what a scope runs before it blocks;
//! `join` is how a forker comes back.
//!
//! The whole: `caretaker` looks after what outlives a runtime; `shutdown` is how it ends;
//! `statistics` are all numbers of one, `snapshot` is a dump of one, `runtime` is its public face;
//! `global` is the one that free functions use; `tokio` is an option behind a feature.

mod active;
pub(crate) mod blocking;
pub(crate) mod blocking_threads;
pub(crate) mod caretaker;
#[cfg(all(feature = "tokio", tokio_unstable))]
mod census;
#[cfg(not(all(feature = "tokio", tokio_unstable)))]
#[path = "no_census.rs"]
mod census;
pub(crate) mod children;
mod circles;
pub(crate) mod config;
mod crowd;
mod dispatch;
mod escapees;
pub(crate) mod global;
mod hooks;
pub(crate) mod join;
mod lines;
pub(crate) mod looks;
pub(crate) mod metrics;
mod named;
pub(crate) mod recorder;
mod report_thread;
mod reports;
pub(crate) mod runtime;
pub(crate) mod seats;
pub(crate) mod sentinel;
pub(crate) mod shared;
pub(crate) mod shutdown;
pub(crate) mod snapshot;
mod spares;
mod stack_jobs;
mod stalls;
pub(crate) mod statistics;
#[cfg(test)]
mod tests;
pub(crate) mod thread_ctx;
pub(crate) mod timing;
#[cfg(feature = "tokio")]
mod tokio;
mod told;
pub(crate) mod visit;
mod waited;
pub(crate) mod waiting;
mod wanted;
mod watch;
pub(crate) mod worker;
