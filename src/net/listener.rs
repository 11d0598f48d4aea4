//! A listening socket.

use crate::net::accepting::{Accepting, Listening, Listens};
use crate::net::address::{ToSocketAddrs, target};
use crate::net::registered::Registered;
use crate::net::resolve::first_of;
use crate::net::std_socket::std_socket;
use crate::net::stream::TcpStream;
use crate::report::waits_for::Endpoint;
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
pub struct TcpListener(Listening<std::net::TcpListener>);

impl TcpListener {
    /// Binds to the first of these addresses that can be had. Port 0 lets the system choose.
    ///
    /// `address` is an address, a pair of an IP address or a host and a port, `host:port`, or a
    /// slice of addresses: see [`ToSocketAddrs`].
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::TcpListener;
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let address = listener.local_addr()?;
    ///     assert!(address.ip().is_loopback());
    ///     let taken = TcpListener::bind(address).await.unwrap_err();
    ///     assert!(taken.to_string().contains(&address.to_string()));
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
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        first_of(&target(&address), "bind to", Self::bind_to).await
    }

    fn bind_to(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        // On a socket that listens already this changes the length of its queue.
        rustix::net::listen(&listener, BACKLOG)?;
        Self::from_std(listener)
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
    /// Those of the system. Without room for one more connection (`EMFILE`, `ENFILE`, `ENOBUFS`,
    /// `ENOMEM`) it stays in the queue of the system. After such an error the listener pauses, for
    /// 5 ms, and for twice as long after each further one, up to a second: what accepts meanwhile
    /// waits until then, and tries again. So a loop may log the error and go on.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no connection.
    pub fn accept(&self) -> Accept<'_> {
        Accept(self.0.accept())
    }

    /// Accepts a connection that the system has ready, else fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// It asks the system and not the driver, so that no client that has connected before the call
    /// is missed: a server that stops accepts with it the clients that are still in the queue,
    /// before it closes the listener. It does not pause either.
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
        self.0.try_accept()
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
        self.0.socket.io().local_addr()
    }
}

impl Listens for std::net::TcpListener {
    type Accepted = (TcpStream, SocketAddr);

    fn accept_one(listener: &Registered<Self>) -> io::Result<Self::Accepted> {
        let (stream, address) = listener.io().accept()?;
        stream.set_nonblocking(true)?;
        let stream = Registered::new(stream, Some(Endpoint::Peer(address)))?;
        Ok((TcpStream(stream), address))
    }
}

std_socket!(
    TcpListener,
    std::net::TcpListener,
    |io| Listening::new(io).map(Self),
    |this| this.0.socket,
    "# use spinney::net::TcpListener;
# let socket = TcpListener::bind(\"127.0.0.1:0\").await?;"
);

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
pub struct Accept<'a>(Accepting<'a, std::net::TcpListener>);

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept").finish_non_exhaustive()
    }
}
