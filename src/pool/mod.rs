//! The pool: threads, seats, queues, and the runtime that owns them.
//!
//! `seats` is the table of places from which jobs are run; `worker` is the loop; `shared` is what all threads of a
//! runtime see; `waiting` is how a thread blocks; `blocking` has the threads for closures that block; `fork` are the halves
//! of `join`; `context` says where a thread is; `runtime` is the public face, with its `config` and its
//! `metrics`; `shutdown` is how it ends;
//! `caretaker` looks after what outlives it; `sentinel` sees that somebody watches time and I/O.

pub(crate) mod blocking;
pub(crate) mod caretaker;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod fork;
pub(crate) mod metrics;
pub(crate) mod runtime;
pub(crate) mod seats;
pub(crate) mod sentinel;
pub(crate) mod shared;
pub(crate) mod shutdown;
pub(crate) mod waiting;
pub(crate) mod worker;
