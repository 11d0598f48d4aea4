//! Standard output and standard error, without holding up the end of the program.

use crate::io::own_thread::OwnThread;
use crate::poll::{budget, frame};
use crate::sync::OnceLock;
use crate::sync::bed::{Condvar, Mutex, MutexGuard};
use crate::waiters::{Key, Waiters};
use futures_io::AsyncWrite;
use std::fmt;
use std::io::{self, IoSlice, Write};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes that wait for the thread at most; it has as many again in its hands. As many as a pipe of
/// Linux holds: a burst of lines that a pipe would take makes no writer wait.
const ROOM: usize = 64 * 1024;

/// Standard output.
///
/// A thread of the process writes through [`std::io::stdout`], in the order of the writes of all
/// handles; a `print!` comes before what the thread writes after it. A write is done when its bytes
/// are in a queue of 64 KiB, and waits while that is full.
///
/// # Flush
///
/// After `flush().await` everything that was written by this handle has reached the descriptor, or
/// the error says that it has not. The end of the program waits for nothing: bytes that were not
/// flushed then are written or lost, as it comes. So flush before `main` returns.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncWriteExt;
///
/// spinney::block_on(async {
///     let mut output = spinney::io::stdout();
///     output.write_all(b"hello\n").await?;
///     output.flush().await
/// }).unwrap();
/// ```
///
/// # Errors
///
/// An error of the system comes out of the next write or flush of each handle whose unflushed bytes
/// it concerns; where the reader of a pipe has gone it is a
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe). One that comes after the handle was dropped unflushed
/// has no receiver. A write also fails if no thread can be had, or if this process was forked from
/// one that has written its standard output in this way.
///
/// # Cancellation
///
/// Dropping a write that waits has written nothing. Earlier writes go out all the same.
pub fn stdout() -> Stdout {
    Stdout(Handle::new(Stream::Stdout))
}

/// Standard error, in the same way as [`stdout`]: bytes are queued, and have reached the
/// descriptor after a flush.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncWriteExt;
///
/// spinney::block_on(async {
///     let mut complaints = spinney::io::stderr();
///     complaints.write_all(b"careful\n").await?;
///     complaints.flush().await
/// }).unwrap();
/// ```
///
/// # Errors
///
/// As [`stdout`].
///
/// # Cancellation
///
/// As [`stdout`].
pub fn stderr() -> Stderr {
    Stderr(Handle::new(Stream::Stderr))
}

/// The writer of [`stdout`]. If there are several, what one write has queued stays together.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncWriteExt;
/// use spinney::io::{Stdout, stdout};
///
/// async fn greet(output: &mut Stdout) -> std::io::Result<()> {
///     output.write_all(b"hello\n").await?;
///     output.flush().await
/// }
///
/// spinney::block_on(greet(&mut stdout())).unwrap();
/// ```
pub struct Stdout(Handle);

/// The writer of [`stderr`].
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncWriteExt;
/// use spinney::io::{Stderr, stderr};
///
/// async fn complain(output: &mut Stderr) -> std::io::Result<()> {
///     output.write_all(b"careful\n").await?;
///     output.flush().await
/// }
///
/// spinney::block_on(complain(&mut stderr())).unwrap();
/// ```
pub struct Stderr(Handle);

/// The two streams.
#[derive(Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    fn desk(self) -> &'static Desk {
        static STDOUT: OnceLock<Desk> = OnceLock::new();
        static STDERR: OnceLock<Desk> = OnceLock::new();
        let desk = match self {
            Self::Stdout => &STDOUT,
            Self::Stderr => &STDERR,
        };
        desk.get_or_init(|| Desk::new(self))
    }

    fn write(self, bytes: &[u8]) -> io::Result<()> {
        fn all(mut stream: impl Write, bytes: &[u8]) -> io::Result<()> {
            stream.write_all(bytes)?;
            stream.flush()
        }
        match self {
            Self::Stdout => all(io::stdout().lock(), bytes),
            Self::Stderr => all(io::stderr().lock(), bytes),
        }
    }
}

/// What the thread and the writers of a stream share.
struct Desk {
    stream: Stream,
    inside: Mutex<Inside>,
    /// Told when the thread is to write.
    asked: Condvar,
    writers: Waiters,
}

/// Positions are bytes since the start of the process.
#[derive(Default)]
struct Inside {
    /// Bytes that wait for the thread.
    bytes: Vec<u8>,
    /// The end of the bytes that were queued so far.
    queued: u64,
    /// The end of what the thread is done with: it is written, or lost.
    done: u64,
    lost: Option<Lost>,
    thread: OwnThread,
}

