//! A listening socket.

use crate::driver::driver::Timer;
use crate::driver::sources::Direction;
use crate::net::address::{ToSocketAddrs, failed_at, no_address, target};
use crate::net::pause::{Pause, is_for_want_of_room};
use crate::net::registered::Registered;
use crate::net::resolve::resolve;
use crate::net::stream::TcpStream;
use crate::poll::frame;
use crate::pool::global;
use crate::sync::Mutex;
use crate::waiters::Key;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
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
pub struct TcpListener {
    socket: Registered<std::net::TcpListener>,
    pause: Mutex<Pause>,
}

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
        let target = target(&address);
        let mut last = no_address(&target);
        for address in resolve(&target).await? {
            match Self::bind_to(address) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = failed_at(error, "bind to", &target, address),
            }
        }
        Err(last)
    }

    fn bind_to(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
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
        Ok(Self {
            socket: Registered::new(listener, global::driver())?,
            pause: Mutex::default(),
        })
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
        Accept {
            listener: self,
            key: Key::default(),
            timer: None,
        }
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
        let (stream, address) = self.socket.io().accept()?;
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
        self.socket.io().local_addr()
    }

    /// The end of the pause, while there is one.
    fn paused_until(&self) -> Option<Instant> {
        let pause = self.pause.lock();
        pause.until(|| self.socket.driver().now())
    }

    /// Accepts a connection; a pause begins if there is no room for one.
    fn accept_or_pause(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self.try_accept();
        let mut pause = self.pause.lock();
        match &accepted {
            Err(error) if is_for_want_of_room(error) => pause.begin(self.socket.driver().now()),
            _ => pause.end(),
        }
        accepted
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpListener")
            .field(self.socket.io())
            .finish()
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
    /// The end of a pause.
    timer: Option<Timer>,
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let socket = &this.listener.socket;
        while let Some(until) = this.listener.paused_until() {
            let waits = this
                .timer
                .as_ref()
                .is_some_and(|timer| timer.update(cx.waker()));
            if waits {
                frame::note_leaf();
                return Poll::Pending;
            }
            // None yet, or it has fired, and there is another pause by now.
            // One for a listener, and rare: any seat does.
            let timer = socket.driver().insert_waker(0, until, cx.waker().clone());
            this.timer = Some(timer);
        }
        this.timer = None;
        let accept = |_: &std::net::TcpListener| this.listener.accept_or_pause();
        socket.poll_io(Direction::Read, Some(&mut this.key), cx, accept)
    }
}

impl Drop for Accept<'_> {
    fn drop(&mut self) {
        self.listener.socket.forget(Direction::Read, &mut self.key);
    }
}

impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept").finish_non_exhaustive()
    }
}
