//! A listening Unix socket.

use crate::net::accepting::{Listening, Listens};
use crate::net::endpoint;
use crate::net::registered::Registered;
use crate::net::std_socket::std_socket;
use crate::net::unix_address::{at, failed_addr, failed_path};
use crate::net::unix_stream::UnixStream;
use std::io;
use std::os::unix::net::SocketAddr;
use std::path::Path;

/// A Unix socket that accepts connections of processes of the same machine. Any number of tasks may
/// accept at once.
///
/// # Examples
///
/// ```
/// use spinney::net::{UnixListener, UnixStream};
///
/// # let path = std::env::temp_dir().join(format!("spinney-listener-{}", std::process::id()));
/// spinney::block_on(async {
///     let listener = UnixListener::bind(&path)?;
///     let client = UnixStream::connect(&path).await?;
///     let (server, _) = listener.accept().await?;
///     server.write_all(b"!").await?;
///     client.read_exact(&mut [0]).await?;
///     std::fs::remove_file(&path)
/// }).unwrap();
/// ```
pub struct UnixListener(Listening<std::os::unix::net::UnixListener>);

impl UnixListener {
    /// Binds to a path, where it makes a file.
    ///
    /// The file stays when the listener is dropped, and also after a crash; as long as it is there
    /// nothing binds to the path. A server removes it when it ends, and when it starts removes one
    /// of its own that a crash has left: to which a connect fails with `ConnectionRefused`.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixListener;
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-bind-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let listener = UnixListener::bind(&path)?;
    ///     let taken = UnixListener::bind(&path).unwrap_err();
    ///     assert!(taken.to_string().contains(path.to_str().unwrap()));
    ///     std::fs::remove_file(&path)
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// That of the system, or of a path which no address can hold. Its text names the path; its
    /// kind is that of the error, which is its [`source`](std::error::Error::source): `AddrInUse`
    /// if there is a file of any kind.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        at(path)
            .and_then(|address| Self::bind_to(&address))
            .map_err(|error| failed_path(error, "bind to", path))
    }

    /// Binds to an address, such as a name that is no file (Linux).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// spinney::block_on(async {
    ///     use spinney::net::UnixListener;
    ///     use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    ///
    ///     let name = format!("spinney-bind-{}", std::process::id());
    ///     let address = SocketAddr::from_abstract_name(name)?;
    ///     let listener = UnixListener::bind_addr(&address)?;
    ///     assert!(UnixListener::bind_addr(&address).is_err());
    ///     drop(listener); // and the name with it
    ///     UnixListener::bind_addr(&address)
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`bind`](UnixListener::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::bind_to(address).map_err(|error| failed_addr(error, "bind to", address))
    }

    fn bind_to(address: &SocketAddr) -> io::Result<Self> {
        // It asks for a queue as long as the system allows.
        std::os::unix::net::UnixListener::bind_addr(address).and_then(Self::from_std)
    }

    /// Accepts the next connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{UnixListener, UnixStream};
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-accept-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let listener = UnixListener::bind(&path)?;
    ///     let client = UnixStream::connect(&path).await?;
    ///     let (server, from) = listener.accept().await?;
    ///     assert!(from.is_unnamed()); // as nearly all clients are
    ///     std::fs::remove_file(&path)
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system. Without room for one more connection the listener pauses, as
    /// [`TcpListener::accept`](crate::net::TcpListener::accept) does.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no connection.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.0.accept().await
    }

    /// Accepts a connection that the system has ready, else fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock). It does not pause.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{UnixListener, UnixStream};
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-try-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let listener = UnixListener::bind(&path)?;
    ///     let client = UnixStream::connect(&path).await?;
    ///     listener.try_accept()?;
    ///     assert!(listener.try_accept().is_err());
    ///     std::fs::remove_file(&path)
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`accept`](UnixListener::accept).
    pub fn try_accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.0.try_accept()
    }

    /// The address that it is bound to.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixListener;
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-local-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let listener = UnixListener::bind(&path)?;
    ///     assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
    ///     std::fs::remove_file(&path)
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

impl Listens for std::os::unix::net::UnixListener {
    type Accepted = (UnixStream, SocketAddr);

    fn accept_one(listener: &Registered<Self>) -> io::Result<Self::Accepted> {
        let (stream, address) = listener.io().accept()?;
        stream.set_nonblocking(true)?;
        // As a rule the other end has no name.
        let endpoint = endpoint::unix_peer(&address).or_else(|| listener.endpoint());
        let stream = Registered::in_pieces(stream, endpoint)?;
        Ok((UnixStream(stream), address))
    }
}

std_socket!(
    UnixListener,
    std::os::unix::net::UnixListener,
    |io| Listening::new(io).map(Self),
    |this| this.0.socket,
    "# use spinney::net::UnixListener;
# let path = std::env::temp_dir().join(format!(\"spinney-std-{}-{}\", line!(), std::process::id()));
# let socket = UnixListener::bind(&path)?;
# std::fs::remove_file(&path)?;"
);
