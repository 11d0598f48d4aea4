//! Files and folders: the calls of [`std::fs`], on the threads for closures that block.
//!
//! No worker waits for a disk. Each call of this module is a closure, the child of a group of its
//! own inside the group around the caller, so it is joined like any child:
//!
//! - *A call that was begun is joined, never abandoned.* The kernel cannot be told to give a call
//!   up. A
//!   task that is cut in the middle of one is dropped after its end; where the future alone is
//!   dropped, the group around it waits. So nothing touches a file after the group that asked for
//!   it has ended, and no descriptor is left.
//! - *A call that was not begun is not made.* A closure in the line for a thread leaves it when it
//!   is cut.
//!   Writes of a [`File`] are the exception: once a write has returned, its bytes are written.
//! - Outside of every group, in a plain [`block_on`](crate::block_on), a call that is given up is
//!   waited for by the shutdown of the runtime, and by nothing if that is the global one.
//!
//! A call costs a hop to a thread and back, so it does as much as it can there: [`read`],
//! [`write()`] and [`copy`] are one closure each, [`read_dir`] fetches 256 entries at a time, and a
//! [`File`] reads ahead and writes behind. For a loop over many small calls one closure is better:
//! [`blocking`](crate::blocking) with [`std::fs`] inside.
//!
//! Errors name the attempt and the path; the kind is that of the system's error, which is the
//! [`source`](std::error::Error::source).

mod call;
mod dir;
mod file;
mod options;
mod paths;
mod streams;
mod transfer;
mod whole;
mod write_behind;

pub use dir::{DirEntry, ReadDir, read_dir};
pub use file::File;
pub use options::OpenOptions;
pub use paths::{
    canonicalize, create_dir, create_dir_all, hard_link, metadata, read_link, remove_dir,
    remove_dir_all, remove_file, rename, set_permissions, symlink, symlink_metadata, try_exists,
};
pub use whole::{copy, read, read_to_string, write};
