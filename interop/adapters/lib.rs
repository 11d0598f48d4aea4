//! Runtimes of other people's libraries on spinney: a file for each, to copy.
//!
//! Each of them starts the tasks of its library in a group that it is given.

pub mod any_spawner;
pub mod hickory;
pub mod quinn;
