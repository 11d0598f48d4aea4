//! What the tests of promises share: one idea for each file.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each program uses a part"
)]

pub(crate) mod drops;
pub(crate) mod durations;
pub(crate) mod hangs;
pub(crate) mod log;
pub(crate) mod openmetrics;
pub(crate) mod panics;
pub(crate) mod place;
pub(crate) mod polls;
pub(crate) mod process;
pub(crate) mod runtimes;
pub(crate) mod sockets;
