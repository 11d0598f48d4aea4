//! A listening socket.

use crate::driver::sources::Direction;
use crate::net::registered::Registered;
use crate::net::resolve::resolve;
use crate::net::stream::TcpStream;
use crate::pool::global;
use crate::waiters::Key;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, io};

/// Connections that the system keeps for us until they are accepted. The standard library asks for
/// 128; a burst beyond that loses handshakes, which clients repeat after a whole second. 1024 is
/// what tokio and mio ask for.
const BACKLOG: i32 = 1024;

/// A TCP socket that accepts connections. Any number of tasks may accept at once.
///
/// # Examples
///
/// ```
/// use spinney::net::TcpListener;
///
/// spinney::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     assert_ne!(listener.local_addr()?.port(), 0);
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub struct TcpListener(Registered<std::net::TcpListener>);

impl TcpListener {
    /// Binds to the first address of `name` that can be had: `host:port`, or an address. Port 0
    /// lets the system choose.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::TcpListener;
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     assert!(listener.local_addr()?.ip().is_loopback());
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
    /// Dropping the future closes the socket; a lookup of the name ends on its thread.
    ///
    /// # Blocking
    ///
    /// Never: names are looked up on a thread for calls that block.
    pub async fn bind(name: &str) -> io::Result<Self> {
        let addresses = resolve(name).await?;
        let listener = std::net::TcpListener::bind(&addresses[..])?;
        // On a socket that listens already this changes the length of its queue.
        rustix::net::listen(&listener, BACKLOG)?;
        Self::from_std(listener)
    }

    /// Takes over a listener of the standard library, and sets it non-blocking.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::TcpListener;
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// let address = listener.local_addr().unwrap();
    /// let listener = TcpListener::from_std(listener).unwrap();
    /// assert_eq!(listener.local_addr().unwrap(), address);
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, for instance no more file descriptors.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Registered::new(listener, global::driver()).map(Self)
    }

    /// Accepts the next connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     let (server, address) = listener.accept().await?;
    ///     assert_eq!(address, client.local_addr()?);
    ///     assert_eq!(server.peer_addr()?, address);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system. Without free file descriptors the connection stays in the queue of the
    /// system: wait a little and accept again.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no connection.
    pub fn accept(&self) -> Accept<'_> {
        Accept {
            listener: self,
            key: Key::default(),
        }
    }

    /// Accepts a connection that the system has ready, else fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// It asks the system and not the driver, so that no client that has connected before the call
    /// is missed: a server that stops accepts with it the clients that are still in the queue,
    /// before it closes the listener.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::TcpListener;
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    ///     let (_, address) = listener.try_accept()?;
    ///     assert_eq!(address, client.local_addr()?);
    ///     assert!(listener.try_accept().is_err());
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`accept`](TcpListener::accept).
    pub fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = self.0.io().accept()?;
        Ok((TcpStream::from_std(stream)?, address))
    }

    /// The address that it is bound to.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::TcpListener;
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     assert_ne!(listener.local_addr()?.port(), 0); // the system chose one
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
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpListener").field(self.0.io()).finish()
    }
}

/// The future of [`TcpListener::accept`].
///
/// # Examples
///
/// ```
/// use spinney::net::{Accept, TcpListener, TcpStream};
///
/// fn next(listener: &TcpListener) -> Accept<'_> {
///     listener.accept()
/// }
///
/// spinney::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect_addr(listener.local_addr()?).await?;
///     assert_eq!(next(&listener).await?.1, client.local_addr()?);
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Accept<'a> {
    listener: &'a TcpListener,
    key: Key,
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let accept = |io: &std::net::TcpListener| io.accept();
        let registered = &this.listener.0;
        let accepted = registered.poll_io(Direction::Read, Some(&mut this.key), cx, accept);
        accepted.map(|result| {
            let (stream, address) = result?;
            Ok((TcpStream::from_std(stream)?, address))
        })
    }
}

impl Drop for Accept<'_> {
    fn drop(&mut self) {
        self.listener.0.forget(Direction::Read, &mut self.key);
    }
}

impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept").finish_non_exhaustive()
    }
}
