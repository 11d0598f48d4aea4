//! A TCP socket before it is connected, or listens: the time for most options.

use crate::net::address::failed;
use crate::net::connect;
use crate::net::listener::TcpListener;
use crate::net::options::options;
use crate::net::std_socket::descriptor;
use crate::net::stream::TcpStream;
use rustix::net::{AddressFamily, SocketAddrAny, sockopt};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A TCP socket that is neither connected nor listens yet.
///
/// [`TcpStream::connect`] and [`TcpListener::bind`] do without it. It is for options that have to
/// be set before: the address from which to connect, the length of the queue of a listener, a port
/// that several processes share, the size of buffers.
///
/// Options that are not here can be set with `rustix` or `socket2`, as it is `AsFd`.
///
/// # Examples
///
/// ```
/// use spinney::net::TcpSocket;
///
/// spinney::block_on(async {
///     let socket = TcpSocket::new_v4()?;
///     socket.set_reuseport(true)?;
///     socket.bind("127.0.0.1:0".parse().unwrap())?;
///     let listener = socket.listen(128)?;
///
///     let socket = TcpSocket::new_v4()?;
///     socket.set_nodelay(true)?;
///     socket.bind("127.0.0.2:0".parse().unwrap())?; // from where it connects
///     let client = socket.connect(listener.local_addr()?).await?;
///     let (_, from) = listener.accept().await?;
///     assert_eq!(from.ip().to_string(), "127.0.0.2");
///     assert!(client.nodelay()?);
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub struct TcpSocket(OwnedFd);

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::TcpSocket;
    ///
    /// let socket = TcpSocket::new_v4().unwrap();
    /// socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, for instance no more file descriptors.
    pub fn new_v4() -> io::Result<Self> {
        Self::new(AddressFamily::INET)
    }

    /// A socket for IPv6.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::TcpSocket;
    ///
    /// if let Ok(socket) = TcpSocket::new_v6() {
    ///     assert!(socket.bind("127.0.0.1:0".parse().unwrap()).is_err());
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, for instance no more file descriptors.
    pub fn new_v6() -> io::Result<Self> {
        Self::new(AddressFamily::INET6)
    }

    fn new(family: AddressFamily) -> io::Result<Self> {
        connect::stream_socket(family)
            .map(Self)
            .map_err(|error| failed(error, "cannot make a socket"))
    }

    /// Sets the address of this end. Port 0 lets the system choose.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::TcpSocket;
    ///
    /// let socket = TcpSocket::new_v4().unwrap();
    /// socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    /// assert_ne!(socket.local_addr().unwrap().port(), 0);
    /// ```
    ///
    /// # Errors
    ///
    /// That of the system; its text names the address.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        rustix::net::bind(&self.0, &address)
            .map_err(|error| failed(error.into(), format_args!("cannot bind to {address}")))
    }

    /// Connects to an address.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpSocket};
    ///
    /// spinney::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpSocket::new_v4()?.connect(listener.local_addr()?).await?;
    ///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// That of the system; its text names the address.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        let connected = connect::by(self.0, address).await;
        connected
            .map(TcpStream)
            .map_err(|error| failed(error, format_args!("cannot connect to {address}")))
    }

    /// Listens, with a queue for so many connections that are not accepted yet; the system may have
    /// a smaller limit. [`TcpListener::bind`] asks for 1,024.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{TcpListener, TcpSocket};
    ///
    /// spinney::block_on(async {
    ///     let socket = TcpSocket::new_v4()?;
    ///     socket.set_reuseaddr(true)?; // as a server that is restarted needs it
    ///     socket.bind("127.0.0.1:0".parse().unwrap())?;
    ///     let listener: TcpListener = socket.listen(4096)?;
    ///     assert_ne!(listener.local_addr()?.port(), 0);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn listen(self, queue: u32) -> io::Result<TcpListener> {
        let queue = i32::try_from(queue).unwrap_or(i32::MAX);
        rustix::net::listen(&self.0, queue)
            .map_err(io::Error::from)
            .and_then(|()| TcpListener::from_std(self.0.into()))
            .map_err(|error| failed(error, "cannot listen"))
    }

    /// The address that it is bound to.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::TcpSocket;
    ///
    /// let socket = TcpSocket::new_v4().unwrap();
    /// assert_eq!(socket.local_addr().unwrap().port(), 0); // not yet
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address: SocketAddrAny = rustix::net::getsockname(&self.0)?;
        Ok(SocketAddr::try_from(address)?)
    }
}

