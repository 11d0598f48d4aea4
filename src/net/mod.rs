//! TCP sockets on the runtime's own driver.
//!
//! They speak `futures_io`, work on any executor, and, off a runtime, start the global one.

mod connect;
mod listener;
mod registered;
mod resolve;
mod stream;

pub use listener::{Accept, TcpListener};
pub use stream::{ReadHalf, TcpStream, WriteHalf};
