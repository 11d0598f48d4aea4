//! Bytes that were written to a file, on their way there.
//!
//! A write puts its bytes into a queue and is done. The first one into an empty queue starts a
//! closure on a thread for those that block, the *turn*, which writes until the queue is empty;
//! bytes that are added meanwhile are written by the same turn, in few large pieces.
//!
//! # Protocol
//!
//! All under one lock. *While there is something in the queue a turn has it*: a write adds to the
//! queue of a turn that goes on, or begins one. A turn finds the queue empty and is over under the
//! same lock. No cut reaches a turn, be it still in the line for a thread: its closure is called in
//! any case, and if it is not, because the runtime has ended, its end says so.
//!
//! An error ends the turn; the rest of the queue is lost with it. The error is kept, and no
//! byte is taken, until an operation on the file has returned it. Where the file goes away before
//! that, the hook of the runtime is told.

use crate::fs::call;
use crate::poll::frame;
use crate::pool::global;
use crate::report::reason::Origin;
use crate::report::tried::failed;
use crate::sync::Arc;
use crate::sync::bed::{Condvar, Mutex};
use std::borrow::Cow;
use std::fs;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::mem;
use std::panic::Location;
use std::path::Path;
use std::process;

/// Bytes in the queue at most; the turn has as many again in its hands. A file is written at 1 GB/s
/// or more into memory of the system: that is the time of a few hops to a thread.
const ROOM: usize = 256 * 1024;

/// What a file and the turn that writes for it share.
pub(super) struct WriteBehind {
    file: Arc<fs::File>,
    path: Option<Arc<Path>>,
    /// Where the file was opened.
    location: &'static Location<'static>,
    inside: Mutex<Inside>,
    /// Told when a turn is over.
    over: Condvar,
}

#[derive(Default)]
struct Inside {
    queue: Vec<u8>,
    /// Bytes before the queue that were read ahead: so far back the first byte of it belongs.
    back: u64,
    /// A turn goes on, in this process.
    turn: Option<u32>,
    error: Option<io::Error>,
}

/// What becomes of bytes that are to be written.
pub(super) enum Taken {
    /// So many are in the queue.
    Queued(usize),
    /// So many are, and the caller has this turn made.
    Begun(usize, Turn),
    /// The queue is full: the turn has to be waited for.
    Full,
    /// An earlier write has failed.
    Failed(io::Error),
}

impl WriteBehind {
    pub(super) fn new(
        file: Arc<fs::File>,
        path: Option<Arc<Path>>,
        location: &'static Location<'static>,
    ) -> Arc<Self> {
        Arc::new(Self {
            file,
            path,
            location,
            inside: Mutex::default(),
            over: Condvar::new(),
        })
    }

    /// An error of an operation on the file, which names the path.
    pub(super) fn failed(&self, error: io::Error, verb: &str) -> io::Error {
        match &self.path {
            Some(path) => call::at(error, verb, path),
            None => failed(error, format_args!("cannot {verb} a file")),
        }
    }

    pub(super) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The error that no operation has returned yet.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.inside.lock().error.take()
    }

    /// Whether a turn goes on.
    pub(super) fn has_turn(&self) -> bool {
        self.inside.lock().turn.is_some()
    }

    /// Puts bytes into the queue. `back`: that many were read ahead, if no turn goes on.
    pub(super) fn take(self: &Arc<Self>, slices: &[IoSlice<'_>], back: u64) -> Taken {
        let mut inside = self.inside.lock();
        if let Some(error) = inside.error.take() {
            return Taken::Failed(error);
        }
        let before = inside.queue.len();
        for slice in slices {
            let room = ROOM - inside.queue.len();
            inside
                .queue
                .extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let count = inside.queue.len() - before;
        if count == 0 {
            return Taken::Full;
        }
        if inside.turn.is_some() {
            return Taken::Queued(count);
        }
        inside.turn = Some(process::id());
        inside.back = back;
        Taken::Begun(
            count,
            Turn {
                of: Arc::clone(self),
                over: false,
            },
        )
    }

    /// Blocks until no turn goes on. In a process that was forked from that of the turn there is
    /// none to wait for.
    pub(super) fn wait(&self) {
        let mut inside = self.inside.lock();
        while inside.turn.is_some_and(|process| process == process::id()) {
            self.over.wait(&mut inside);
        }
    }
}

impl WriteBehind {
    /// The file goes away. The hook is told of an error here, and not by the thread of a turn that
    /// is over: so it was told when the drop of the file returns.
    pub(super) fn give_up(&self) {
        if self.has_turn() {
            return; // its end says so
        }
        if let Some(error) = self.take_error() {
            report(error, self.location);
        }
    }
}

impl Drop for WriteBehind {
    /// The file is gone, and its last turn is over.
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Tells the hook of an error that no operation has returned.
fn report(error: io::Error, location: &'static Location<'static>) {
    let origin = Origin {
        task: None,
        name: Some(Cow::Borrowed("write-behind")),
        location,
    };
    frame::current(|frame| match frame {
        Some(frame) => frame.group().report_error(error, origin),
        None => global::runtime().report(origin.lost_error(error, String::new())),
    });
}

/// The right, and the duty, to write the queue.
pub(super) struct Turn {
    of: Arc<WriteBehind>,
    over: bool,
}

impl Turn {
    /// Writes until the queue is empty, on a thread that may block.
    pub(super) fn run(mut self) {
        let mut piece = Vec::new();
        let of = Arc::clone(&self.of);
        loop {
            let mut inside = of.inside.lock();
            piece.clear();
            mem::swap(&mut inside.queue, &mut piece);
            let back = mem::take(&mut inside.back);
            if piece.is_empty() {
                return self.end(&mut inside);
            }
            drop(inside);
            let mut written = 0;
            if let Err(error) = write(&of.file, &piece, back, &mut written) {
                return self.fail(error, piece.len() - written);
            }
        }
    }

    fn end(&mut self, inside: &mut Inside) {
        inside.turn = None;
        self.over = true;
        self.of.over.notify_all();
    }

    /// The turn is over, and `lost` bytes of its piece are not written.
    fn fail(&mut self, error: io::Error, lost: usize) {
        let of = Arc::clone(&self.of);
        let mut inside = of.inside.lock();
        let lost = lost + mem::take(&mut inside.queue).len();
        let error = of.failed(error, &format!("write {lost} bytes to"));
        inside.error = Some(error);
        self.end(&mut inside);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.over {
            self.fail(io::Error::other("the runtime has ended"), 0);
        }
    }
}

/// Writes a piece that belongs `back` bytes before the position; `written` says how much of it is,
/// also after an error.
fn write(file: &fs::File, piece: &[u8], back: u64, written: &mut usize) -> io::Result<()> {
    let mut file = file;
    if back > 0 {
        // Less than a buffer.
        file.seek(SeekFrom::Current(-(back as i64)))?;
    }
    while *written < piece.len() {
        match file.write(&piece[*written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
