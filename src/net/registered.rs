//! A socket that the driver watches: registered once, in edge mode, for as long as it lives. What a
//! task that waits for it owes to its poll is done here: the budget, and the note in its frame.
//!
//! # What proves that a socket is drained, or full
//!
//! An event comes when something changes. What was there before makes none, so a task that sleeps
//! on what is there sleeps for ever. The next read or write may be put off to the next event after
//! one that met `WouldBlock`, or that moved less than it could have; the latter saves a call into
//! the kernel for each request. Where the last column says "nothing", reads or writes go on until
//! `WouldBlock`.
//!
//! | an operation | why | proves |
//! |---|---|---|
//! | meets `WouldBlock` | there is nothing, or no room | drained, full |
//! | fills the buffer, writes all of it | there may be more | nothing |
//! | moves no byte | the end of the stream, or an empty buffer | nothing |
//! | reads less | there was no more | drained |
//! | reads less, the other end having shut down | the end comes after the bytes, without an event (`RDHUP`) | nothing |
//! | reads less, the connection having failed | the error comes after the bytes (`ERR`, `HUP`) | nothing |
//! | reads less, in front of an urgent byte | a read stops there, and more may follow (`PRI`) | nothing |
//! | reads less from a Unix socket | a read stops behind descriptors that were passed | nothing |
//! | reads less from a pipe | a read stops behind a packet (`O_DIRECT`) | nothing |
//! | sends or receives a datagram | there may be more, and room for more | nothing |
//! | writes less | there is no more room | full |
//! | moves less than all slices, of more than 1,024 | the system takes 1,024 in a call: the others do not count | as above, for 1,024 |
//! | moves 2 GiB less a page | the system moves no more in a call: what is beyond does not count | as above, for that |
//! | accepts a connection, or fails to | there may be more | nothing |
//! | is in a system other than Linux | an end and an urgent byte are not told apart there | nothing |
//!
//! Each row has its test, here, in `tests/network` or in `tests/other_crates/net/flow.rs`:
//!
//! | an operation | its test |
//! |---|---|
//! | meets `WouldBlock` | `would_block_proves_that_the_socket_is_drained` |
//! | fills the buffer, writes all of it | `what_fills_the_buffer_is_not_all` |
//! | moves no byte | `no_byte_at_all_proves_nothing` |
//! | reads less | `a_short_read_proves_that_the_socket_is_drained` |
//! | reads less, the other end having shut down | `the_end_that_came_with_the_last_bytes_is_read` |
//! | reads less, the connection having failed | `the_error_that_came_with_the_last_bytes_is_read` |
//! | reads less, in front of an urgent byte | `what_follows_an_urgent_byte_is_read` |
//! | reads less from a Unix socket | `what_follows_a_passed_descriptor_is_read` |
//! | reads less from a pipe | `packets_that_wait_in_a_pipe_are_read` |
//! | sends or receives a datagram | `datagrams_that_wait_are_received` |
//! | writes less | `a_full_socket_takes_more_when_the_peer_has_read` |
//! | moves less than all slices, of more than 1,024 | `more_slices_than_the_system_takes_are_read` |
//! | moves 2 GiB less a page | `the_longest_move_of_one_call_proves_nothing` |
//! | accepts a connection, or fails to | `connections_that_wait_are_accepted` |
//! | is in a system other than Linux | `a_short_read_proves_that_the_socket_is_drained` |
//!
//! After an end, an error or an urgent byte a short read never proves anything again: such sockets
//! are about to close, or rare.

use crate::driver::driver::Driver;
use crate::driver::source::Readiness;
use crate::driver::sources::{Direction, Source};
use crate::poll::{budget, frame};
use crate::pool::global;
use crate::report::waits_for::Endpoint;
use crate::sync::Arc;
use crate::waiters::Key;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll, ready};

/// The slices that a vectored operation is given at most: the system takes no more (`IOV_MAX`), and
/// the standard library drops those beyond.
pub(crate) const MAX_SLICES: usize = 1024;

/// The bytes that Linux moves in one call at most (`MAX_RW_COUNT`).
const MAX_BYTES: usize = 0x7FFF_F000;

/// The room in slices of these lengths: they may be the same memory again and again.
pub(crate) fn room_of(lengths: impl Iterator<Item = usize>) -> usize {
    lengths.fold(0, usize::saturating_add)
}

/// A socket and its registration.
pub(crate) struct Registered<S: AsFd + AsRawFd> {
    /// It is there until [`Registered::into_inner`].
    io: Option<S>,
    source: Arc<Source>,
    driver: Arc<Driver>,
    key: usize,
}

impl<S: AsFd + AsRawFd> Registered<S> {
    /// Registers a source in non-blocking mode with the driver of this thread's runtime: a socket
    /// that leads to there, or what leads nowhere.
    pub(crate) fn new(io: S, endpoint: Option<Endpoint>) -> io::Result<Self> {
        Self::with(io, Source::new(), endpoint)
    }

