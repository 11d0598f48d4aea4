//! A descriptor of the user's own that the driver watches.

use crate::driver::sources::Direction;
use crate::net::address::failed;
use crate::net::endpoint;
use crate::net::registered::Registered;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

/// Whatever has a descriptor that can be waited for: an eventfd, a timer, a device, a socket of a
/// kind that is not here, the connection of a library.
///
/// It is set to non-blocking mode, which all that share its open file have in common: standard
/// input of a terminal, for instance, with the shell.
///
/// A duplicate of the descriptor is watched, which is closed first. So nothing can go wrong if the
/// value gives up its descriptor early, or changes it; only no event comes then.
///
/// # Examples
///
/// ```
/// use spinney::net::Async;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// spinney::block_on(async {
///     let (near, mut far) = UnixStream::pair()?; // of the standard library
///     let near = Async::new(near)?;
///     far.write_all(b"hello")?;
///     let mut room = [0; 100];
///     let count = near.read_with(|mut near| near.read(&mut room)).await?;
///     assert_eq!(&room[..count], b"hello");
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub struct Async<T: AsFd> {
    /// Declared first: it goes first.
    watched: Registered<OwnedFd>,
    io: T,
}

impl<T: AsFd> Async<T> {
    /// Sets a descriptor to non-blocking mode, and has the driver watch it.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    ///
    /// spinney::block_on(async {
    ///     let (reader, _writer) = std::io::pipe()?;
    ///     Async::new(reader)?;
    ///     let file = std::fs::File::open(std::env::current_exe()?)?;
    ///     let error = Async::new(file).unwrap_err(); // it is always ready
    ///     assert!(error.to_string().starts_with("cannot watch a descriptor"));
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system: no more file descriptors, or one that cannot be waited for, as a
    /// regular file. The value is dropped then.
    pub fn new(io: T) -> io::Result<Self> {
        let watched = || {
            let endpoint = endpoint::of(&io);
            let watched = Registered::new(io.as_fd().try_clone_to_owned()?, endpoint)?;
            // Last: what cannot be watched stays as it is.
            rustix::io::ioctl_fionbio(&io, true)?;
            Ok(watched)
        };
        match watched() {
            Ok(watched) => Ok(Self { watched, io }),
            Err(error) => Err(failed(error, "cannot watch a descriptor")),
        }
    }

    /// The value.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    ///
    /// spinney::block_on(async {
    ///     let socket = Async::new(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
    ///     assert!(socket.get_ref().local_addr()?.ip().is_loopback());
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// The value, for calls that change it.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    /// use std::io::Write;
    ///
    /// spinney::block_on(async {
    ///     let (_reader, writer) = std::io::pipe()?;
    ///     let mut writer = Async::new(writer)?;
    ///     writer.get_mut().write_all(b"there is room for this")
    /// }).unwrap();
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// Gives the value back, which the driver watches no more. It stays in non-blocking mode.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    ///
    /// spinney::block_on(async {
    ///     let socket = Async::new(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
    ///     socket.into_inner().set_nonblocking(false)
    /// }).unwrap();
    /// ```
    pub fn into_inner(self) -> T {
        self.io
    }

