//! A connection between processes of one machine.

use crate::net::again;
use crate::net::bytes::{async_read, async_write, read_methods, write_methods};
use crate::net::connect::stream_socket;
use crate::net::duplex::{Duplex, Ends};
use crate::net::endpoint;
use crate::net::halves::{OwnedReadHalf, OwnedWriteHalf, halves_of};
use crate::net::registered::Registered;
use crate::net::std_socket::std_socket;
use crate::net::unix_address::{at, failed_addr, failed_path, for_connect};
use rustix::io::Errno;
use rustix::net::{AddressFamily, connect};
use std::future::pending;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::path::Path;

/// A connection of a Unix socket: bytes to and from a process of the same machine.
///
/// It is used as a [`TcpStream`](crate::net::TcpStream) is: it has methods of its own, and the
/// traits of `futures_io`, all by shared reference.
///
/// # Examples
///
/// ```
/// use spinney::net::UnixStream;
///
/// spinney::block_on(async {
///     let (one, other) = UnixStream::pair()?;
///     one.write_all(b"hello").await?;
///     let mut text = [0; 5];
///     other.read_exact(&mut text).await?;
///     assert_eq!(&text, b"hello");
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub struct UnixStream(pub(crate) Registered<std::os::unix::net::UnixStream>);

impl UnixStream {
    /// Connects to the socket that is bound to a path.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::{UnixListener, UnixStream};
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-connect-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let listener = UnixListener::bind(&path)?;
    ///     let client = UnixStream::connect(&path).await?;
    ///     assert_eq!(client.peer_addr()?.as_pathname(), Some(&*path));
    ///     std::fs::remove_file(&path)?;
    ///     let gone = UnixStream::connect(&path).await.unwrap_err();
    ///     assert!(gone.to_string().contains(path.to_str().unwrap()));
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// That of the system, or of a path which no address can hold. Its text names the path; its
    /// kind is that of the error, which is its [`source`](std::error::Error::source): `NotFound`
    /// without a file, `ConnectionRefused` where the file is there and no process listens.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket.
    ///
    /// # Blocking
    ///
    /// Never. While the listener's queue is full it tries again, after 1 ms, and twice as long
    /// after each further try, up to 100 ms: the system makes no event when there is room.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let failed = |error| failed_path(error, "connect to", path);
        Self::connect_to(&at(path).map_err(failed)?)
            .await
            .map_err(failed)
    }

    /// Connects to an address, such as a name that is no file (Linux).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// spinney::block_on(async {
    ///     use spinney::net::{UnixListener, UnixStream};
    ///     use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    ///
    ///     let name = format!("spinney-example-{}", std::process::id());
    ///     let address = SocketAddr::from_abstract_name(name)?;
    ///     let listener = UnixListener::bind_addr(&address)?;
    ///     let client = UnixStream::connect_addr(&address).await?;
    ///     listener.accept().await?;
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`connect`](UnixStream::connect).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket.
    ///
    /// # Blocking
    ///
    /// As [`connect`](UnixStream::connect).
    pub async fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::connect_to(address)
            .await
            .map_err(|error| failed_addr(error, "connect to", address))
    }

    async fn connect_to(address: &SocketAddr) -> io::Result<Self> {
        let endpoint = endpoint::unix_peer(address);
        let address = for_connect(address)?;
        let socket = stream_socket(AddressFamily::UNIX)?;
        let connected = || match connect(&socket, &address) {
            // Tried again after a signal.
            Err(Errno::ISCONN) => Ok(()),
            done => Ok(done?),
        };
        again::until_done(connected, pending::<()>).await?;
        Registered::in_pieces(socket.into(), endpoint).map(Self)
    }

    /// Two ends of a connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixStream;
    ///
    /// spinney::block_on(async {
    ///     let (one, other) = UnixStream::pair()?;
    ///     drop(one);
    ///     assert_eq!(other.read(&mut [0]).await?, 0); // the end
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, for instance no more file descriptors.
    pub fn pair() -> io::Result<(Self, Self)> {
        let failed = |error| crate::net::address::failed(error, "cannot make a pair of sockets");
        let (one, other) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
        Ok((
            Self::from_std(one).map_err(failed)?,
            Self::from_std(other).map_err(failed)?,
        ))
    }

    /// Two halves that can be used in different tasks, and be put together again.
    ///
    /// They are those of [`TcpStream::into_split`](crate::net::TcpStream::into_split), and follow
    /// its rules. Halves that borrow are there without a call: `&UnixStream` reads and writes.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixStream;
    ///
    /// spinney::block_on(async {
    ///     let (one, other) = UnixStream::pair()?;
    ///     let (reader, writer) = one.into_split();
    ///     drop(writer);
    ///     assert_eq!(other.read(&mut [0]).await?, 0); // the end of one direction
    ///     other.write_all(b"!").await?;
    ///     reader.read_exact(&mut [0]).await?;
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
        halves_of(self)
    }

    /// Closes one direction of the connection, or both: see
    /// [`TcpStream::shutdown`](crate::net::TcpStream::shutdown).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixStream;
    /// use std::net::Shutdown;
    ///
    /// spinney::block_on(async {
    ///     let (one, other) = UnixStream::pair()?;
    ///     one.shutdown(Shutdown::Write)?;
    ///     assert_eq!(other.read(&mut [0]).await?, 0); // the end
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self.0.io().shutdown(how) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }

    /// The process at the other end, as it was when the connection was made (`SO_PEERCRED`).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixStream;
    ///
    /// spinney::block_on(async {
    ///     let (one, _other) = UnixStream::pair()?;
    ///     assert_eq!(one.peer_credentials()?.process, std::process::id());
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        let found = rustix::net::sockopt::socket_peercred(self.0.io())?;
        Ok(PeerCredentials {
            process: found.pid.as_raw_pid().unsigned_abs(),
            user: found.uid.as_raw(),
            group: found.gid.as_raw(),
        })
    }

    /// The address of this end, which as a rule is unnamed unless it was accepted.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UnixStream;
    ///
    /// spinney::block_on(async {
    ///     let (one, _other) = UnixStream::pair()?;
    ///     assert!(one.local_addr()?.is_unnamed());
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
    /// use spinney::net::UnixStream;
    ///
    /// spinney::block_on(async {
    ///     let (one, _other) = UnixStream::pair()?;
    ///     assert!(one.peer_addr()?.is_unnamed());
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

