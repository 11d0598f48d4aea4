//! Reads, writes and seeks of an open file, one operation at a time.

use crate::api::child::closures::{blocking_at, blocking_surely};
use crate::fs::write_behind::{Taken, WriteBehind};
use crate::poll::{budget, frame};
use crate::sync::Arc;
use std::fs;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom};
use std::mem;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// Bytes that are read at a time, if no more are asked for: as many as Linux reads ahead by
/// default.
const PIECE: usize = 128 * 1024;

/// Bytes that are read at a time at most: a file keeps a buffer of that size.
const MOST: usize = 1024 * 1024;

type Coming<T> = Pin<Box<dyn Future<Output = T> + Send + Sync>>;

/// The operation that goes on.
enum Operation {
    None,
    Read(Coming<(Vec<u8>, io::Result<usize>)>),
    /// A turn of `write_behind`.
    Write(Coming<()>),
    Seek(SeekFrom, Coming<io::Result<u64>>),
}

/// An open file, and what goes on with it.
pub(super) struct Transfer {
    file: Arc<fs::File>,
    behind: Arc<WriteBehind>,
    operation: Operation,
    ahead: Ahead,
    /// It has a position.
    seeks: bool,
    /// Where a seek in two steps is to go.
    #[cfg(feature = "tokio-io")]
    pub(super) target: Option<SeekFrom>,
}

/// Bytes that were read and not asked for yet.
#[derive(Default)]
struct Ahead {
    bytes: Vec<u8>,
    left: Range<usize>,
    /// The error of a read that was given up.
    error: Option<io::Error>,
}

impl Ahead {
    fn left(&self) -> &[u8] {
        &self.bytes[self.left.clone()]
    }

    fn forget(&mut self) {
        self.left = 0..0;
        self.error = None;
    }
}

impl Transfer {
    /// Called on a thread that may block.
    pub(super) fn new(
        file: fs::File,
        path: Option<Arc<Path>>,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        let kind = file.metadata()?.file_type();
        let file = Arc::new(file);
        Ok(Self {
            behind: WriteBehind::new(Arc::clone(&file), path, location),
            file,
            operation: Operation::None,
            ahead: Ahead::default(),
            // Of devices, pipes and terminals some have none.
            seeks: kind.is_file() || kind.is_block_device(),
            #[cfg(feature = "tokio-io")]
            target: None,
        })
    }

    pub(super) fn file(&self) -> Arc<fs::File> {
        Arc::clone(&self.file)
    }

    pub(super) fn behind(&self) -> &Arc<WriteBehind> {
        &self.behind
    }

    /// Whether the position of the descriptor is further on than that of the file.
    pub(super) fn has_read_ahead(&self) -> bool {
        self.seeks && !self.ahead.left.is_empty()
    }

