//! What code says and asks about the place where it runs, whatever group that is in.
//!
//! `current` is a view of the innermost group; `runtime` is a look at the runtime; `local` is
//! task-locals; `shield` is a stretch that cannot be cut; `join` is two closures at once;
//! `yield_now` gives way, and `cooperative` lets others do so; `panic_hook` says where a panic was.

pub(crate) mod cooperative;
pub(crate) mod current;
pub(crate) mod join;
pub(crate) mod local;
pub(crate) mod panic_hook;
pub(crate) mod runtime;
pub(crate) mod shield;
pub(crate) mod yield_now;
