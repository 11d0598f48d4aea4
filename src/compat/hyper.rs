//! hyper 1 on spinney: sockets, timers, and an executor that spawns into a group.
//!
//! ```
//! use spinney::compat::hyper::Timer;
//!
//! let mut http = hyper::server::conn::http1::Builder::new();
//! http.timer(Timer);
//! ```

#![expect(unsafe_code, reason = "hyper's read buffer is uninitialised memory")]

use crate::driver::registered::Direction;
use crate::net::TcpStream;
use crate::pool::context;
use crate::surface::handle::Handle;
use crate::surface::outcome::Never;
use crate::time::{self, sleep_until};
use hyper::rt::{Executor, Read, ReadBufCursor, Write};
use rustix::net::{RecvFlags, recv};
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

macro_rules! sockets {
    ($($type:ty),*) => {$(
        impl Read for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                cursor: ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                read(&self, cx, cursor)
            }
        }

        impl Write for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.poll_write_io(buffer.len(), cx, |io| io.write(buffer))
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.shut_write())
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.poll_write_vectored_io(cx, buffers)
            }
        }
    )*};
}

// By reference, too: a server keeps an eye on a socket that it has lent to hyper.
sockets!(TcpStream, &TcpStream);

fn read(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut cursor: ReadBufCursor<'_>,
) -> Poll<io::Result<()>> {
    let room = cursor.remaining();
    let read = stream.0.poll_transfer(Direction::Read, room, cx, |io| {
        // SAFETY: nothing that is initialised is made uninitialised: `recv` only writes.
        let buffer = unsafe { cursor.as_mut() };
        let ((initialised, _), _) = recv(io, buffer, RecvFlags::empty())?;
        Ok(initialised.len())
    });
    let count = ready!(read)?;
    // SAFETY: `recv` has initialised that many bytes.
    unsafe { cursor.advance(count) };
    Poll::Ready(Ok(()))
}

impl hyper::rt::Sleep for time::Sleep {}

/// spinney's clock and timers, for hyper's timeouts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(time::sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(sleep_until(deadline))
    }

    fn now(&self) -> Instant {
        context::now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<time::Sleep>() {
            Some(sleep) => sleep.get_mut().reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// hyper's background tasks become children of a group. Once the group has ended they are dropped.
impl<F> Executor<F> for Handle<Never>
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        if let Err(refused) = self.spawn(future) {
            drop(refused);
        }
    }
}
