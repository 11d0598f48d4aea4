//! The bytes of a connection on their way to hyper: what they say of its activity.

use crate::pool::global;
use crate::serve::accept::Transport;
use crate::serve::connection_state::Connection;
use crate::sync::Arc;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A transport whose reads and writes are noted.
pub(super) struct Noted<T> {
    transport: T,
    connection: Arc<Connection>,
}

impl<T> Noted<T> {
    pub(super) fn new(transport: T, connection: Arc<Connection>) -> Self {
        Self {
            transport,
            connection,
        }
    }

    /// Notes whether the client takes what is written.
    fn note_write<R>(&self, written: Poll<R>) -> Poll<R> {
        let Connection {
            activity, server, ..
        } = &*self.connection;
        activity.writes(written.is_pending(), || server.nanos(global::now()));
        written
    }
}

impl<T: Transport> Read for Noted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let read = Pin::new(&mut this.transport).poll_read(cx, buffer);
        let activity = &this.connection.activity;
        if read.is_ready() {
            activity.bytes_came(|| this.connection.server.nanos(global::lately()));
        } else if activity.drains() {
            activity.saw_input(this.transport.has_input());
        }
        read
    }
}

impl<T: Transport> Write for Noted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write(cx, buffer);
        self.note_write(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.transport).poll_flush(cx);
        self.note_write(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write_vectored(cx, buffers);
        self.note_write(written)
    }
}