    /// Registers one from which a read may take less than is there: it never proves anything.
    pub(crate) fn in_pieces(io: S, endpoint: Option<Endpoint>) -> io::Result<Self> {
        Self::with(io, Source::in_pieces(), endpoint)
    }

    fn with(io: S, source: Source, endpoint: Option<Endpoint>) -> io::Result<Self> {
        let driver = global::driver();
        driver.must_be_here()?;
        let source = Arc::new(source.with(io.as_raw_fd(), endpoint));
        let selector = &driver.role.selector;
        let key = selector.sources.lock().insert(Arc::clone(&source));
        let key = key.ok_or_else(|| io::Error::other("too many sources"))?;
        if let Err(error) = selector.system.add(&io, key) {
            selector.sources.lock().remove(key);
            return Err(error);
        }
        driver.note_change();
        Ok(Self {
            io: Some(io),
            source,
            driver,
            key,
        })
    }

    pub(crate) fn io(&self) -> &S {
        match &self.io {
            Some(io) => io,
            None => unreachable!("a socket that was given back has no registration"),
        }
    }

    /// Gives the socket back, which the driver watches no more. It stays in non-blocking mode.
    pub(crate) fn into_inner(mut self) -> S {
        self.deregister();
        match self.io.take() {
            Some(io) => io,
            None => unreachable!("a socket is given back once"),
        }
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
        op: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_proving(direction, key, cx, op, |_| false)
    }

    /// As [`Registered::poll_io`], for an operation on a buffer of `room` bytes. The table above
    /// says when the next one need not be tried before there was an event.
    pub(crate) fn poll_transfer(
        &self,
        direction: Direction,
        room: usize,
        key: Option<&mut Key>,
        cx: &mut Context<'_>,
        op: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let room = room.min(MAX_BYTES);
        self.poll_proving(direction, key, cx, op, |moved| {
            (1..room).contains(moved) && !self.source.must_say_so()
        })
    }

    /// Whether the source may be ready: a try alone tells.
    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_io(direction, None, cx, |_| Ok(()))
    }

    /// `proves` says of what an operation gave whether nothing is left to be had.
    fn poll_proving<R>(
        &self,
        direction: Direction,
        mut key: Option<&mut Key>,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&S) -> io::Result<R>,
        proves: impl FnOnce(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        let readiness = self.readiness(direction);
        let mut registered = false;
        loop {
            let seen = readiness.look();
            if seen.is_ready() {
                ready!(budget::spend(cx));
                match op(self.io()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        readiness.clear(seen)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(done) => {
                        // As of before the operation: after an event since then this fails.
                        if proves(&done) {
                            readiness.clear(seen);
                        }
                        return Poll::Ready(Ok(done));
                    }
                    error => return Poll::Ready(error),
                }
            } else if registered {
                frame::note_leaf();
                return Poll::Pending;
            } else {
                match &mut key {
                    Some(key) => readiness.waiters.register(key, cx.waker()),
                    // A task that polls again and again takes the place of those that gave up. They
                    // cannot be told from those that wait, so the oldest is woken.
                    None => frame::wake(readiness.waiters.add(cx.waker())),
                }
                registered = true;
            }
        }
    }

    /// Tries `op` at once, whatever the driver knows: it asks the system. One that would block
    /// tells the waiters for readiness that there is none.
    pub(crate) fn try_io<R>(
        &self,
        direction: Direction,
        op: impl FnOnce(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let readiness = self.readiness(direction);
        let seen = readiness.look();
        let done = op(self.io());
        if let Err(error) = &done {
            if error.kind() == io::ErrorKind::WouldBlock {
                readiness.clear(seen);
            }
        }
        done
    }

    /// Where it leads, if it is a socket with an address.
    pub(crate) fn endpoint(&self) -> Option<Endpoint> {
        self.source.endpoint()
    }

    /// It was connected to there.
    pub(crate) fn leads_to(&self, endpoint: Option<Endpoint>) {
        self.source.leads_to(endpoint);
    }

    /// The driver that watches it.
    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// A waiting future goes away.
    pub(crate) fn forget(&self, direction: Direction, key: &mut Key) {
        self.readiness(direction).waiters.remove(key);
    }

    fn deregister(&self) {
        // In a forked process the kernel would delete the parent's registration, which is the same
        // one.
        if self.driver.is_elsewhere() {
            return;
        }
        // An error means that the poller does not know the socket: then there is nothing to delete.
        let selector = &self.driver.role.selector;
        let _ = selector.system.delete(self.io());
        selector.sources.lock().remove(self.key);
        self.driver.note_change();
    }
}

impl<S: AsFd + AsRawFd> Drop for Registered<S> {
    fn drop(&mut self) {
        if self.io.is_some() {
            self.deregister();
        }
    }
}

impl<S: AsFd + AsRawFd + fmt::Debug> fmt::Debug for Registered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io().fmt(f)
    }
}
