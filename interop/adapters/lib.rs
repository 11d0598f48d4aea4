//! Other people's libraries on spinney: a file for each, to copy.
//!
//! `tls` is a listener for servers. The others are runtimes, which start the tasks of their library
//! in a group that they are given.

pub mod any_spawner;
pub mod hickory;
pub mod quinn;
pub mod tls;
