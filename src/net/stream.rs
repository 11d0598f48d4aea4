//! A connection.

use crate::driver::sources::Direction;
use crate::net::address::{Target, ToSocketAddrs, target};
use crate::net::connect;
use crate::net::registered::{MAX_SLICES, Registered, room_of};
use crate::poll::budget;
use crate::pool::global;
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
    /// Connects to the first of these addresses that answers.
    ///
    /// `address` is an address, a pair of an IP address or a host and a port, `host:port`, or a
    /// slice of addresses: see [`ToSocketAddrs`].
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let port = listener.local_addr()?.port();
    ///     let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    ///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    ///     drop(listener);
    ///     let refused = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap_err();
    ///     assert!(refused.to_string().contains("127.0.0.1"));
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// The last address's error, or that of the resolver. Its text names the address; its kind is
    /// that of the system's error, which is its [`source`](std::error::Error::source).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket. A lookup of the name that has not begun is not made;
    /// one that has begun ends on its thread.
    ///
    /// # Blocking
    ///
    /// Never: names are looked up on a thread for calls that block, addresses not at all.
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let target = target(&address);
        connect::any(&target).await.map(Self)
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
    /// As [`connect`](TcpStream::connect).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket.
    pub async fn connect_addr(address: SocketAddr) -> io::Result<Self> {
        connect::any(&Target::Addresses(vec![address]))
            .await
            .map(Self)
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
        let buffers = buffers.get(..MAX_SLICES).unwrap_or(buffers);
        let room = room_of(buffers.iter().map(|buffer| buffer.len()));
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
                let count = buffers.len().min(MAX_SLICES);
                let buffers = &mut buffers[..count];
                let room = room_of(buffers.iter().map(|buffer| buffer.len()));
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
