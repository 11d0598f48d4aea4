//! TCP sockets on the runtime's own driver.
//!
//! They speak `futures_io`, work on any executor, and, off a runtime, start the global one.
//!
//! # Several tasks on one socket
//!
//! `&TcpStream` reads and writes, too, so that one task can read while another one writes. The
//! traits say that a direction has one waker, that of the last poll, and give no way to take it
//! back: a read that is given up leaves its waker until something comes. So a direction keeps the
//! last two. Two tasks may wait for the same direction; of more the oldest is woken, and polls
//! again, so that none is forgotten, but they keep each other busy. Any number of tasks may
//! [`accept`](TcpListener::accept).

mod address;
mod connect;
mod halves;
mod listener;
mod pause;
mod registered;
mod resolve;
mod stream;
#[cfg(test)]
mod tests;

pub use address::ToSocketAddrs;
pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use listener::{Accept, TcpListener};
pub use stream::TcpStream;