/// The process at the other end of a [`UnixStream`], by the numbers of the system.
///
/// # Examples
///
/// ```
/// use spinney::net::{PeerCredentials, UnixStream};
///
/// fn is_root(client: &UnixStream) -> std::io::Result<bool> {
///     let PeerCredentials { user, .. } = client.peer_credentials()?;
///     Ok(user == 0)
/// }
///
/// spinney::block_on(async { is_root(&UnixStream::pair()?.0) }).unwrap();
/// ```
#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// Its process.
    pub process: u32,
    /// Its user.
    pub user: u32,
    /// Its group of users.
    pub group: u32,
}

impl Duplex for UnixStream {}

impl Ends for UnixStream {
    fn end(&self) -> io::Result<()> {
        // In a forked process the connection is the parent's, too.
        match self.0.driver().is_elsewhere() {
            true => Ok(()),
            false => self.shutdown(Shutdown::Write),
        }
    }
}

std_socket!(
    UnixStream,
    std::os::unix::net::UnixStream,
    |io| {
        let endpoint = endpoint::of(&io);
        Registered::in_pieces(io, endpoint).map(Self)
    },
    |this| this.0,
    "# use spinney::net::UnixStream;
# let (socket, _other) = UnixStream::pair()?;"
);

read_methods!(
    UnixStream,
    |this| this.0,
    "# use spinney::net::UnixStream;
# let (near, far) = UnixStream::pair()?;"
);

write_methods!(
    UnixStream,
    |this| this.0,
    "# use spinney::net::UnixStream;
# let (near, far) = UnixStream::pair()?;"
);

read_methods!(
    OwnedReadHalf<UnixStream>,
    |this| this.as_ref().0,
    "# use spinney::net::UnixStream;
# let (near, far) = UnixStream::pair()?;
# let (near, _writer) = near.into_split();"
);

write_methods!(
    OwnedWriteHalf<UnixStream>,
    |this| this.as_ref().0,
    "# use spinney::net::UnixStream;
# let (near, far) = UnixStream::pair()?;
# let (_reader, far) = far.into_split();"
);

async_read!(UnixStream, &UnixStream => |this| this.0);
async_write!(UnixStream, &UnixStream => |this| this.0, this.shutdown(Shutdown::Write));
