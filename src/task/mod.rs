//! Tasks: a future with its header, in one allocation.
//!
//! `state` is the one word and its transitions; `awaiter` is the slot of the waker that waits for
//! the output; `header` is the allocation without its types and `cell` the allocation with them;
//! `waker` wakes it; `spawn` starts it; `run` polls, cuts and completes it; `handle` is the right
//! to its output; `closer` is the task that ends a group's services and runs its defers.
//!
//! # Kinds of reference
//!
//! | reference | holder | counted |
//! |---|---|---|
//! | the engine's | the task itself, from its birth until it is complete: a queue entry, a place in a list and the right to run are all covered by it | yes, one |
//! | a handle's | `TaskHandle`, at most one | yes, one |
//! | a ticket's | the queue for threads that may block, at most one | yes, one |
//! | a waker's | every `Waker` but the borrowed one of a poll | yes, each |
//!
//! # Which actor may touch which field when
//!
//! | field | actor |
//! |---|---|
//! | `state`, `awaiter` | every holder of a reference |
//! | `group` | while the task is not complete: the owner of the right to run it or to queue it, and a holder of the group's lock if it is linked |
//! | `links` | under the group's lock |
//! | `open` | under the lock of that host; polls add to it, while they run |
//! | `polls`, the future | its runner (`RUNNING`); dumps read `polls` |
//! | the output | the completer before `COMPLETE`; afterwards the handle, or, if there was none, the completer |
//! | the rest | immutable |

pub(crate) mod awaiter;
pub(crate) mod cell;
pub(crate) mod closer;
pub(crate) mod handle;
pub(crate) mod header;
pub(crate) mod run;
pub(crate) mod spawn;
pub(crate) mod state;
pub(crate) mod waker;
