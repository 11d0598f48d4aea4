//! Copies between streams, and the standard streams of the process, which hold up no end.
//!
//! A read of standard input blocks its thread until there is a line or the end, and a write to a
//! full pipe until its reader goes on; nothing but a signal ends either sooner. In a
//! [`blocking`](crate::blocking) child that holds up the end of its group, which joins its
//! children, and so that of the program. [`stdin`], [`stdout`] and [`stderr`] are read and written
//! by threads of their own, one for each in the process, which no runtime and no group joins.
//!
//! [`copy`] and [`copy_bidirectional`] take whatever speaks `futures_io`.

mod copy;
mod own_thread;
mod stdin;
mod stdout;

pub use copy::{copy, copy_bidirectional};
pub use stdin::{Stdin, stdin};
pub use stdout::{Stderr, Stdout, stderr, stdout};
