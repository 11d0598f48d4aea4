//! Encrypted connections for a server of `spinney::serve`, by tokio-rustls.
//!
//! With spinney's features `serve` and `tokio-io`, and hyper-util's `tokio`, for its adapter of
//! traits: none of them starts a runtime of tokio's.

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use spinney::net::{TcpListener, TcpStream};
use spinney::serve::{Accept, Peer, Transport};
use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A listener whose connections begin with a handshake: give it to `Server::serve`.
///
/// The handshake runs in the task of its connection, so a client that is slow in it holds up no
/// other one. It has the time of a head (`Server::header_timeout`), and counts as a connection.
///
/// `ServerConfig::alpn_protocols` says what is spoken: `h2`, `http/1.1`, or both.
pub struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Encrypts what this listener accepts.
    #[must_use]
    pub fn new(listener: TcpListener, config: Arc<ServerConfig>) -> Self {
        let acceptor = TlsAcceptor::from(config);
        Self { listener, acceptor }
    }

    fn welcome(&self, (stream, address): (TcpStream, SocketAddr)) -> (Handshake, Peer) {
        // It fails if the client has gone, and then so does the handshake.
        let _ = stream.set_nodelay(true);
        let handshake = Box::new(self.acceptor.accept(stream));
        (Handshake(handshake), Peer::at(address))
    }
}

impl Accept for Tls {
    type Transport = Encrypted;
    type Handshake = Handshake;

    async fn accept(&mut self) -> io::Result<(Handshake, Peer)> {
        let accepted = self.listener.accept().await?;
        Ok(self.welcome(accepted))
    }

    fn accept_now(&mut self) -> io::Result<(Handshake, Peer)> {
        let accepted = self.listener.try_accept()?;
        Ok(self.welcome(accepted))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.listener).finish()
    }
}

/// A handshake that is under way.
pub struct Handshake(Box<tokio_rustls::Accept<TcpStream>>);

impl Future for Handshake {
    type Output = io::Result<Encrypted>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let stream = ready!(Pin::new(&mut *self.0).poll(cx))?;
        Poll::Ready(Ok(Encrypted(TokioIo::new(stream))))
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handshake").finish_non_exhaustive()
    }
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Encrypted(TokioIo<TlsStream<TcpStream>>);

impl Transport for Encrypted {
    fn has_input(&self) -> bool {
        let (socket, _) = self.0.inner().get_ref();
        socket.has_input()
    }
}

impl Read for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }
}