    /// Calls `op` until it does not fail with [`WouldBlock`](io::ErrorKind::WouldBlock), when there
    /// may be something to read.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    ///
    /// spinney::block_on(async {
    ///     let listener = Async::new(std::net::TcpListener::bind("127.0.0.1:0")?)?;
    ///     let client = std::net::TcpStream::connect(listener.get_ref().local_addr()?)?;
    ///     let (_, from) = listener.read_with(std::net::TcpListener::accept).await?;
    ///     assert_eq!(from, client.local_addr()?);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `op`, but for `WouldBlock` and `Interrupted`.
    ///
    /// # Cancellation
    ///
    /// Between two calls of `op`. Any number of tasks may wait here.
    pub async fn read_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.watched
            .operation(Direction::Read, |_| op(&self.io))
            .await
    }

    /// As [`read_with`](Async::read_with), when there may be room for a write.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    /// use std::io::Write;
    ///
    /// spinney::block_on(async {
    ///     let (_reader, writer) = std::io::pipe()?;
    ///     let writer = Async::new(writer)?;
    ///     assert_eq!(writer.write_with(|mut writer| writer.write(b"hello")).await?, 5);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `op`, but for `WouldBlock` and `Interrupted`.
    ///
    /// # Cancellation
    ///
    /// Between two calls of `op`. Any number of tasks may wait here.
    pub async fn write_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.watched
            .operation(Direction::Write, |_| op(&self.io))
            .await
    }

    /// Calls `op` once, whatever the driver knows. If it fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), [`readable`](Async::readable) waits until there
    /// is more.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    /// use std::io::Read;
    ///
    /// spinney::block_on(async {
    ///     let (reader, _writer) = std::io::pipe()?;
    ///     let reader = Async::new(reader)?;
    ///     let nothing = reader.try_read_with(|mut reader| reader.read(&mut [0])).unwrap_err();
    ///     assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `op`.
    pub fn try_read_with<R>(&self, op: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        self.watched.try_io(Direction::Read, |_| op(&self.io))
    }

    /// As [`try_read_with`](Async::try_read_with), for a write.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    /// use std::io::Write;
    ///
    /// spinney::block_on(async {
    ///     let (_reader, writer) = std::io::pipe()?;
    ///     let writer = Async::new(writer)?;
    ///     assert_eq!(writer.try_write_with(|mut writer| writer.write(b"hello"))?, 5);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `op`.
    pub fn try_write_with<R>(&self, op: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        self.watched.try_io(Direction::Write, |_| op(&self.io))
    }

    /// Waits until a read may give something. It may be wrong: a
    /// [`try_read_with`](Async::try_read_with) follows, and after `WouldBlock` another wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    /// use std::io::Write;
    ///
    /// spinney::block_on(async {
    ///     let (reader, mut writer) = std::io::pipe()?;
    ///     let reader = Async::new(reader)?;
    ///     writer.write_all(b"hello")?;
    ///     reader.readable().await
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// None today: a source that has failed is readable, and the read says why.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing. Any number of tasks may wait here.
    pub async fn readable(&self) -> io::Result<()> {
        self.watched.ready(Direction::Read).await
    }

    /// Waits until there may be room for a write: see [`readable`](Async::readable).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    ///
    /// spinney::block_on(async {
    ///     let (_reader, writer) = std::io::pipe()?;
    ///     Async::new(writer)?.writable().await
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// None today: a source that has failed is writable, and the write says why.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing. Any number of tasks may wait here.
    pub async fn writable(&self) -> io::Result<()> {
        self.watched.ready(Direction::Write).await
    }

    /// As [`readable`](Async::readable), for adapters that are polled. The last two tasks that poll
    /// are woken.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    /// use std::future::poll_fn;
    ///
    /// spinney::block_on(async {
    ///     let (reader, writer) = std::io::pipe()?;
    ///     let reader = Async::new(reader)?;
    ///     drop(writer); // the end can be read
    ///     poll_fn(|cx| reader.poll_readable(cx)).await
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`readable`](Async::readable).
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched.poll_ready(Direction::Read, cx)
    }

    /// As [`writable`](Async::writable), for adapters that are polled. The last two tasks that poll
    /// are woken.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::Async;
    /// use std::future::poll_fn;
    ///
    /// spinney::block_on(async {
    ///     let (_reader, writer) = std::io::pipe()?;
    ///     let writer = Async::new(writer)?;
    ///     poll_fn(|cx| writer.poll_writable(cx)).await
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`writable`](Async::writable).
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched.poll_ready(Direction::Write, cx)
    }
}

impl<T: AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Async<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Async").field(&self.io).finish()
    }
}
