//! Where connections come from.

use crate::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use hyper::rt::{Read, Write};
use rustix::net::{RecvFlags, recv};
use std::future::{Ready, ready};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

/// The other end of a connection, as far as it is known. It is an extension of each request.
///
/// # Examples
///
/// ```
/// use hyper::Request;
/// use spinney::serve::Peer;
///
/// fn log<B>(request: &Request<B>) {
///     let address = request.extensions().get::<Peer>().and_then(Peer::address);
///     println!("{} from {address:?}", request.uri());
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer(Option<SocketAddr>);

impl Peer {
    /// A peer with an address of the Internet.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::Peer;
    ///
    /// let address = "192.0.2.1:80".parse().unwrap();
    /// assert_eq!(Peer::at(address).address(), Some(address));
    /// ```
    #[must_use]
    pub const fn at(address: SocketAddr) -> Self {
        Self(Some(address))
    }

    /// A peer without one, such as a Unix socket's.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(spinney::serve::Peer::unnamed().address(), None);
    /// ```
    #[must_use]
    pub const fn unnamed() -> Self {
        Self(None)
    }

    /// Its address.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(spinney::serve::Peer::default().address(), None);
    /// ```
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.0
    }

    /// What the hook calls a connection from here.
    pub(super) fn connection(self) -> String {
        match self.0 {
            Some(address) => format!("connection from {address}"),
            None => "connection".to_owned(),
        }
    }

    pub(super) fn ip(self) -> Option<IpAddr> {
        self.0.map(|address| address.ip())
    }
}

/// The bytes of a connection.
///
/// # Examples
///
/// A stream that encrypts says whether its socket has input:
///
/// ```
/// use hyper::rt::{Read, ReadBufCursor, Write};
/// use spinney::{net::TcpStream, serve::Transport};
/// # use std::{io, pin::Pin, task::{Context, Poll}};
///
/// struct Encrypted {
///     socket: TcpStream,
///     // ..
/// }
///
/// impl Transport for Encrypted {
///     fn has_input(&self) -> bool {
///         self.socket.has_input()
///     }
/// }
/// # impl Read for Encrypted {
/// #     fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>)
/// #         -> Poll<io::Result<()>> { Pin::new(&mut self.socket).poll_read(cx, buffer) }
/// # }
/// # impl Write for Encrypted {
/// #     fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8])
/// #         -> Poll<io::Result<usize>> { Pin::new(&mut self.socket).poll_write(cx, buffer) }
/// #     fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>)
/// #         -> Poll<io::Result<()>> { Pin::new(&mut self.socket).poll_flush(cx) }
/// #     fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>)
/// #         -> Poll<io::Result<()>> { Pin::new(&mut self.socket).poll_shutdown(cx) }
/// # }
/// ```
pub trait Transport: Read + Write + Send + Unpin + 'static {
    /// Whether there is input that was not read yet, as far as that can be told without waiting. A
    /// server that drains does not close a connection whose next request is there already.
    fn has_input(&self) -> bool {
        false
    }
}

impl Transport for TcpStream {
    fn has_input(&self) -> bool {
        matches!(self.try_peek(&mut [0]), Ok(1..))
    }
}

impl Transport for UnixStream {
    fn has_input(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(recv(self, &mut [0; 1], flags), Ok((1.., _)))
    }
}

/// A source of connections.
///
/// Listeners for TCP and for Unix sockets are. One for TLS is a file to copy,
/// `interop/adapters/tls.rs` in the repository, and `interop/examples/tls_server.rs` runs it.
///
/// # Examples
///
/// ```
/// use spinney::net::{TcpListener, TcpStream};
/// use spinney::serve::{Accept, Peer};
/// use std::{future::{Ready, ready}, io};
///
/// /// Hides who calls.
/// struct Anonymous(TcpListener);
///
/// impl Accept for Anonymous {
///     type Transport = TcpStream;
///     type Handshake = Ready<io::Result<TcpStream>>;
///
///     async fn accept(&mut self) -> io::Result<(Self::Handshake, Peer)> {
///         let (stream, _) = self.0.accept().await?;
///         Ok((ready(Ok(stream)), Peer::unnamed()))
///     }
/// }
/// ```
pub trait Accept: Send + 'static {
    /// What comes out of the handshake.
    type Transport: Transport;

    /// What is left to do for a connection that was accepted, such as TLS. It runs in the
    /// connection's task, so that a slow client holds up no other one, within the time for a
    /// head, and counts as a connection. A client whose handshake ends during a drain is still
    /// served: it could not send its request before.
    type Handshake: Future<Output = io::Result<Self::Transport>> + Send + 'static;

    /// The next connection, and the peer. Dropping the future loses none.
    ///
    /// # Errors
    ///
    /// After an error the server waits, from 5 ms up to 1 s, and asks again; after `EBADF` or
    /// `EINVAL`, which say that there is no listener any more, it drains and says so in its report.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Handshake, Peer)>> + Send;

    /// A connection that is there now: a server that stops accepts those that were told that they
    /// are connected.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none, or if the listener cannot tell, as it does unless it is
    /// written otherwise.
    fn accept_now(&mut self) -> io::Result<(Self::Handshake, Peer)> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Accept for TcpListener {
    type Transport = TcpStream;
    type Handshake = Ready<io::Result<TcpStream>>;

    async fn accept(&mut self) -> io::Result<(Self::Handshake, Peer)> {
        Ok(welcome(TcpListener::accept(self).await?))
    }

    fn accept_now(&mut self) -> io::Result<(Self::Handshake, Peer)> {
        Ok(welcome(self.try_accept()?))
    }
}

impl Accept for UnixListener {
    type Transport = UnixStream;
    type Handshake = Ready<io::Result<UnixStream>>;

    async fn accept(&mut self) -> io::Result<(Self::Handshake, Peer)> {
        let (stream, _) = UnixListener::accept(self).await?;
        Ok((ready(Ok(stream)), Peer::unnamed()))
    }

    fn accept_now(&mut self) -> io::Result<(Self::Handshake, Peer)> {
        let (stream, _) = self.try_accept()?;
        Ok((ready(Ok(stream)), Peer::unnamed()))
    }
}

fn welcome((stream, address): (TcpStream, SocketAddr)) -> (Ready<io::Result<TcpStream>>, Peer) {
    // It fails if the client has gone, and then so does the first read.
    let _ = stream.set_nodelay(true);
    (ready(Ok(stream)), Peer::at(address))
}
