//! Random group programs, run on spinney and judged by a simple sequential model.
//!
//! A [`program`] is data, whose parts `numbers` numbers and repairs; [`generate`] makes one from a seed; [`interpret`] runs it on a real runtime, whose clock is
//! moved by the [`harness`]; [`record`] lists what happened; [`model`] says what is allowed, and [`check`] compares.
//! How to run and to replay: `docs/random_programs.md`.

mod alive;
pub mod check;
pub mod generate;
mod halves;
pub mod harness;
pub mod interpret;
pub mod known;
mod lent;
pub mod model;
mod numbers;
mod order;
mod print;
pub mod program;
pub mod record;
mod skeletons;
