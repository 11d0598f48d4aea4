//! Every task gets its turn, however many there are, however deep, whatever blocks.

#[path = "../common/mod.rs"]
mod common;

mod budget;
mod depth;
mod progress;
mod stalls;
mod stress;
mod turns;
