//! Files, folders, the standard streams, and copies between streams.

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod copies;
mod cuts;
mod file;
mod folders;
mod standard;
mod tokio_io;
mod write_behind;
