//! Children of a group: every way to start one, and the handles that its starter gets.
//!
//! `outcome` says what a child may return; `task` is an ordinary child's handle, and `spawn` starts
//! one; `failure` is what a `supervised` child ends with; `service` is a child that is not work
//! left, and `uncut` one that is asked and not cut; `closures` are children that compute or block;
//! `race` lets the first of several win.
//!
//! `completion` is a child that hands its end on; on it stand `set` (results in order of
//! completion), `bounded` (a limit on what runs, with its `places`), `start` (the ready handshake),
//! `restart`, and `stream` (generators).

pub(crate) mod bounded;
pub(crate) mod closures;
pub(crate) mod completion;
pub(crate) mod failure;
pub(crate) mod outcome;
mod places;
pub(crate) mod race;
pub(crate) mod restart;
pub(crate) mod service;
pub(crate) mod set;
pub(crate) mod spawn;
pub(crate) mod start;
pub(crate) mod stream;
pub(crate) mod supervised;
pub(crate) mod task;
#[cfg(feature = "process")]
pub(crate) mod uncut;
