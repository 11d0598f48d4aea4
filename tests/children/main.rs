//! What can be started in a group, and what comes back from it.

#[path = "../common/mod.rs"]
mod common;

mod limits;
mod results;
mod sets;
mod start;
mod streams;
mod supervision;
mod task_locals;
