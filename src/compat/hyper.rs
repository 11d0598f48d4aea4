//! hyper 1 on spinney: sockets, timers, and an executor that spawns into a group.
//!
//! ```
//! use spinney::compat::hyper::Timer;
//!
//! let mut http = hyper::server::conn::http1::Builder::new();
//! http.timer(Timer);
//! ```

#![expect(unsafe_code, reason = "hyper's read buffer is uninitialised memory")]

use crate::api::group::group_handle::GroupHandle;
use crate::api::group::handle::Never;
use crate::api::group::service_handle::ServiceHandle;
use crate::net::registered::Registered;
use crate::net::{TcpStream, UnixStream};
use crate::pool::global;
use crate::time::{self, sleep_until};
use futures_io::AsyncWrite;
use hyper::rt::{Executor, Read, ReadBufCursor, Write};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd};
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
                read(&self.0, cx, cursor)
            }
        }

        impl Write for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_write(cx, buffer)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.poll_flush(cx)
            }

            fn poll_shutdown(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                AsyncWrite::poll_close(self, cx)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_write_vectored(cx, buffers)
            }
        }
    )*};
}

// By reference, too: a server keeps an eye on a socket that it has lent to hyper.
sockets!(TcpStream, &TcpStream, UnixStream, &UnixStream);

fn read<S: AsFd + AsRawFd>(
    socket: &Registered<S>,
    cx: &mut Context<'_>,
    mut cursor: ReadBufCursor<'_>,
) -> Poll<io::Result<()>>
where
    for<'a> &'a S: io::Read,
{
    // SAFETY: nothing that is initialised is made uninitialised: a read only writes.
    let buffer = unsafe { cursor.as_mut() };
    let count = ready!(socket.poll_read_uninit(cx, buffer))?;
    // SAFETY: the read has initialised that many bytes.
    unsafe { cursor.advance(count) };
    Poll::Ready(Ok(()))
}

impl hyper::rt::Sleep for time::Sleep {}

/// spinney's clock and timers, for hyper's timeouts.
///
/// # Examples
///
/// ```
/// use spinney::compat::hyper::Timer;
///
/// let mut http = hyper::server::conn::http2::Builder::new(hyper_executor());
/// http.timer(Timer);
/// # fn hyper_executor() -> spinney::GroupHandle<spinney::Never> {
/// #     spinney::block_on(spinney::group(async |g| g.handle()))
/// # }
/// ```
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
        global::now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<time::Sleep>() {
            Some(sleep) => sleep.get_mut().reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// hyper's background tasks become children of the group: work, for which it waits.
///
/// For servers: what an accepted connection starts, such as the streams of HTTP/2, is work left,
/// and a drain has to see it. A client's connection ends when its last sender is dropped, so with
/// this handle the group does not end before that, and never if it keeps the sender: a client takes
/// a [`ServiceHandle`]. A panic of a task is the group's, so a server opens a group for each
/// connection.
///
/// Once body and children of the group have ended, or its parent has, a task is dropped, unpolled.
///
/// # Examples
///
/// ```
/// use hyper::body::{Body, Incoming};
/// use hyper::service::HttpService;
/// use hyper::{rt::bounds::Http2ServerConnExec, server::conn::http2};
/// use spinney::{Group, GroupHandle, Never, net::TcpStream};
///
/// /// The group ends when the connection has ended, and its last request.
/// async fn connection<S>(g: Group<'_, '_>, stream: TcpStream, service: S) -> hyper::Result<()>
/// where
///     S: HttpService<Incoming, ResBody: Body<Data: Send, Error = hyper::Error> + 'static>,
///     GroupHandle<Never>: Http2ServerConnExec<S::Future, S::ResBody>,
/// {
///     http2::Builder::new(g.handle()).serve_connection(stream, service).await
/// }
/// ```
impl<F> Executor<F> for GroupHandle<Never>
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        if let Err(refused) = self.spawn(future) {
            drop(refused);
        }
    }
}

/// hyper's background tasks become services of the group, which does not wait for them: it cuts and
/// joins them when body and children have ended.
///
/// For clients: the task of a connection, those of a pool. They would end when the client is not
/// used any more, and the group ends without that, also while the client is still there. Then
/// requests fail, as they do when the connection is lost; so take the handle of the group that is
/// to outlive the client. For servers take a [`GroupHandle`]: a drain would cut what it has to wait
/// for.
///
/// A task that is not waited for any more is cut, too, such as one that still sends the body of a
/// request although the response is there.
///
/// Once the services are ending, or the parent of the group has ended, a task is dropped, unpolled.
///
/// # Examples
///
/// ```
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
/// use hyper::client::conn::http2::{SendRequest, handshake};
/// use hyper::rt::Executor;
/// use spinney::{Group, net::TcpStream};
///
/// /// The group may keep the sender, and ends all the same.
/// async fn connect(
///     g: Group<'_, '_>,
///     stream: TcpStream,
/// ) -> hyper::Result<SendRequest<Empty<Bytes>>> {
///     let services = g.service_handle();
///     let (sender, connection) = handshake(services.clone(), stream).await?;
///     services.execute(async { _ = connection.await }); // if it is lost its requests fail
///     Ok(sender)
/// }
/// ```
impl<F> Executor<F> for ServiceHandle<Never>
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        if let Err(refused) = self.spawn(future) {
            drop(refused);
        }
    }
}