options! {
    TcpSocket,
    "# use spinney::net::TcpSocket;
# let socket = TcpSocket::new_v4()?;",
    |this| &this.0;

    /// Whether it can bind to an address at which connections of an earlier socket are still ending
    /// (`SO_REUSEADDR`): as a server that is restarted needs it. [`TcpListener::bind`] sets it.
    set_reuseaddr, reuseaddr: bool = "true",
    |io, yes| sockopt::set_socket_reuseaddr(io, yes), |io| sockopt::socket_reuseaddr(io);

    /// Whether several sockets, of the same user, can be bound to one address and listen
    /// (`SO_REUSEPORT`): the system deals the connections out.
    set_reuseport, reuseport: bool = "true",
    |io, yes| sockopt::set_socket_reuseport(io, yes), |io| sockopt::socket_reuseport(io);

    /// Whether the system asks now and then if the other end is still there (`SO_KEEPALIVE`).
    set_keepalive, keepalive: bool = "true",
    |io, yes| sockopt::set_socket_keepalive(io, yes), |io| sockopt::socket_keepalive(io);

    /// How long a connection is idle before the system asks for the first time (`TCP_KEEPIDLE`), in
    /// whole seconds. Only with [`keepalive`](TcpSocket::keepalive).
    set_keepalive_idle, keepalive_idle: Duration = "Duration::from_secs(60)",
    |io, time| sockopt::set_tcp_keepidle(io, time), |io| sockopt::tcp_keepidle(io);

    /// The time between two questions (`TCP_KEEPINTVL`), in whole seconds.
    set_keepalive_interval, keepalive_interval: Duration = "Duration::from_secs(10)",
    |io, time| sockopt::set_tcp_keepintvl(io, time), |io| sockopt::tcp_keepintvl(io);

    /// After how many questions without an answer the connection fails (`TCP_KEEPCNT`).
    set_keepalive_retries, keepalive_retries: u32 = "3",
    |io, questions| sockopt::set_tcp_keepcnt(io, questions), |io| sockopt::tcp_keepcnt(io);

    /// How long a connection that was closed is kept: see [`TcpStream::set_linger`].
    set_linger, linger: Option<Duration> = "Some(Duration::ZERO)",
    |io, time| sockopt::set_socket_linger(io, time), |io| sockopt::socket_linger(io);

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    set_nodelay, nodelay: bool = "true",
    |io, yes| sockopt::set_tcp_nodelay(io, yes), |io| sockopt::tcp_nodelay(io);
}

/// Sizes that the system changes, so that the examples cannot ask for the same number.
macro_rules! sizes {
    ($($(#[doc = $text:literal])* $set:ident, $get:ident: $do_set:ident, $do_get:ident;)*) => {
        impl TcpSocket {$(
            #[doc = concat!("Sets what [`", stringify!($get), "`](Self::", stringify!($get), ") tells.")]
            /// Linux doubles it, for its own needs, and has a limit.
            ///
            /// # Examples
            ///
            /// ```
            /// use spinney::net::TcpSocket;
            ///
            /// let socket = TcpSocket::new_v4().unwrap();
            #[doc = concat!("socket.", stringify!($set), "(64 << 10).unwrap();")]
            #[doc = concat!("assert!(socket.", stringify!($get), "().unwrap() >= 64 << 10);")]
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system.
            pub fn $set(&self, bytes: usize) -> io::Result<()> {
                Ok(sockopt::$do_set(&self.0, bytes)?)
            }

            $(#[doc = $text])*
            ///
            /// # Examples
            ///
            /// ```
            /// use spinney::net::TcpSocket;
            ///
            /// let socket = TcpSocket::new_v4().unwrap();
            #[doc = concat!("assert!(socket.", stringify!($get), "().unwrap() > 0);")]
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system.
            pub fn $get(&self) -> io::Result<usize> {
                Ok(sockopt::$do_get(&self.0)?)
            }
        )*}
    };
}

sizes! {
    /// The bytes that the system keeps until they are sent and acknowledged (`SO_SNDBUF`).
    set_send_buffer_size, send_buffer_size:
        set_socket_send_buffer_size, socket_send_buffer_size;

    /// The bytes that the system keeps until they are read (`SO_RCVBUF`). What is set turns its own
    /// adjustment off.
    set_recv_buffer_size, recv_buffer_size:
        set_socket_recv_buffer_size, socket_recv_buffer_size;
}

descriptor!(TcpSocket, |this| &this.0);
