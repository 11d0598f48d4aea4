//! The bytes of a connection on their way to hyper: what they say of its activity.

use crate::pool::global;
use crate::serve::accept::Transport;
use crate::serve::connection_state::Connection;
use crate::sync::Arc;
use hyper::body::Bytes;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// With what a client of HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A transport whose reads and writes are noted.
pub(super) struct Noted<T> {
    transport: T,
    /// What was read of it already, and comes first.
    start: Bytes,
    connection: Arc<Connection>,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Version {
    Http1,
    Http2,
    /// It has said nothing, and has gone.
    None,
}

impl<T> Noted<T> {
    pub(super) fn new(transport: T, connection: Arc<Connection>) -> Self {
        Self {
            transport,
            start: Bytes::new(),
            connection,
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// These bytes were read already, and come first. They are copied: their buffer is larger.
    pub(super) fn begins_with(&mut self, bytes: &[u8]) {
        self.start = Bytes::copy_from_slice(bytes);
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

impl<T: Transport> Noted<T> {
    fn read(&mut self, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.transport).poll_read(cx, buffer);
        let activity = &self.connection.activity;
        if read.is_ready() {
            activity.bytes_came(|| self.connection.server.nanos(global::lately()));
        } else if activity.drains() {
            activity.saw_input(self.transport.has_input());
        }
        read
    }

    /// What the client speaks, by the first bytes that come; they are read once more by hyper.
    pub(super) fn poll_version(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Version>> {
        loop {
            if self.start == PREFACE {
                return Poll::Ready(Ok(Version::Http2));
            }
            if !PREFACE.starts_with(&self.start) {
                return Poll::Ready(Ok(Version::Http1));
            }
            let mut bytes = [0; PREFACE.len()];
            let (before, room) = bytes.split_at_mut(self.start.len());
            let mut buffer = ReadBuf::new(room);
            ready!(self.read(cx, buffer.unfilled()))?;
            let count = buffer.filled().len();
            if count == 0 {
                return Poll::Ready(Ok(match before.is_empty() {
                    true => Version::None,
                    false => Version::Http1, // which it is not, and is told
                }));
            }
            before.copy_from_slice(&self.start);
            let all = self.start.len() + count;
            self.begins_with(&bytes[..all]);
        }
    }
}

impl<T: Transport> Read for Noted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start.is_empty() {
            return self.read(cx, buffer);
        }
        let count = self.start.len().min(buffer.remaining());
        buffer.put_slice(&self.start.split_to(count));
        Poll::Ready(Ok(()))
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
        self.connection.activity.says_farewell();
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
