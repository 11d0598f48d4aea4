//! A file as a stream: the traits.

use crate::fs::file::File;
use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
use std::io::{self, IoSlice, IoSliceMut, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

impl AsyncRead for File {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSliceMut::new(buffer)];
        self.get_mut().transfer.poll_read(cx, &mut slices)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().transfer.poll_read(cx, buffers)
    }
}

impl AsyncBufRead for File {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().transfer.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().transfer.consume(count);
    }
}

impl AsyncWrite for File {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let slices = [IoSlice::new(buffer)];
        self.get_mut().transfer.poll_write(cx, &slices)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().transfer.poll_write(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().transfer.poll_flush(cx)
    }

    /// A flush: the descriptor is closed when the file is dropped.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for File {
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        self.get_mut().transfer.poll_seek(cx, to)
    }
}

/// A seek in two steps, as tokio's trait has it.
#[cfg(feature = "tokio-io")]
impl File {
    pub(crate) fn aim(&mut self, to: SeekFrom) {
        self.transfer.target = Some(to);
    }

    /// Ready if nothing was aimed at.
    pub(crate) fn poll_aimed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let Some(to) = self.transfer.target else {
            return Poll::Ready(Ok(0));
        };
        let place = std::task::ready!(self.transfer.poll_seek(cx, to));
        self.transfer.target = None;
        Poll::Ready(place)
    }
}
