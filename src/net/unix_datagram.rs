//! A Unix socket for datagrams.

use crate::driver::sources::Direction;
use crate::net::address::failed;
use crate::net::again;
use crate::net::datagrams::datagram_methods;
use crate::net::endpoint;
use crate::net::registered::Registered;
use crate::net::std_socket::std_socket;
use crate::net::unix_address::{at, failed_addr, failed_path};
use std::io;
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::path::Path;

/// A Unix socket for datagrams: whole messages to processes of the same machine, none of which is
/// lost or overtaken.
///
/// # Examples
///
/// ```
/// use spinney::net::UnixDatagram;
///
/// # let path = std::env::temp_dir().join(format!("spinney-datagram-{}", std::process::id()));
/// spinney::block_on(async {
///     let log = UnixDatagram::bind(&path)?;
///     let program = UnixDatagram::unbound()?;
///     program.send_to(b"started", &path).await?;
///     let mut line = [0; 1024];
///     let count = log.recv(&mut line).await?;
///     assert_eq!(&line[..count], b"started");
///     std::fs::remove_file(&path)
/// }).unwrap();
/// ```
pub struct UnixDatagram(pub(crate) Registered<std::os::unix::net::UnixDatagram>);

impl UnixDatagram {
    /// Binds to a path, where it makes a file, which stays: see
    /// [`UnixListener::bind`](crate::net::UnixListener::bind).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixDatagram;
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-u-bind-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let socket = UnixDatagram::bind(&path)?;
    ///     assert_eq!(socket.local_addr()?.as_pathname(), Some(&*path));
    ///     assert!(UnixDatagram::bind(&path).is_err()); // it is taken
    ///     std::fs::remove_file(&path)
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// That of the system, or of a path which no address can hold. Its text names the path.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        at(path)
            .and_then(|address| std::os::unix::net::UnixDatagram::bind_addr(&address))
            .and_then(Self::from_std)
            .map_err(|error| failed_path(error, "bind to", path))
    }

    /// Binds to an address, such as a name that is no file (Linux).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// spinney::block_on(async {
    ///     use spinney::net::UnixDatagram;
    ///     use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    ///
    ///     let name = format!("spinney-datagram-{}", std::process::id());
    ///     let address = SocketAddr::from_abstract_name(name)?;
    ///     let socket = UnixDatagram::bind_addr(&address)?;
    ///     UnixDatagram::unbound()?.send_to_addr(b"hello", &address).await?;
    ///     socket.recv(&mut [0; 5]).await
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system. Its text names the address.
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        std::os::unix::net::UnixDatagram::bind_addr(address)
            .and_then(Self::from_std)
            .map_err(|error| failed_addr(error, "bind to", address))
    }

    /// A socket without an address, which can send, and is answered by none.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixDatagram;
    ///
    /// spinney::block_on(async {
    ///     let socket = UnixDatagram::unbound()?;
    ///     assert!(socket.local_addr()?.is_unnamed());
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, for instance no more file descriptors.
    pub fn unbound() -> io::Result<Self> {
        std::os::unix::net::UnixDatagram::unbound()
            .and_then(Self::from_std)
            .map_err(|error| failed(error, "cannot make a socket"))
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixDatagram;
    ///
    /// spinney::block_on(async {
    ///     let (one, other) = UnixDatagram::pair()?;
    ///     one.send(b"hello").await?;
    ///     assert_eq!(other.recv(&mut [0; 100]).await?, 5);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, for instance no more file descriptors.
    pub fn pair() -> io::Result<(Self, Self)> {
        let failed = |error| failed(error, "cannot make a pair of sockets");
        let (one, other) = std::os::unix::net::UnixDatagram::pair().map_err(failed)?;
        Ok((
            Self::from_std(one).map_err(failed)?,
            Self::from_std(other).map_err(failed)?,
        ))
    }

    /// Sets the peer: where [`send`](UnixDatagram::send) sends to, and from where alone datagrams
    /// are received.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixDatagram;
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-u-peer-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let server = UnixDatagram::bind(&path)?;
    ///     let client = UnixDatagram::unbound()?;
    ///     client.connect(&path)?;
    ///     client.send(b"hello").await?;
    ///     assert_eq!(server.recv(&mut [0; 100]).await?, 5);
    ///     std::fs::remove_file(&path)
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// That of the system, or of a path which no address can hold. Its text names the path.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        at(path)
            .and_then(|address| self.connect_to(&address))
            .map_err(|error| failed_path(error, "connect to", path))
    }

    /// As [`connect`](UnixDatagram::connect), to an address.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixDatagram;
    ///
    /// spinney::block_on(async {
    ///     let socket = UnixDatagram::unbound()?;
    ///     assert!(socket.connect_addr(&socket.local_addr()?).is_err()); // it has no name
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system. Its text names the address.
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        let connected = self.connect_to(address);
        connected.map_err(|error| failed_addr(error, "connect to", address))
    }

    fn connect_to(&self, address: &SocketAddr) -> io::Result<()> {
        self.0.io().connect_addr(address)?;
        self.0.leads_to(endpoint::unix_peer(address));
        Ok(())
    }

    /// Sends a datagram to the socket that is bound to a path, and waits while the queue of that is
    /// full: how many bytes it was, which is all of them.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixDatagram;
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-u-to-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let gone = UnixDatagram::unbound()?.send_to(b"hello", &path).await.unwrap_err();
    ///     assert!(gone.to_string().contains(path.to_str().unwrap()));
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// That of the system, or of a path which no address can hold. Its text names the path.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped before it is ready nothing was sent.
    ///
    /// # Blocking
    ///
    /// Never. While the queue is full it tries again by time, after 1 ms, and twice as long after
    /// each further try, up to 100 ms, and once in between if there is an event: if others have
    /// filled it the system makes none when there is room. To a peer that was set by
    /// [`connect`](UnixDatagram::connect) there always is one.
    pub async fn send_to(&self, datagram: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let failed = |error| failed_path(error, "send to", path);
        let to = at(path).map_err(failed)?;
        self.sent(datagram, &to).await.map_err(failed)
    }

    /// As [`send_to`](UnixDatagram::send_to), to an address.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixDatagram;
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-u-addr-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let socket = UnixDatagram::bind(&path)?;
    ///     socket.send_to_addr(b"hello", &socket.local_addr()?).await?;
    ///     assert_eq!(socket.recv(&mut [0; 100]).await?, 5);
    ///     std::fs::remove_file(&path)
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send_to`](UnixDatagram::send_to).
    ///
    /// # Cancellation
    ///
    /// As [`send_to`](UnixDatagram::send_to).
    ///
    /// # Blocking
    ///
    /// As [`send_to`](UnixDatagram::send_to).
    pub async fn send_to_addr(&self, datagram: &[u8], to: &SocketAddr) -> io::Result<usize> {
        let sent = self.sent(datagram, to).await;
        sent.map_err(|error| failed_addr(error, "send to", to))
    }

    async fn sent(&self, datagram: &[u8], to: &SocketAddr) -> io::Result<usize> {
        let send = || {
            self.0
                .try_io(Direction::Write, |io| io.send_to_addr(datagram, to))
        };
        again::until_done(send, || self.0.ready(Direction::Write)).await
    }

    /// Sends a datagram to an address, else fails with [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixDatagram;
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-u-try-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let socket = UnixDatagram::bind(&path)?;
    ///     assert_eq!(socket.try_send_to_addr(b"hello", &socket.local_addr()?)?, 5);
    ///     std::fs::remove_file(&path)
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn try_send_to_addr(&self, datagram: &[u8], to: &SocketAddr) -> io::Result<usize> {
        self.0
            .try_io(Direction::Write, |io| io.send_to_addr(datagram, to))
    }

    /// Closes one direction, or both.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixDatagram;
    /// use std::net::Shutdown;
    ///
    /// spinney::block_on(async {
    ///     let (one, _other) = UnixDatagram::pair()?;
    ///     one.shutdown(Shutdown::Write)?;
    ///     assert!(one.send(b"hello").await.is_err());
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.io().shutdown(how)
    }

    /// The address that it is bound to.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixDatagram;
    ///
    /// spinney::block_on(async {
    ///     assert!(UnixDatagram::unbound()?.local_addr()?.is_unnamed());
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

    /// The peer that was set by [`connect`](UnixDatagram::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixDatagram;
    ///
    /// spinney::block_on(async {
    ///     assert!(UnixDatagram::unbound()?.peer_addr().is_err()); // none yet
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, for instance without a peer.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().peer_addr()
    }
}

std_socket!(
    UnixDatagram,
    std::os::unix::net::UnixDatagram,
    |io| {
        let endpoint = endpoint::of(&io);
        Registered::new(io, endpoint).map(Self)
    },
    |this| this.0,
    "# use spinney::net::UnixDatagram;
# let socket = UnixDatagram::unbound()?;"
);

datagram_methods!(
    UnixDatagram,
    std::os::unix::net::UnixDatagram,
    SocketAddr,
    "# use spinney::net::UnixDatagram;
# let (near, far) = UnixDatagram::pair()?;"
);
