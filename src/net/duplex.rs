//! What a connection needs in order to be made of two halves.

use futures_io::{AsyncRead, AsyncWrite};
use std::fmt;
use std::io;

/// A connection that can be split into two halves, each owned by a task of its own: [`TcpStream`]
/// and [`UnixStream`].
///
/// It cannot be implemented elsewhere.
///
/// [`TcpStream`]: crate::net::TcpStream
/// [`UnixStream`]: crate::net::UnixStream
///
/// # Examples
///
/// ```
/// use spinney::net::{Duplex, OwnedWriteHalf, TcpListener, TcpStream};
///
/// /// For either kind of connection.
/// fn hang_up<S: Duplex>(writer: OwnedWriteHalf<S>) {
///     drop(writer); // the other end reads the end of the stream
/// }
///
/// spinney::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect_addr(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///     let (_reader, writer) = client.into_split();
///     hang_up(writer);
///     assert_eq!(server.read(&mut [0]).await?, 0);
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub trait Duplex: AsyncRead + AsyncWrite + fmt::Debug + Unpin + Ends {}

pub(crate) use sealed::Ends;

/// Only this crate implements [`Duplex`].
mod sealed {
    /// A connection whose direction of writing can be ended.
    pub trait Ends {
        /// Sends the end of the stream; in a forked process it does nothing, for the connection is
        /// the parent's, too.
        fn end(&self) -> super::io::Result<()>;
    }
}
