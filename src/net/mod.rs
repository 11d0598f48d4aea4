//! Sockets and pipes on the runtime's own driver: TCP, UDP, Unix sockets, and descriptors of the
//! user's own ([`Async`]).
//!
//! They have methods of their own, speak `futures_io` for all else, work on any executor, and, off
//! a runtime, start the global one.
//!
//! # An echo server
//!
//! A child for each client; the first one that fails in a way that is not its client's ends all.
//!
//! ```
//! use spinney::net::{TcpListener, TcpStream};
//! use spinney::{Group, try_group};
//! use std::io;
//!
//! async fn echo(stream: TcpStream) -> io::Result<()> {
//!     let mut room = [0; 1024];
//!     loop {
//!         match stream.read(&mut room).await? {
//!             0 => return Ok(()), // the client has closed
//!             count => stream.write_all(&room[..count]).await?,
//!         }
//!     }
//! }
//!
//! async fn serve(g: Group<'_, '_, io::Error>, listener: TcpListener) -> io::Result<()> {
//!     loop {
//!         let (stream, _) = listener.accept().await?;
//!         g.spawn(async move {
//!             let _ = echo(stream).await; // one client's failure is not the server's
//!         });
//!     }
//! }
//!
//! # fn main() -> io::Result<()> {
//! let said = spinney::block_on(try_group(async |g: Group<'_, '_, io::Error>| {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     g.service(serve(g, listener)); // is cut when the rest has ended
//!     let client = TcpStream::connect(address).await?;
//!     client.write_all(b"hello").await?;
//!     let mut said = [0; 5];
//!     client.read_exact(&mut said).await?;
//!     Ok(said)
//! }));
//! assert_eq!(&said.map_err(spinney::Errors::into_first)?, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Several tasks on one socket
//!
//! All that reads or writes takes a shared reference, so that one task can read while another one
//! writes. Any number of tasks may wait in a method, such as [`read`](TcpStream::read) or
//! [`accept`](TcpListener::accept).
//!
//! The traits say that a direction has one waker, that of the last poll, and give no way to take it
//! back: a read that is given up leaves its waker until something comes. So a direction keeps the
//! last two. Two tasks may wait for the same direction by the traits; of more the oldest is woken,
//! and polls again, so that none is forgotten, but they keep each other busy.

mod accepting;
pub(crate) mod address;
mod again;
mod bytes;
mod connect;
mod datagrams;
mod duplex;
mod endpoint;
mod halves;
mod happy_eyeballs;
mod listener;
mod operation;
mod options;
mod own_source;
pub(crate) mod pause;
pub mod pipe;
pub(crate) mod registered;
mod resolve;
mod std_socket;
mod stream;
mod tcp_socket;
#[cfg(test)]
mod tests;
mod transfer;
mod udp;
mod unix_address;
mod unix_datagram;
mod unix_listener;
mod unix_stream;
mod waits;

pub use address::ToSocketAddrs;
pub use duplex::Duplex;
pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use listener::{Accept, TcpListener};
pub use own_source::Async;
pub use resolve::lookup_host;
pub use stream::TcpStream;
pub use tcp_socket::TcpSocket;
pub use udp::UdpSocket;
pub use unix_datagram::UnixDatagram;
pub use unix_listener::UnixListener;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use unix_stream::PeerCredentials;
pub use unix_stream::UnixStream;
