//! A socket that the driver watches: registered once, in edge mode, for as long as it lives. What a
//! task that waits for it owes to its poll is done here: the budget, and the note in its frame.

use crate::driver::driver::Driver;
use crate::driver::source::Readiness;
use crate::driver::sources::{Direction, Source};
use crate::poll::{budget, frame};
use crate::sync::Arc;
use crate::waiters::Key;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll, ready};

/// A socket and its registration.
pub(crate) struct Registered<S: AsFd + AsRawFd> {
    io: S,
    source: Arc<Source>,
    driver: Arc<Driver>,
    key: usize,
}

impl<S: AsFd + AsRawFd> Registered<S> {
    /// Registers a socket in non-blocking mode.
    pub(crate) fn new(io: S, driver: Arc<Driver>) -> io::Result<Self> {
        driver.must_be_here()?;
        let source = Arc::new(Source::new());
        let selector = &driver.role.selector;
        let key = selector.sources.lock().insert(Arc::clone(&source));
        let key = key.ok_or_else(|| io::Error::other("too many sources"))?;
        if let Err(error) = selector.system.add(&io, key) {
            selector.sources.lock().remove(key);
            return Err(error);
        }
        driver.note_change();
        Ok(Self {
            io,
            source,
            driver,
            key,
        })
    }

    pub(crate) fn io(&self) -> &S {
        &self.io
    }

    fn readiness(&self, direction: Direction) -> &Readiness {
        self.source.readiness(direction)
    }

    /// Tries `op` while the source may be ready; registers the waker when it is not.
    pub(crate) fn poll_io<R>(
        &self,
        direction: Direction,
        key: Option<&mut Key>,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let readiness = self.readiness(direction);
        let mut key = key;
        let mut registered = false;
        loop {
            let seen = readiness.look();
            if seen.is_ready() {
                ready!(budget::spend(cx));
                match op(&self.io) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        readiness.clear(seen)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    done => return Poll::Ready(done),
                }
            } else if registered {
                frame::note_leaf();
                return Poll::Pending;
            } else {
                match &mut key {
                    Some(key) => readiness.waiters.register(key, cx.waker()),
                    None => readiness.waiters.add(cx.waker()),
                }
                registered = true;
            }
        }
    }

    /// As [`Registered::poll_io`], for an operation on a buffer of `room` bytes. One that moves
    /// fewer has emptied, or filled, the system's buffer: the next one need not be tried before
    /// there was an event.
    pub(crate) fn poll_transfer(
        &self,
        direction: Direction,
        room: usize,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut seen = None;
        let readiness = self.readiness(direction);
        let done = self.poll_io(direction, None, cx, |io| {
            // As of before the operation: an event after it makes the clear below fail.
            seen = Some(readiness.look());
            op(io)
        });
        if let (Poll::Ready(Ok(moved)), Some(seen)) = (&done, seen) {
            if (1..room).contains(moved) && !self.source.has_ended() {
                readiness.clear(seen);
            }
        }
        done
    }

    /// A waiting future goes away.
    pub(crate) fn forget(&self, direction: Direction, key: &mut Key) {
        self.readiness(direction).waiters.remove(key);
    }
}

impl<S: AsFd + AsRawFd> Drop for Registered<S> {
    fn drop(&mut self) {
        // In a forked process the kernel would delete the parent's registration, which is the same
        // one.
        if self.driver.is_elsewhere() {
            return;
        }
        // An error means that the poller does not know the socket: then there is nothing to delete.
        let selector = &self.driver.role.selector;
        let _ = selector.system.delete(&self.io);
        selector.sources.lock().remove(self.key);
        self.driver.note_change();
    }
}
