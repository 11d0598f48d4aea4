//! spinney: a work-stealing, multithreaded task-group executor.
#![allow(dead_code, reason = "the first landing is put together from parts")]

// Floor 0: the ground.
mod rng;
mod sync;
mod unwind;
// Floor 1: waiting.
mod parker;
mod waiters;
// Floor 2: who sleeps, what is queued.
mod job;
mod sleep;
// Floor 3: groups and the driver.
mod driver;
mod group;
// Floor 4: tasks.
mod task;
// Floor 5: the pool.
mod pool;
// Floor 6: the surface.
mod compat;
#[cfg(feature = "net")]
pub mod net;
pub mod time;
