//! The pipes to a process: its standard input, output and error.
//!
//! A pipe is given to the driver when it is used first. Until then it is as the standard library
//! made it, and can be handed to another process.

use crate::driver::sources::Direction;
use crate::net::registered::{MAX_SLICES, Registered, room_of};
use crate::poll::budget;
use futures_io::{AsyncRead, AsyncWrite};
use rustix::io::ioctl_fionbio;
use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

/// One end of a pipe.
enum Pipe {
    Fresh(OwnedFd),
    Watched(Registered<OwnedFd>),
    Closed,
}

impl Pipe {
    /// The end, watched by the driver.
    fn watched(&mut self) -> io::Result<&Registered<OwnedFd>> {
        if let Self::Fresh(_) = self {
            if let Self::Fresh(end) = std::mem::replace(self, Self::Closed) {
                ioctl_fionbio(&end, true)?;
                *self = Self::Watched(Registered::in_pieces(end, None)?);
            }
        }
        match self {
            Self::Watched(watched) => Ok(watched),
            _ => Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the pipe is closed",
            )),
        }
    }

    /// The end as a process wants it, which blocks.
    fn into_stdio(self) -> io::Result<Stdio> {
        let end = match self {
            Self::Fresh(end) => end,
            Self::Watched(watched) => {
                let end = watched.into_inner();
                ioctl_fionbio(&end, false)?;
                end
            }
            Self::Closed => return Ok(Stdio::null()),
        };
        Ok(end.into())
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Fresh(end) => Some(end.as_fd()),
            Self::Watched(watched) => Some(watched.io().as_fd()),
            Self::Closed => None,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let pipe = match self.watched() {
            Ok(pipe) => pipe,
            Err(error) => return Poll::Ready(Err(error)),
        };
        pipe.poll_transfer(Direction::Read, buffer.len(), None, cx, |end| {
            Ok(rustix::io::read(end, &mut *buffer)?)
        })
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let pipe = match self.watched() {
            Ok(pipe) => pipe,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let slices = slices.get(..MAX_SLICES).unwrap_or(slices);
        let room = room_of(slices.iter().map(|slice| slice.len()));
        pipe.poll_transfer(Direction::Write, room, None, cx, |end| {
            Ok(rustix::io::writev(end, slices)?)
        })
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_fd().fmt(f)
    }
}

/// The standard input of a process: what is written here it reads.
///
/// The process reads the end when this is closed or dropped.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncWriteExt;
/// use spinney::process::{Command, Stdio};
/// use spinney::{Wait, group};
///
/// let output = group(async |g| {
///     let mut sort = Command::new("sort")
///         .stdin(Stdio::piped())
///         .stdout(Stdio::piped())
///         .spawn(g)?;
///     let mut stdin = sort.stdin.take().unwrap();
///     stdin.write_all(b"b\na\n").await?;
///     drop(stdin); // the end
///     sort.output().await
/// })
/// .wait()?;
/// assert_eq!(output.stdout, b"a\nb\n");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Cancellation
///
/// A write that is given up has written nothing, or all that it said.
#[derive(Debug)]
pub struct ChildStdin(Pipe);

/// The standard output of a process.
///
/// It ends when every process has closed it that has inherited it.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncReadExt;
/// use spinney::process::{Command, Stdio};
/// use spinney::{Wait, group};
///
/// let text = group(async |g| {
///     let mut echo = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn(g)?;
///     let mut text = String::new();
///     echo.stdout.take().unwrap().read_to_string(&mut text).await?;
///     echo.wait().await?;
///     Ok::<_, std::io::Error>(text)
/// })
/// .wait()?;
/// assert_eq!(text, "hello\n");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Cancellation
///
/// A read that is given up loses nothing.
#[derive(Debug)]
pub struct ChildStdout(Pipe);

/// The standard error of a process.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncReadExt;
/// use spinney::process::{Command, Stdio};
/// use spinney::{Wait, group};
///
/// let text = group(async |g| {
///     let mut cat = Command::new("cat").arg("/no/file").stderr(Stdio::piped()).spawn(g)?;
///     let mut text = String::new();
///     cat.stderr.take().unwrap().read_to_string(&mut text).await?;
///     assert!(!cat.wait().await?.success());
///     Ok::<_, std::io::Error>(text)
/// })
/// .wait()?;
/// assert!(text.contains("/no/file"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Cancellation
///
/// A read that is given up loses nothing.
#[derive(Debug)]
pub struct ChildStderr(Pipe);

macro_rules! streams {
    ($($name:ident)*) => {$(
        impl From<std::process::$name> for $name {
            /// Takes over a pipe of the standard library.
            fn from(pipe: std::process::$name) -> Self {
                Self(Pipe::Fresh(pipe.into()))
            }
        }

        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            /// For another process: what was not read, or written, yet is its.
            fn try_from(stream: $name) -> io::Result<Self> {
                stream.0.into_stdio()
            }
        }
    )*};
}

streams!(ChildStdin ChildStdout ChildStderr);

impl AsyncWrite for ChildStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, &[IoSlice::new(buffer)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, buffers)
    }

    /// Nothing is kept back here.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        budget::spend(cx).map(Ok)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        budget::spend(cx).map(|()| {
            self.0 = Pipe::Closed;
            Ok(())
        })
    }
}

macro_rules! read {
    ($($name:ident)*) => {$(
        impl AsyncRead for $name {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_read(cx, buffer)
            }
        }
    )*};
}

read!(ChildStdout ChildStderr);
