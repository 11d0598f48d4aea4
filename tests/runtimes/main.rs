//! The life of a runtime: how it is built and found, how it ends, what it refuses.

#[path = "../common/mod.rs"]
mod common;

mod after_the_end;
mod bad_moments;
mod bad_options;
mod fork;
mod global_runtime;
mod installed_runtime;
mod shutdown;
mod stdin;
