//! Sockets and pipes: what each kind does, what is left behind, and how errors name what failed.

#[path = "../common/mod.rs"]
mod common;

mod datagrams;
mod descriptors;
mod pipes;
mod sockets;
mod streams;
mod unix;

use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
