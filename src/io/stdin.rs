//! Standard input, without holding up the end of the program.

use crate::io::own_thread::OwnThread;
use crate::poll::{budget, frame};
use crate::sync::OnceLock;
use crate::sync::bed::{Condvar, Mutex};
use crate::waiters::{Key, Waiters};
use futures_io::AsyncRead;
use std::fmt;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes that the thread reads at most in one call: as many as a buffer of the standard library
/// has.
const PIECE: usize = 8 * 1024;

/// Standard input.
///
/// It implements `futures_io::AsyncRead`; a `BufReader`, of `futures-lite` for instance, makes
/// lines of it. Nothing is read before a read was polled. A thread reads through
/// [`std::io::stdin`], whose lock it holds while it waits: read here or there, not both.
///
/// # Examples
///
/// ```no_run
/// use futures_lite::io::{AsyncBufReadExt, BufReader};
///
/// spinney::block_on(async {
///     let mut line = String::new();
///     BufReader::new(spinney::io::stdin()).read_line(&mut line).await?;
///     println!("{}", line.to_uppercase());
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
///
/// # Errors
///
/// Those of the system; also if no thread can be had, or if this process was forked from one that
/// has read its standard input in this way.
///
/// # Cancellation
///
/// Dropping a read loses nothing: what the thread has read is there for the next one. The program
/// may end while the thread waits.
pub fn stdin() -> Stdin {
    Stdin {
        key: Key::default(),
    }
}

/// The reader of [`stdin`]. If there are several, each byte goes to one of them.
///
/// # Examples
///
/// ```no_run
/// use futures_lite::AsyncReadExt;
///
/// /// Echoes its input, until it is told to stop.
/// async fn echo(g: spinney::Group<'_, '_>) -> std::io::Result<()> {
///     let mut input: spinney::io::Stdin = spinney::io::stdin();
///     let mut room = [0; 100];
///     let stop = async { g.stopping().await; Ok(0) };
///     match futures_lite::future::or(stop, input.read(&mut room)).await? {
///         0 => {}
///         count => println!("{}", String::from_utf8_lossy(&room[..count])),
///     }
///     Ok(())
/// }
/// ```
pub struct Stdin {
    key: Key,
}

/// What the thread and the readers share.
struct Desk {
    inside: Mutex<Inside>,
    /// Told when the thread is to read.
    asked: Condvar,
    readers: Waiters,
}

#[derive(Default)]
struct Inside {
    /// Bytes that were read, and how many of them a reader has.
    bytes: Vec<u8>,
    taken: usize,
    /// The end of the input, or an error, which comes after these bytes.
    end: Option<io::Result<()>>,
    /// The thread reads, or is to.
    wanted: bool,
    thread: OwnThread,
}

fn desk() -> &'static Desk {
    static DESK: OnceLock<Desk> = OnceLock::new();
    DESK.get_or_init(|| Desk {
        inside: Mutex::default(),
        asked: Condvar::new(),
        readers: Waiters::new(),
    })
}

impl Desk {
    /// What there is now.
    fn take(&self, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        let mut inside = self.inside.lock();
        let left = &inside.bytes[inside.taken..];
        if left.is_empty() {
            return inside.end.take().map(|end| end.map(|()| 0));
        }
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        inside.taken += count;
        Some(Ok(count))
    }

    /// Has the thread read, which is started if there is none yet.
    fn ask(&'static self) -> io::Result<()> {
        let mut inside = self.inside.lock();
        let does = format_args!("reads standard input");
        inside.thread.start("stdin", does, || self.serve())?;
        inside.wanted = true;
        drop(inside);
        self.asked.notify_one();
        Ok(())
    }

    fn serve(&self) {
        let mut room = vec![0; PIECE];
        loop {
            let mut inside = self.inside.lock();
            while !inside.wanted {
                self.asked.wait(&mut inside);
            }
            drop(inside);
            let read = loop {
                match io::stdin().read(&mut room) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read,
                }
            };
            let mut inside = self.inside.lock();
            inside.wanted = false;
            match read {
                Ok(0) => inside.end = Some(Ok(())),
                Ok(count) => {
                    inside.bytes.clear();
                    inside.bytes.extend_from_slice(&room[..count]);
                    inside.taken = 0;
                }
                Err(error) => inside.end = Some(Err(error)),
            }
            drop(inside);
            self.readers.wake_all();
        }
    }
}

impl AsyncRead for Stdin {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let key = &mut self.get_mut().key;
        budget::poll(cx, |cx| {
            if buffer.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let desk = desk();
            if let Some(read) = desk.take(buffer) {
                return Poll::Ready(read);
            }
            // Registered first, and looked for once more afterwards.
            desk.readers.register(key, cx.waker());
            if let Some(read) = desk.take(buffer) {
                return Poll::Ready(read);
            }
            if let Err(error) = desk.ask() {
                return Poll::Ready(Err(error));
            }
            frame::note_leaf();
            Poll::Pending
        })
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        desk().readers.remove(&mut self.key);
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin").finish_non_exhaustive()
    }
}