    /// Begins an operation that is of no use if the file goes away.
    fn begin<T, F>(&self, f: F) -> Coming<T>
    where
        F: FnOnce(&fs::File) -> T + Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let file = self.file();
        Box::pin(blocking_at(move || f(&file), self.behind.location()))
    }

    /// Waits for the operation that goes on, whichever that is.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.operation {
            Operation::None => return Poll::Ready(()),
            Operation::Write(turn) => ready!(turn.as_mut().poll(cx)),
            Operation::Read(read) => {
                let (bytes, count) = ready!(read.as_mut().poll(cx));
                self.ahead.bytes = bytes;
                match count {
                    Ok(count) => self.ahead.left = 0..count,
                    Err(error) => self.ahead.error = Some(error),
                }
            }
            Operation::Seek(_, seek) => {
                if ready!(seek.as_mut().poll(cx)).is_ok() {
                    self.ahead.forget();
                }
            }
        }
        self.operation = Operation::None;
        Poll::Ready(())
    }

    /// As [`Transfer::poll_idle`]; then the error of a write, if there is one.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_idle(cx));
        Poll::Ready(self.behind.take_error().map_or(Ok(()), Err))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        budget::poll(cx, |cx| self.poll_written(cx))
    }

    /// The bytes that were read ahead, once there are any, or none at the end.
    pub(super) fn poll_fill_buf(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        // Callers ask again for what was there, and rely on it. So no budget is taken: at the end
        // of the buffer a loop waits for a thread.
        ready!(self.poll_fill(cx, PIECE))?;
        Poll::Ready(Ok(self.ahead.left()))
    }

    /// So many bytes of that are done with.
    pub(super) fn consume(&mut self, count: usize) {
        let left = &mut self.ahead.left;
        left.start = left.end.min(left.start + count);
    }

    /// Reads ahead until there is something; nothing is there at the end. `wanted`: bytes that the
    /// caller has room for.
    fn poll_fill(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<()>> {
        // One that was given up goes on, and what was read ahead is not what follows it.
        if matches!(self.operation, Operation::Seek(..)) {
            ready!(self.poll_idle(cx));
        }
        let mut at_end = false;
        loop {
            if !self.ahead.left.is_empty() || at_end {
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = self.ahead.error.take() {
                return Poll::Ready(Err(self.behind.failed(error, "read")));
            }
            let reads = matches!(self.operation, Operation::Read(_));
            ready!(self.poll_written(cx))?;
            if reads {
                at_end = self.ahead.error.is_none();
                continue;
            }
            let mut bytes = mem::take(&mut self.ahead.bytes);
            let room = wanted.clamp(PIECE, MOST);
            self.operation = Operation::Read(self.begin(move |mut file| {
                if bytes.len() < room {
                    bytes.resize(room, 0);
                }
                let count = loop {
                    match file.read(&mut bytes[..room]) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        read => break read,
                    }
                };
                (bytes, count)
            }));
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let lengths = buffers.iter().map(|buffer| buffer.len());
        let wanted = lengths.fold(0, usize::saturating_add);
        budget::poll(cx, |cx| {
            if wanted == 0 {
                return Poll::Ready(Ok(0));
            }
            ready!(self.poll_fill(cx, wanted))?;
            let count = self.ahead.left().read_vectored(buffers)?;
            self.ahead.left.start += count;
            Poll::Ready(Ok(count))
        })
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        budget::poll(cx, |cx| {
            if slices.iter().all(|slice| slice.is_empty()) {
                return Poll::Ready(Ok(0));
            }
            loop {
                // A turn that has written all is over a little before its child is.
                let writes = matches!(self.operation, Operation::Write(_));
                if !(writes && self.behind.has_turn()) {
                    ready!(self.poll_idle(cx));
                }
                let back = match self.seeks {
                    true => self.ahead.left.len() as u64,
                    false => 0,
                };
                match self.behind.take(slices, back) {
                    Taken::Queued(count) => return Poll::Ready(Ok(count)),
                    Taken::Begun(count, turn) => {
                        if self.seeks {
                            self.ahead.forget();
                        }
                        let turn = blocking_surely(move || turn.run(), self.behind.location());
                        self.operation = Operation::Write(open(Box::pin(turn)));
                        return Poll::Ready(Ok(count));
                    }
                    Taken::Full => ready!(self.poll_idle(cx)),
                    Taken::Failed(error) => return Poll::Ready(Err(error)),
                }
            }
        })
    }

    pub(super) fn poll_seek(
        &mut self,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        budget::poll(cx, |cx| {
            loop {
                if let Operation::Seek(same, seek) = &mut self.operation {
                    if *same == to {
                        let place = ready!(seek.as_mut().poll(cx));
                        self.operation = Operation::None;
                        return Poll::Ready(match place {
                            Ok(place) => {
                                self.ahead.forget();
                                Ok(place)
                            }
                            Err(error) => Err(self.behind.failed(error, "seek in")),
                        });
                    }
                }
                ready!(self.poll_written(cx))?;
                let target = match to {
                    SeekFrom::Current(offset) if self.seeks => {
                        // From where the descriptor is. It is no further than a buffer.
                        let left = self.ahead.left.len() as i64;
                        let Some(offset) = offset.checked_sub(left) else {
                            let error = io::ErrorKind::InvalidInput.into();
                            return Poll::Ready(Err(self.behind.failed(error, "seek in")));
                        };
                        SeekFrom::Current(offset)
                    }
                    to => to,
                };
                let seek = self.begin(move |mut file| file.seek(target));
                self.operation = Operation::Seek(to, seek);
            }
        })
    }
}

/// Has a turn begin, be it in a poll that is being cut, or where no budget is left: bytes were
/// taken, and must not wait for the next poll, which may not come.
fn open(mut turn: Coming<()>) -> Coming<()> {
    let _apart = budget::apart();
    let mut cx = Context::from_waker(Waker::noop());
    match frame::drop_shielded(|| turn.as_mut().poll(&mut cx)) {
        Poll::Ready(()) => Box::pin(std::future::ready(())),
        Poll::Pending => turn,
    }
}

impl AsFd for Transfer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
