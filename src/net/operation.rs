//! The futures of operations on a socket. Each has a place of its own among the waiters, so any
//! number of them may wait for one direction, and one that is dropped takes its waker back.

use crate::driver::sources::Direction;
use crate::net::registered::Registered;
use crate::waiters::Key;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

/// An operation that is tried until it would not block.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Operation<'a, S: AsFd + AsRawFd, F> {
    place: Place<'a, S>,
    op: F,
}

/// A transfer of bytes that is tried until it would not block.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Transfer<'a, S: AsFd + AsRawFd, F> {
    place: Place<'a, S>,
    /// The length of the buffer.
    room: usize,
    op: F,
}

/// A place among the waiters for one direction of a socket. It is given back when this is dropped.
pub(crate) struct Place<'a, S: AsFd + AsRawFd> {
    pub(crate) socket: &'a Registered<S>,
    pub(crate) direction: Direction,
    pub(crate) key: Key,
}

impl<'a, S: AsFd + AsRawFd> Place<'a, S> {
    pub(crate) fn new(socket: &'a Registered<S>, direction: Direction) -> Self {
        Self {
            socket,
            direction,
            key: Key::default(),
        }
    }

    pub(crate) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        op: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.socket
            .poll_io(self.direction, Some(&mut self.key), cx, op)
    }
}

impl<S: AsFd + AsRawFd> Drop for Place<'_, S> {
    fn drop(&mut self) {
        self.socket.forget(self.direction, &mut self.key);
    }
}

impl<S: AsFd + AsRawFd> Registered<S> {
    pub(crate) fn operation<R, F>(&self, direction: Direction, op: F) -> Operation<'_, S, F>
    where
        F: FnMut(&S) -> io::Result<R>,
    {
        Operation {
            place: Place::new(self, direction),
            op,
        }
    }

    pub(crate) fn transfer<F>(&self, direction: Direction, room: usize, op: F) -> Transfer<'_, S, F>
    where
        F: FnMut(&S) -> io::Result<usize>,
    {
        Transfer {
            place: Place::new(self, direction),
            room,
            op,
        }
    }

    /// A wait until a socket may be ready.
    pub(crate) fn ready(
        &self,
        direction: Direction,
    ) -> Operation<'_, S, impl FnMut(&S) -> io::Result<()>> {
        self.operation(direction, |_| Ok(()))
    }
}

/// What `op` holds is not pinned.
impl<S: AsFd + AsRawFd, F> Unpin for Operation<'_, S, F> {}
impl<S: AsFd + AsRawFd, F> Unpin for Transfer<'_, S, F> {}

impl<S, F, R> Future for Operation<'_, S, F>
where
    S: AsFd + AsRawFd,
    F: FnMut(&S) -> io::Result<R>,
{
    type Output = io::Result<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.place.poll(cx, &mut this.op)
    }
}

impl<S, F> Future for Transfer<'_, S, F>
where
    S: AsFd + AsRawFd,
    F: FnMut(&S) -> io::Result<usize>,
{
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Place {
            socket,
            direction,
            key,
        } = &mut this.place;
        socket.poll_transfer(*direction, this.room, Some(key), cx, &mut this.op)
    }
}
