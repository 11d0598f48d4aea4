//! What a group is, in memory and in numbers. It names no type of a task, of an error or of the
//! pool; what happens between groups is in `tree`.
//!
//! `node` is a group without its types, and has tables of the functions that it needs from the
//! floors above (`NodeTable`); `whole` is one in its allocation; `rare` is what few of them have,
//! `name` what those have that were given one; `pool` is the runtime as a node sees it; `word`
//! counts its children; `ending` decides how it ends, by answers that are `duties`; `services` end
//! with it; members and inner groups hang in a `list`; `arena` keeps values; `gate` lets handle
//! holders in; a `host` polls it.

pub(crate) mod arena;
pub(crate) mod duties;
pub(crate) mod ending;
pub(crate) mod gate;
pub(crate) mod host;
pub(crate) mod list;
pub(crate) mod name;
pub(crate) mod node;
pub(crate) mod pool;
pub(crate) mod rare;
pub(crate) mod services;
pub(crate) mod whole;
pub(crate) mod word;
