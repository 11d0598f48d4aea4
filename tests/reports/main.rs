//! What a program is told of its tasks: names, places, reasons, numbers, dumps.

#[path = "../common/mod.rs"]
mod common;

mod context;
mod dump;
mod endpoints;
mod large;
mod live;
mod measured;
mod names;
mod openmetrics;
mod reasons;
mod spans;
mod stalls;
mod stragglers;
mod teardown;
mod traces;
