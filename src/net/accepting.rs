//! The next connection of a listener, with a pause where there is no room for it: what listeners of
//! all kinds share.

use crate::driver::driver::Timer;
use crate::driver::sources::Direction;
use crate::net::endpoint;
use crate::net::operation::Place;
use crate::net::pause::{Pause, is_for_want_of_room};
use crate::net::registered::Registered;
use crate::poll::frame;
use crate::sync::Mutex;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// A socket of the standard library that listens.
pub(crate) trait Listens: AsFd + AsRawFd + Sized {
    /// A connection of ours, and where it comes from.
    type Accepted;

    /// Accepts one without waiting.
    fn accept_one(listener: &Registered<Self>) -> io::Result<Self::Accepted>;
}

/// A listener that the driver watches.
pub(crate) struct Listening<S: Listens> {
    pub(crate) socket: Registered<S>,
    pause: Mutex<Pause>,
}

impl<S: Listens> Listening<S> {
    /// Of a socket in non-blocking mode.
    pub(crate) fn new(socket: S) -> io::Result<Self> {
        let here = endpoint::local(&socket);
        Ok(Self {
            socket: Registered::new(socket, here)?,
            pause: Mutex::default(),
        })
    }

    pub(crate) fn accept(&self) -> Accepting<'_, S> {
        Accepting {
            listener: self,
            place: Place::new(&self.socket, Direction::Read),
            timer: None,
        }
    }

    pub(crate) fn try_accept(&self) -> io::Result<S::Accepted> {
        self.socket
            .try_io(Direction::Read, |_| S::accept_one(&self.socket))
    }

    /// The end of the pause, while there is one.
    fn paused_until(&self) -> Option<Instant> {
        let pause = self.pause.lock();
        pause.until(|| self.socket.driver().now())
    }

    /// Accepts a connection; a pause begins if there is no room for one.
    fn accept_or_pause(&self) -> io::Result<S::Accepted> {
        let accepted = S::accept_one(&self.socket);
        let mut pause = self.pause.lock();
        match &accepted {
            Err(error) if is_for_want_of_room(error) => {
                pause.begin(self.socket.driver().now());
            }
            _ => pause.end(),
        }
        accepted
    }
}

/// The next connection of a listener.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Accepting<'a, S: Listens> {
    listener: &'a Listening<S>,
    place: Place<'a, S>,
    /// The end of a pause.
    timer: Option<Timer>,
}

impl<S: Listens> Future for Accepting<'_, S> {
    type Output = io::Result<S::Accepted>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let listener = this.listener;
        while let Some(until) = listener.paused_until() {
            let waits = this
                .timer
                .as_ref()
                .is_some_and(|timer| timer.update(cx.waker()));
            if waits {
                frame::note_leaf();
                return Poll::Pending;
            }
            // None yet, or it has fired, and there is another pause by now.
            // One for a listener, and rare: any seat does.
            let driver = listener.socket.driver();
            let timer = driver.insert_waker(0, until, cx.waker().clone());
            this.timer = Some(timer);
        }
        this.timer = None;
        this.place.poll(cx, |_| listener.accept_or_pause())
    }
}
