//! A connection.

use crate::driver::sources::Direction;
use crate::net::connect;
use crate::net::registered::Registered;
use crate::net::resolve::resolve;
use crate::poll::budget;
use crate::pool::global;
use crate::sync::Arc;
use futures_io::{AsyncRead, AsyncWrite};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A TCP connection.
///
/// `&TcpStream` reads and writes, too, so that two tasks can share one connection.
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use spinney::net::{TcpListener, TcpStream};
///
/// spinney::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let mut client = TcpStream::connect_addr(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///     client.write_all(b"hello").await?;
///     let mut text = [0; 5];
///     server.read_exact(&mut text).await?;
///     assert_eq!(&text, b"hello");
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub struct TcpStream(pub(crate) Registered<std::net::TcpStream>);

impl TcpStream {
    /// Connects to the first address of `name` that answers: `host:port`, or an address.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect(&listener.local_addr()?.to_string()).await?;
    ///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// The last address's error, or that of the resolver.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket.
    ///
    /// # Blocking
    ///
    /// Never: names are looked up on a thread for calls that block.
    pub async fn connect(name: &str) -> io::Result<Self> {
        let addresses = resolve(name).await?;
        connect::any(&addresses).await.map(Self)
    }

    /// Connects to an address.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket.
    pub async fn connect_addr(address: SocketAddr) -> io::Result<Self> {
        connect::any(&[address]).await.map(Self)
    }

    /// Takes over a connection of the standard library, and sets it non-blocking.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::TcpStream;
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    /// let stream = TcpStream::from_std(stream).unwrap();
    /// assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, for instance no more file descriptors.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Registered::new(stream, global::driver()).map(Self)
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     stream.set_nodelay(true)?;
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn set_nodelay(&self, yes: bool) -> io::Result<()> {
        self.0.io().set_nodelay(yes)
    }

    /// Copies what has arrived into `buffer` and leaves it in the socket; without any it fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock). `Ok(0)` is the end of the stream.
    ///
    /// It asks the system and not the driver: what had arrived before the call is seen. A server
    /// that stops learns from it whether a client has sent one more request.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    /// use std::io::ErrorKind;
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     let nothing = stream.try_peek(&mut [0]).unwrap_err();
    ///     assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.io().peek(buffer)
    }

    /// The address of this end.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     assert!(stream.local_addr()?.ip().is_loopback());
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().peer_addr()
    }

    /// Two halves that can be used in different tasks. The connection closes when both are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::{AsyncReadExt, AsyncWriteExt};
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(spinney::group(async |g| {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ///     let address = listener.local_addr().unwrap();
    ///     let (mut reader, mut writer) = TcpStream::connect_addr(address).await.unwrap().split();
    ///     let (mut echo, _) = listener.accept().await.unwrap();
    ///     g.spawn(async move { writer.write_all(b"hi").await.unwrap() });
    ///     let mut text = [0; 2];
    ///     echo.read_exact(&mut text).await.unwrap();
    ///     echo.write_all(&text).await.unwrap();
    ///     reader.read_exact(&mut text).await.unwrap();
    ///     assert_eq!(&text, b"hi");
    /// }));
    /// ```
    #[must_use]
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        let stream = Arc::new(self);
        (ReadHalf(Arc::clone(&stream)), WriteHalf(stream))
    }

    pub(crate) fn poll_write_io(
        &self,
        room: usize,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&mut &std::net::TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.0
            .poll_transfer(Direction::Write, room, cx, |mut io| op(&mut io))
    }

    pub(crate) fn poll_write_vectored_io(
        &self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let room = buffers.iter().map(|buffer| buffer.len()).sum();
        self.poll_write_io(room, cx, |io| io.write_vectored(buffers))
    }

    fn poll_read_io(
        &self,
        room: usize,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&mut &std::net::TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.0
            .poll_transfer(Direction::Read, room, cx, |mut io| op(&mut io))
    }

    /// Nothing is kept back here.
    pub(crate) fn poll_flush_io(cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        budget::spend(cx).map(Ok)
    }

    pub(crate) fn poll_shut_write(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        budget::spend(cx).map(|()| match self.0.io().shutdown(Shutdown::Write) {
            // The other end was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        })
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpStream").field(self.0.io()).finish()
    }
}

/// The reading half of a connection: [`TcpStream::split`].
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncReadExt;
/// use spinney::net::{ReadHalf, TcpListener, TcpStream};
///
/// async fn rest(mut reader: ReadHalf) -> std::io::Result<Vec<u8>> {
///     let mut bytes = Vec::new();
///     reader.read_to_end(&mut bytes).await?;
///     Ok(bytes)
/// }
///
/// spinney::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect_addr(listener.local_addr()?).await?;
///     drop(listener.accept().await?); // the other end closes
///     assert!(rest(client.split().0).await?.is_empty());
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct ReadHalf(Arc<TcpStream>);

/// The writing half of a connection: [`TcpStream::split`].
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use spinney::net::{TcpListener, TcpStream, WriteHalf};
///
/// async fn greet(mut writer: WriteHalf) -> std::io::Result<()> {
///     writer.write_all(b"hello").await?;
///     writer.close().await // the other end reads to the end
/// }
///
/// spinney::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect_addr(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///     greet(client.split().1).await?;
///     let mut text = String::new();
///     server.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct WriteHalf(Arc<TcpStream>);

macro_rules! read {
    ($type:ty, |$this:ident| $stream:expr) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                $stream.poll_read_io(buffer.len(), cx, |io| io.read(buffer))
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                let room = buffers.iter().map(|buffer| buffer.len()).sum();
                $stream.poll_read_io(room, cx, |io| io.read_vectored(buffers))
            }
        }
    };
}

macro_rules! write {
    ($type:ty, |$this:ident| $stream:expr) => {
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &[u8],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                $stream.poll_write_io(buffer.len(), cx, |io| io.write(buffer))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                $stream.poll_write_vectored_io(cx, buffers)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                TcpStream::poll_flush_io(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $this = &*self;
                $stream.poll_shut_write(cx)
            }
        }
    };
}

read!(TcpStream, |this| this);
write!(TcpStream, |this| this);
read!(&TcpStream, |this| this);
write!(&TcpStream, |this| this);
read!(ReadHalf, |this| this.0);
write!(WriteHalf, |this| this.0);
