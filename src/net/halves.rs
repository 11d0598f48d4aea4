//! The two halves of a connection, each owned by a task of its own.

use crate::net::bytes::{read_methods, write_methods};
use crate::net::duplex::Duplex;
use crate::net::stream::TcpStream;
use crate::sync::Arc;
use futures_io::{AsyncRead, AsyncWrite};
use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The reading half of a connection: [`TcpStream::into_split`], or that of a
/// [`UnixStream`](crate::net::UnixStream).
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncReadExt;
/// use spinney::net::{OwnedReadHalf, TcpListener, TcpStream};
///
/// async fn rest(mut reader: OwnedReadHalf) -> std::io::Result<Vec<u8>> {
///     let mut bytes = Vec::new();
///     reader.read_to_end(&mut bytes).await?;
///     Ok(bytes)
/// }
///
/// spinney::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect_addr(listener.local_addr()?).await?;
///     drop(listener.accept().await?); // the other end closes
///     let (reader, _writer) = client.into_split();
///     assert!(rest(reader).await?.is_empty());
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct OwnedReadHalf<S = TcpStream>(Arc<S>);

/// The writing half of a connection: [`TcpStream::into_split`], or that of a
/// [`UnixStream`](crate::net::UnixStream).
///
/// When it is dropped, or closed, the other end reads the end of the stream, whatever the reading
/// half does: [`forget`](OwnedWriteHalf::forget) prevents that.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncReadExt;
/// use spinney::net::{OwnedWriteHalf, TcpListener, TcpStream};
///
/// async fn greet(writer: OwnedWriteHalf) -> std::io::Result<()> {
///     writer.write_all(b"hello").await
/// } // the other end reads to the end
///
/// spinney::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect_addr(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///     let (_reader, writer) = client.into_split();
///     greet(writer).await?;
///     let mut text = String::new();
///     server.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct OwnedWriteHalf<S: Duplex = TcpStream> {
    stream: Arc<S>,
    /// The end of the stream is yet to be sent.
    open: bool,
}

impl TcpStream {
    /// Two halves that can be used in different tasks, and be put together again. The other end
    /// reads the end of the stream when the writing half is dropped; the connection closes when
    /// both are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::AsyncReadExt;
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(spinney::group(async |g| {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ///     let address = listener.local_addr().unwrap();
    ///     let client = TcpStream::connect_addr(address).await.unwrap();
    ///     let (reader, writer) = client.into_split();
    ///     let (mut echo, _) = listener.accept().await.unwrap();
    ///     g.spawn(async move { writer.write_all(b"hi").await.unwrap() });
    ///     let mut text = Vec::new();
    ///     echo.read_to_end(&mut text).await.unwrap(); // the writer has gone
    ///     echo.write_all(&text).await.unwrap();
    ///     reader.read_exact(&mut text).await.unwrap();
    ///     assert_eq!(&text, b"hi");
    /// }));
    /// ```
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        halves_of(self)
    }

    /// The same as [`into_split`](TcpStream::into_split), by a shorter name.
    ///
    /// Halves that borrow are there without a call: `&TcpStream` reads and writes.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::AsyncReadExt;
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let (_, writer) = TcpStream::connect_addr(listener.local_addr()?).await?.split();
    ///     writer.write_all(b"hi").await?;
    ///     drop(writer);
    ///     let mut text = Vec::new();
    ///     listener.accept().await?.0.read_to_end(&mut text).await?;
    ///     assert_eq!(text, b"hi");
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    #[must_use]
    pub fn split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        self.into_split()
    }
}

/// The two halves of a connection.
pub(crate) fn halves_of<S: Duplex>(stream: S) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let stream = Arc::new(stream);
    let reader = OwnedReadHalf(Arc::clone(&stream));
    (reader, OwnedWriteHalf { stream, open: true })
}

impl<S: Duplex> OwnedReadHalf<S> {
    /// Puts the halves of one connection together again.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     let (reader, writer) = client.into_split();
    ///     let client = reader.reunite(writer).unwrap();
    ///     assert_eq!(client.peer_addr()?, listener.local_addr()?);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Gives both back if they are halves of different connections.
    pub fn reunite(self, writer: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !Arc::ptr_eq(&self.0, &writer.stream) {
            return Err(ReuniteError(self, writer));
        }
        writer.forget();
        match Arc::into_inner(self.0) {
            Some(whole) => Ok(whole),
            None => unreachable!("a connection has two halves"),
        }
    }
}

impl<S: Duplex> OwnedWriteHalf<S> {
    /// Drops it without an end of the stream: the connection stays open in both directions as long
    /// as the reading half lives.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     let (server, _) = listener.accept().await?;
    ///     let (_reader, writer) = client.into_split();
    ///     writer.forget();
    ///     let nothing = server.try_peek(&mut [0]).unwrap_err(); // and not the end
    ///     assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    pub fn forget(mut self) {
        self.open = false;
    }
}

impl<S> AsyncRead for OwnedReadHalf<S>
where
    for<'a> &'a S: AsyncRead,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.0).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.0).poll_read_vectored(cx, buffers)
    }
}

impl<S: Duplex> AsyncWrite for OwnedWriteHalf<S>
where
    for<'a> &'a S: AsyncWrite,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.stream).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.stream).poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self.stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self.stream).poll_close(cx)
    }
}

impl<S> AsRef<S> for OwnedReadHalf<S> {
    /// The connection, for its addresses and options.
    fn as_ref(&self) -> &S {
        &self.0
    }
}

impl<S: Duplex> AsRef<S> for OwnedWriteHalf<S> {
    /// The connection, for its addresses and options.
    fn as_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: Duplex> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if self.open {
            // An error says that the other end was faster.
            let _ = self.stream.end();
        }
    }
}

/// The halves that [`OwnedReadHalf::reunite`] was given belong to different connections.
///
/// # Examples
///
/// ```
/// use spinney::net::{ReuniteError, TcpListener, TcpStream};
///
/// spinney::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let one = TcpStream::connect_addr(listener.local_addr()?).await?;
///     let other = TcpStream::connect_addr(listener.local_addr()?).await?;
///     let (reader, _writer) = one.into_split();
///     let (_reader, writer) = other.into_split();
///     let ReuniteError(reader, writer) = reader.reunite(writer).unwrap_err();
///     assert_ne!(reader.as_ref().local_addr()?, writer.as_ref().local_addr()?);
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct ReuniteError<S: Duplex = TcpStream>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

impl<S: Duplex> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("halves of different connections cannot be put together")
    }
}

impl<S: Duplex> Error for ReuniteError<S> {}

read_methods!(
    OwnedReadHalf<TcpStream>,
    |this| this.0.0,
    "# use spinney::net::{TcpListener, TcpStream};
# let listener = TcpListener::bind(\"127.0.0.1:0\").await?;
# let near = TcpStream::connect_addr(listener.local_addr()?).await?;
# let (far, _) = listener.accept().await?;
# let (near, _writer) = near.into_split();"
);

write_methods!(
    OwnedWriteHalf<TcpStream>,
    |this| this.stream.0,
    "# use spinney::net::{TcpListener, TcpStream};
# let listener = TcpListener::bind(\"127.0.0.1:0\").await?;
# let far = TcpStream::connect_addr(listener.local_addr()?).await?;
# let (near, _) = listener.accept().await?;
# let (_reader, far) = far.into_split();"
);
