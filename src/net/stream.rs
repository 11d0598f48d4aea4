//! A connection.

use crate::driver::sources::Direction;
use crate::net::address::{Target, ToSocketAddrs, target};
use crate::net::bytes::{async_read, async_write, read_methods, write_methods};
use crate::net::connect;
use crate::net::duplex::{Duplex, Ends};
use crate::net::endpoint;
use crate::net::registered::Registered;
use crate::net::std_socket::std_socket;
use rustix::net::sockopt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// A TCP connection.
///
/// It has methods of its own that read and write, and the traits of `futures_io` for the rest. All
/// take a shared reference, too, so that two tasks can share one connection; [`into_split`] makes
/// halves for tasks that own theirs.
///
/// # The end of the stream
///
/// Dropping the connection closes it. To tell the other end that no more bytes come, and go on
/// reading, close one direction: [`shutdown(Shutdown::Write)`][shutdown], which is also what
/// `AsyncWriteExt::close` does, and what dropping an [`OwnedWriteHalf`] does.
///
/// [`into_split`]: TcpStream::into_split
/// [shutdown]: TcpStream::shutdown
/// [`OwnedWriteHalf`]: crate::net::OwnedWriteHalf
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
    /// The addresses of a name are tried as RFC 8305 ("Happy Eyeballs") says: IPv6 and IPv4 by
    /// turns, a further attempt when one has failed or 250 ms after it has begun, and the first
    /// connection wins. A slice of addresses is tried one after the other, in its order.
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
    /// The last address's error, or that of the resolver. Its text names the address, and for a
    /// name each address that failed, with its error; its kind is that of the system's last error,
    /// which is its [`source`](std::error::Error::source).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the sockets. A lookup of the name that has not begun is not made;
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
    ///     assert!(!stream.nodelay()?);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.0.io().nodelay()
    }

    /// Sets how many routers a packet may pass (`IP_TTL`), from 1 to 255.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     stream.set_ttl(10)?;
    ///     assert_eq!(stream.ttl()?, 10);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn set_ttl(&self, routers: u32) -> io::Result<()> {
        self.0.io().set_ttl(routers)
    }

    /// How many routers a packet may pass: see [`set_ttl`](TcpStream::set_ttl).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     assert!(stream.ttl()? > 0);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn ttl(&self) -> io::Result<u32> {
        self.0.io().ttl()
    }

    /// Sets how long the system keeps a connection that was closed while bytes are not yet
    /// acknowledged (`SO_LINGER`), in whole seconds: `None` is the system's own time.
    ///
    /// Zero throws these bytes away, and the other end sees a reset. A longer time makes the *drop*
    /// of the connection block the thread until it is over, or the bytes have arrived: use zero or
    /// `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    /// use std::io::ErrorKind;
    /// use std::time::Duration;
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     let (server, _) = listener.accept().await?;
    ///     server.set_linger(Some(Duration::ZERO))?;
    ///     drop(server);
    ///     let error = client.read(&mut [0]).await.unwrap_err();
    ///     assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        Ok(sockopt::set_socket_linger(self.0.io(), time)?)
    }

    /// How long the system keeps a connection that was closed, in whole seconds: see
    /// [`set_linger`](TcpStream::set_linger).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     assert_eq!(stream.linger()?, None);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(sockopt::socket_linger(self.0.io())?)
    }

    /// Closes one direction of the connection, or both: it is not closed itself.
    ///
    /// After `Shutdown::Write` the other end reads the end of the stream, behind what was written,
    /// and can still be read. This is a half-close. It is at once: nothing is kept back here.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpStream};
    /// use std::net::Shutdown;
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect_addr(listener.local_addr()?).await?;
    ///     let (server, _) = listener.accept().await?;
    ///     client.shutdown(Shutdown::Write)?;
    ///     assert_eq!(server.read(&mut [0]).await?, 0); // the end
    ///     server.write_all(b"bye").await?;
    ///     let mut text = [0; 3];
    ///     client.read_exact(&mut text).await?;
    ///     assert_eq!(&text, b"bye");
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system. That the other end was faster, and has closed the connection, is none.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self.0.io().shutdown(how) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }

    /// Copies what has arrived into `buffer` and leaves it in the socket; waits if there is
    /// nothing. `Ok(0)` is the end of the stream.
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
    ///     client.write_all(b"G").await?;
    ///     let (mut first, mut again) = ([0], [0]);
    ///     server.peek(&mut first).await?;
    ///     server.read_exact(&mut again).await?;
    ///     assert_eq!(first, again);
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
    /// Dropping the future loses nothing. Any number of tasks may wait here.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0
            .operation(Direction::Read, |io| io.peek(buffer))
            .await
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
        self.0.try_io(Direction::Read, |io| io.peek(buffer))
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
}

impl Duplex for TcpStream {}

impl Ends for TcpStream {
    fn end(&self) -> io::Result<()> {
        // In a forked process the connection is the parent's, too.
        match self.0.driver().is_elsewhere() {
            true => Ok(()),
            false => self.shutdown(Shutdown::Write),
        }
    }
}

std_socket!(
    TcpStream,
    std::net::TcpStream,
    |io| {
        let endpoint = endpoint::of(&io);
        Registered::new(io, endpoint).map(Self)
    },
    |this| this.0,
    "# use spinney::net::{TcpListener, TcpStream};
# let listener = TcpListener::bind(\"127.0.0.1:0\").await?;
# let socket = TcpStream::connect_addr(listener.local_addr()?).await?;"
);

read_methods!(
    TcpStream,
    |this| this.0,
    "# use spinney::net::{TcpListener, TcpStream};
# let listener = TcpListener::bind(\"127.0.0.1:0\").await?;
# let near = TcpStream::connect_addr(listener.local_addr()?).await?;
# let (far, _) = listener.accept().await?;"
);

write_methods!(
    TcpStream,
    |this| this.0,
    "# use spinney::net::{TcpListener, TcpStream};
# let listener = TcpListener::bind(\"127.0.0.1:0\").await?;
# let near = TcpStream::connect_addr(listener.local_addr()?).await?;
# let (far, _) = listener.accept().await?;"
);

async_read!(TcpStream, &TcpStream => |this| this.0);
async_write!(TcpStream, &TcpStream => |this| this.0, this.shutdown(Shutdown::Write));
