//! What a group is, in memory and in numbers; free of any knowledge of tasks, threads and other groups.
//!
//! `node` is a group without its types, and names what it needs of those above it; `word` counts its children, `ending` decides
//! how it ends, by answers that are `duties`; `services` end with it; `list` is what members and inner groups hang in; `arena`
//! keeps values; `gate` lets the holders of handles in; `host` is what polls it.

pub(crate) mod arena;
pub(crate) mod duties;
pub(crate) mod ending;
pub(crate) mod gate;
pub(crate) mod host;
pub(crate) mod list;
pub(crate) mod node;
pub(crate) mod services;
pub(crate) mod word;
