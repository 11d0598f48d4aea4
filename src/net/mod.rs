//! TCP sockets on the runtime's own driver.
//!
//! They speak `futures_io`, work on any executor, and, off a runtime, start the global one.
//! Operations that are always ready yield after a budget, so that one busy socket does not starve
//! the rest.

mod connect;
mod listener;
mod registered;
mod resolve;
mod stream;

pub use listener::{Accept, TcpListener};
pub use stream::{ReadHalf, TcpStream, WriteHalf};