/// Bytes that were not written, from the first to the last, and the last error: an `io::Error`
/// cannot be cloned for each of the handles that it concerns.
struct Lost {
    from: u64,
    to: u64,
    kind: io::ErrorKind,
    text: String,
}

impl Inside {
    /// What becomes of the bytes that the thread has taken.
    fn note(&mut self, count: usize, written: io::Result<()>) {
        let from = self.done;
        self.done += count as u64;
        if let Err(error) = written {
            self.lost = Some(Lost {
                from: self.lost.take().map_or(from, |lost| lost.from),
                to: self.done,
                kind: error.kind(),
                text: error.to_string(),
            });
        }
    }
}

impl Desk {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            inside: Mutex::default(),
            asked: Condvar::new(),
            writers: Waiters::new(),
        }
    }

    /// Has the thread write, which is started if there is none yet.
    fn start(&'static self, inside: &mut Inside) -> io::Result<()> {
        let name = self.stream.name();
        inside
            .thread
            .start(name, format_args!("writes {name}"), || self.serve())
    }

    fn serve(&self) {
        let mut bytes = Vec::new();
        let mut inside = self.inside.lock();
        loop {
            while inside.bytes.is_empty() {
                self.asked.wait(&mut inside);
            }
            mem::swap(&mut inside.bytes, &mut bytes);
            drop(inside);
            if bytes.len() >= ROOM {
                // There is room again.
                self.writers.wake_all();
            }
            let written = self.stream.write(&bytes);
            inside = self.inside.lock();
            inside.note(bytes.len(), written);
            drop(inside);
            bytes.clear();
            self.writers.wake_all();
            inside = self.inside.lock();
        }
    }
}

/// One writer of a stream.
struct Handle {
    desk: &'static Desk,
    key: Key,
    /// From its first byte that was not flushed to its last one.
    from: u64,
    to: u64,
}

impl Handle {
    fn new(stream: Stream) -> Self {
        Self {
            desk: stream.desk(),
            key: Key::default(),
            from: 0,
            to: 0,
        }
    }

    /// Polls with `look`, registered: it is looked once more afterwards.
    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&mut Self, MutexGuard<'_, Inside>) -> Option<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        budget::poll(cx, |cx| {
            let desk = self.desk;
            for registered in [false, true] {
                if registered {
                    desk.writers.register(&mut self.key, cx.waker());
                }
                let inside = desk.inside.lock();
                if let Some(error) = self.take_error(&inside) {
                    return Poll::Ready(Err(error));
                }
                if let Some(done) = look(self, inside) {
                    return Poll::Ready(done);
                }
            }
            frame::note_leaf();
            Poll::Pending
        })
    }

    /// The error that concerns bytes of this handle, once.
    fn take_error(&mut self, inside: &Inside) -> Option<io::Error> {
        let lost = inside.lost.as_ref()?;
        // What was lost may reach from before an empty stretch to behind it.
        let none = self.from == self.to;
        if none || lost.to <= self.from || lost.from >= self.to {
            return None;
        }
        self.from = lost.to;
        self.to = self.to.max(self.from);
        let text = format!("cannot write {}: {}", self.desk.stream.name(), lost.text);
        Some(io::Error::new(lost.kind, text))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |this, mut inside| {
            if slices.iter().all(|slice| slice.is_empty()) {
                return Some(Ok(0));
            }
            let before = inside.bytes.len();
            if before >= ROOM {
                return None;
            }
            if let Err(error) = this.desk.start(&mut inside) {
                return Some(Err(error));
            }
            for slice in slices {
                let room = ROOM - inside.bytes.len();
                inside
                    .bytes
                    .extend_from_slice(&slice[..slice.len().min(room)]);
            }
            let count = inside.bytes.len() - before;
            if this.from == this.to {
                this.from = inside.queued;
            }
            inside.queued += count as u64;
            this.to = inside.queued;
            drop(inside);
            this.desk.asked.notify_one();
            Some(Ok(count))
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |this, inside| {
            (inside.done >= this.to).then(|| {
                this.from = this.to;
                Ok(())
            })
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.desk.writers.remove(&mut self.key);
    }
}

macro_rules! write {
    ($($type:ident),*) => {$(
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().0.poll_write(cx, &[IoSlice::new(buffer)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().0.poll_write(cx, buffers)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().0.poll_flush(cx)
            }

            /// A flush: the descriptor stays open, for it belongs to the process.
            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    )*};
}

write!(Stdout, Stderr);
