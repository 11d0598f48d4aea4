//! The surface: groups and tasks as users see them.
//!
//! `outcome` says what a child may return; `child` is a child's handle; `closures` are children that compute or block;
//! `dead` is what becomes of whoever waits for one that was cut; `group` is the handle of an open group; `owner` and
//! `opened` are the future that runs a body and joins; `with` lends state; `builder` names options; `handle` and
//! `service_handle` let callbacks in; `shield`, `race`, `scope`, `fork_join` and `current` are the free functions.
//!
//! `local` is task-locals; `panic_hook` says where a panic was.
//!
//! `watch` is a child that reports its end; on it stand `set` (results in order of completion), `bounded` (a limit on
//! what runs), `start` (the ready handshake), `restart`, and `stream` (generators).

pub(crate) mod bounded;
pub(crate) mod builder;
pub(crate) mod child;
pub(crate) mod closures;
pub(crate) mod current;
pub(crate) mod fork_join;
pub(crate) mod group;
pub(crate) mod handle;
pub(crate) mod local;
pub(crate) mod opened;
pub(crate) mod outcome;
pub(crate) mod panic_hook;
pub(crate) mod race;
pub(crate) mod restart;
pub(crate) mod scope;
pub(crate) mod service;
pub(crate) mod service_handle;
pub(crate) mod set;
pub(crate) mod shield;
pub(crate) mod start;
pub(crate) mod stream;
pub(crate) mod watch;
pub(crate) mod with;
pub(crate) mod yield_now;
