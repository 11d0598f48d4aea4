//! Copies from streams to streams, one way and both ways.

use crate::poll::budget;
use futures_io::{AsyncRead, AsyncWrite};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bytes of a buffer: as many as the buffers of the standard library and of tokio have.
const ROOM: usize = 8 * 1024;

/// One way of a copy.
struct Way {
    buffer: Box<[u8]>,
    /// The bytes that were read and not written yet.
    from: usize,
    to: usize,
    /// Something was written since the last flush.
    written: bool,
    stage: Stage,
    total: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Copy,
    /// The reader is at its end, and all is written.
    Flush,
    /// Flushed: the writer is told that no more comes, if that is wanted.
    Close,
    Over,
}

impl Way {
    fn new() -> Self {
        Self {
            buffer: vec![0; ROOM].into(),
            from: 0,
            to: 0,
            written: false,
            stage: Stage::Copy,
            total: 0,
        }
    }

    /// Copies until the end, and closes the writer then, if `closes`. The bytes that were copied.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        closes: bool,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        loop {
            match self.stage {
                Stage::Copy => {
                    // Streams that are not ours have no part in the budget. Ours take their unit
                    // first, which may be the only one of this poll.
                    ready!(budget::poll(cx, |cx| self.poll_step(cx, reader, writer)))?;
                }
                Stage::Flush => {
                    ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                    self.stage = match closes {
                        true => Stage::Close,
                        false => Stage::Over,
                    };
                }
                Stage::Close => {
                    ready!(Pin::new(&mut *writer).poll_close(cx))?;
                    self.stage = Stage::Over;
                }
                Stage::Over => return Poll::Ready(Ok(self.total)),
            }
        }
    }

    /// One read, or one write.
    fn poll_step<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        if self.from < self.to {
            let left = &self.buffer[self.from..self.to];
            let count = ready!(Pin::new(writer).poll_write(cx, left))?;
            if count == 0 {
                let text = "a writer takes no more of a copy";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::WriteZero, text)));
            }
            self.from += count;
            self.total += count as u64;
            self.written = true;
            return Poll::Ready(Ok(()));
        }
        match Pin::new(reader).poll_read(cx, &mut self.buffer) {
            Poll::Ready(count) => {
                (self.from, self.to) = (0, count?);
                if self.to == 0 {
                    self.stage = Stage::Flush;
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                // The other end of a buffered writer may wait for the bytes in its buffer before it
                // sends the next byte.
                if self.written {
                    ready!(Pin::new(writer).poll_flush(cx))?;
                    self.written = false;
                }
                Poll::Pending
            }
        }
    }
}

/// Copies everything from a reader to a writer, until the reader is at its end, and flushes the
/// writer; returns how many bytes that were.
///
/// Mutable references are readers and writers, too. The writer is flushed whenever nothing can be
/// read, and not closed at the end. One buffer of 8 KiB is in between.
///
/// # Examples
///
/// ```
/// use futures_lite::io::Cursor;
///
/// spinney::block_on(async {
///     let mut target = Cursor::new(Vec::new());
///     let count = spinney::io::copy(&b"seven"[..], &mut target).await?;
///     assert_eq!((count, &**target.get_ref()), (5, &b"seven"[..]));
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
///
/// # Errors
///
/// The first one of either stream. A writer that takes no byte is a
/// [`WriteZero`](io::ErrorKind::WriteZero).
///
/// # Cancellation
///
/// When the future is dropped, up to 8 KiB that were read and not written are lost with it, and
/// both streams stay open: close them, and do not begin the copy anew. It gives way under the
/// budget of a poll whatever the streams are.
pub async fn copy<R, W>(reader: R, writer: W) -> io::Result<u64>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut reader, mut writer) = (reader, writer);
    let mut way = Way::new();
    poll_fn(|cx| way.poll(cx, &mut reader, &mut writer, false)).await
}

/// Copies both ways between two streams, until both have sent their ends; returns the bytes from
/// `a` to `b`, and those from `b` to `a`.
///
/// At the end of one the other one is closed (`poll_close`): sockets of ours then send the end of
/// the stream and go on reading, so a protocol whose client closes its sending half and waits for
/// the answer gets on. One buffer of 8 KiB each way, and one task for both.
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use spinney::io::copy_bidirectional;
/// use spinney::net::{TcpListener, TcpStream};
///
/// async fn pair() -> std::io::Result<(TcpStream, TcpStream)> {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let near = TcpStream::connect_addr(listener.local_addr()?).await?;
///     Ok((near, listener.accept().await?.0))
/// }
///
/// spinney::block_on(spinney::group(async |g| {
///     let (mut client, inbound) = pair().await.unwrap();
///     let (outbound, mut server) = pair().await.unwrap();
///     let proxy = g.spawn(async move {
///         Ok(copy_bidirectional(inbound, outbound).await.unwrap())
///     });
///     client.write_all(b"one").await.unwrap();
///     client.close().await.unwrap(); // its sending half
///     let (mut question, mut answer) = (String::new(), String::new());
///     server.read_to_string(&mut question).await.unwrap();
///     server.write_all(question.repeat(2).as_bytes()).await.unwrap();
///     server.close().await.unwrap();
///     client.read_to_string(&mut answer).await.unwrap();
///     assert_eq!(answer, "oneone");
///     assert_eq!(proxy.await, (3, 6));
/// }));
/// ```
///
/// # Errors
///
/// The first one of either stream, in either direction; the other direction goes no further then.
///
/// # Cancellation
///
/// As [`copy`]: up to 8 KiB each way are lost, and the streams are dropped with the future unless
/// it was given references.
pub async fn copy_bidirectional<A, B>(a: A, b: B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut a, mut b) = (a, b);
    let (mut there, mut back) = (Way::new(), Way::new());
    poll_fn(|cx| {
        // Both, also if the first one has spent the budget: each must be woken for its own streams.
        let there = there.poll(cx, &mut a, &mut b, true)?;
        let back = back.poll(cx, &mut b, &mut a, true)?;
        Poll::Ready(Ok((ready!(there), ready!(back))))
    })
    .await
}
