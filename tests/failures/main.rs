//! Each error and each panic comes out once, where it belongs.

#[path = "../common/mod.rs"]
mod common;

mod absorption;
mod bad_panics;
mod nested_errors;
mod no_error_dropped;
mod own_bug;
mod panics;
mod unused_errors;
