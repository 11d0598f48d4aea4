//! `tokio::io`'s traits on all that reads and writes here, so that libraries which take those run
//! without an adapter: codecs, TLS, WebSockets. No runtime of tokio's is needed, nor started.
//!
//! A type that speaks `futures_io` is one more name in the lists below.

use crate::fs::File;
use crate::io::{Stderr, Stdin, Stdout};
use crate::net::pipe::{Receiver, Sender};
use crate::net::{OwnedReadHalf, OwnedWriteHalf, TcpStream, UnixStream};
#[cfg(feature = "process")]
use crate::process::{ChildStderr, ChildStdin, ChildStdout};
use futures_io::{AsyncRead, AsyncWrite};
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// Readers.
macro_rules! read {
    ($($type:ty),* $(,)?) => {$(
        impl tokio::io::AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let room = buffer.initialize_unfilled();
                let count = ready!(AsyncRead::poll_read(self, cx, room))?;
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
        }
    )*};
}

/// Writers, all of which take many slices at once; to shut one down is to close it.
macro_rules! write {
    ($($type:ty),* $(,)?) => {$(
        impl tokio::io::AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                AsyncWrite::poll_write(self, cx, bytes)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsyncWrite::poll_flush(self, cx)
            }

            fn poll_shutdown(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                AsyncWrite::poll_close(self, cx)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                AsyncWrite::poll_write_vectored(self, cx, slices)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    )*};
}

read!(File, Stdin, TcpStream, &TcpStream, UnixStream, &UnixStream);
read!(OwnedReadHalf, OwnedReadHalf<UnixStream>);
read!(Receiver, &Receiver);
#[cfg(feature = "process")]
read!(ChildStdout, ChildStderr);
write!(
    File,
    Stderr,
    Stdout, TcpStream, &TcpStream, UnixStream, &UnixStream
);
write!(OwnedWriteHalf, OwnedWriteHalf<UnixStream>);
write!(Sender, &Sender);
#[cfg(feature = "process")]
write!(ChildStdin);

impl tokio::io::AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.get_mut().aim(to);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.get_mut().poll_aimed(cx)
    }
}
