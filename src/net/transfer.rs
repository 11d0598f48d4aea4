//! Bytes through a registered source: what streams and pipes have in common. Each operation is
//! there as a poll, for the traits that give no way to take a waker back, and as a future.

use crate::driver::sources::Direction;
use crate::net::registered::{MAX_SLICES, Registered, room_of};
use crate::poll::budget;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
#[cfg(feature = "hyper")]
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll};

impl<S: AsFd + AsRawFd> Registered<S>
where
    for<'a> &'a S: Read,
{
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_transfer(Direction::Read, buffer.len(), None, cx, |mut io| {
            io.read(buffer)
        })
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = buffers.len().min(MAX_SLICES);
        let buffers = &mut buffers[..count];
        let room = room_of(buffers.iter().map(|buffer| buffer.len()));
        self.poll_transfer(Direction::Read, room, None, cx, |mut io| {
            io.read_vectored(buffers)
        })
    }

    /// Reads into memory that need not be initialised: how many bytes of it are now.
    #[cfg(feature = "hyper")]
    pub(crate) fn poll_read_uninit(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        self.poll_transfer(Direction::Read, buffer.len(), None, cx, |io| {
            let (read, _) = rustix::io::read(io, &mut *buffer)?;
            Ok(read.len())
        })
    }

    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        self.transfer(Direction::Read, room, |mut io| io.read(buffer))
            .await
    }

    pub(crate) async fn read_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
        poll_fn(budget::spend).await;
        let mut done = 0;
        while done < buffer.len() {
            match self.read(&mut buffer[done..]).await? {
                0 => {
                    let text = format!("the end came after {done} of {} bytes", buffer.len());
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
                }
                count => done += count,
            }
        }
        Ok(())
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_io(Direction::Read, |mut io| io.read(buffer))
    }
}

impl<S: AsFd + AsRawFd> Registered<S>
where
    for<'a> &'a S: Write,
{
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_transfer(Direction::Write, buffer.len(), None, cx, |mut io| {
            io.write(buffer)
        })
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let buffers = buffers.get(..MAX_SLICES).unwrap_or(buffers);
        let room = room_of(buffers.iter().map(|buffer| buffer.len()));
        self.poll_transfer(Direction::Write, room, None, cx, |mut io| {
            io.write_vectored(buffers)
        })
    }

    /// Nothing is kept back here.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        budget::spend(cx).map(Ok)
    }

    pub(crate) async fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.transfer(Direction::Write, buffer.len(), |mut io| io.write(buffer))
            .await
    }

    pub(crate) async fn write_all(&self, buffer: &[u8]) -> io::Result<()> {
        poll_fn(budget::spend).await;
        let mut rest = buffer;
        while !rest.is_empty() {
            match self.write(rest).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => rest = &rest[count..],
            }
        }
        Ok(())
    }

    pub(crate) fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.try_io(Direction::Write, |mut io| io.write(buffer))
    }
}
