//! Other people's software in one program with spinney: their libraries in our tasks, and our
//! groups on their executors.
//!
//! Every test is a process of its own, for each of them counts what its process has.

#[path = "../../tests/common/mod.rs"]
mod common;

mod census;
mod examples;
mod executors;
mod http;
mod libraries;
mod served;
mod servers;
mod trial;
