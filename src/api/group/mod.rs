//! What a group is to its user: its handle, the futures and calls that open one, and the handles
//! that outlive it.
//!
//! `handle` is the handle of an open group, and `deadline` ends it at an instant; `machine` opens a
//! group, runs its body, joins, and answers; `futures` are the public futures of that; `builder`
//! names options; `lend` lends state; `scope` blocks instead. `group_handle` and `service_handle`
//! let callbacks in. `joined` waits for the children, `unless_stopping` for a future or a stop.

pub(crate) mod body;
pub(crate) mod builder;
pub(crate) mod deadline;
pub(crate) mod futures;
pub(crate) mod group_handle;
pub(crate) mod handle;
pub(crate) mod joined;
pub(crate) mod lend;
pub(crate) mod lifetime;
pub(crate) mod machine;
pub(crate) mod scope;
pub(crate) mod service_handle;
pub(crate) mod unless_stopping;
