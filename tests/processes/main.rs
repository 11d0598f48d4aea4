//! Processes belong to groups, and signals are heard: how a process is ended in every ending, what
//! cannot be started or watched, its streams, and listeners for signals.

#[path = "../common/mod.rs"]
mod common;

mod dumps;
mod endings;
mod errors;
mod let_go;
mod shell;
mod signals;
mod streams;
