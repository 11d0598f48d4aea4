//! What is spoken on a connection, and what is kept of it while nothing is said.
//!
//! What hyper has for a connection of HTTP/1.1 is some 20 kB, nearly all of it buffers. One that is
//! idle for [`QUIET`](crate::serve::activity::QUIET) gives that back: its transport alone is left,
//! and the first bytes of the next request call hyper again.
//!
//! It rests only where hyper holds nothing but buffers (`Activity::may_rest`): no request is under
//! way, the last one had no body of which a part may be left, its answer is with the system, and
//! it is not closing. What hyper has read beyond it, the next hyper reads first.

use crate::api::group::group_handle::GroupHandle;
use crate::api::group::handle::Never;
use crate::compat::hyper::Timer;
use crate::serve::accept::Transport;
use crate::serve::body::BoxError;
use crate::serve::connection_state::{Connection, Limits};
use crate::serve::transport::{Noted, Version};
use hyper::body::{Body, Bytes, Incoming};
use hyper::rt::Write;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How often an HTTP/2 client that says nothing is asked whether it is there; it has as long to
/// answer.
const PING: Duration = Duration::from_secs(20);

/// Streams of an HTTP/2 connection at once; what hyper, nginx (128) and others grant is like it.
const STREAMS: u32 = 200;

type Http2<T, S> = http2::Connection<Noted<T>, S, GroupHandle<Never>>;

/// A connection, as far as it has come.
pub(super) enum Conversation<T: Transport, S: HttpService<Incoming>> {
    /// Nothing was said yet, or not for a while.
    Quiet(Noted<T>, S),
    Http1(Box<http1::UpgradeableConnection<Noted<T>, S>>),
    Http2(Pin<Box<Http2<T, S>>>),
    /// It was quiet, and says farewell.
    Closing(Noted<T>),
    /// It has ended, or was upgraded.
    Over,
}

impl<T, S, B> Conversation<T, S>
where
    T: Transport,
    S: HttpService<Incoming, ResBody = B, Error: Into<BoxError>>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + 'static,
    GroupHandle<Never>: Http2ServerConnExec<S::Future, B>,
{
    /// Goes on, to the end of the connection.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        loop {
            let version = match self {
                Self::Quiet(transport, _) => ready!(transport.poll_version(cx))?,
                Self::Http1(http) => return Pin::new(&mut **http).poll(cx).map_err(Into::into),
                Self::Http2(http) => return http.as_mut().poll(cx).map_err(Into::into),
                Self::Closing(transport) => {
                    // A client that has gone needs no farewell.
                    let _ = ready!(Pin::new(transport).poll_shutdown(cx));
                    return Poll::Ready(Ok(()));
                }
                Self::Over => return Poll::Ready(Ok(())),
            };
            *self = match (mem::replace(self, Self::Over), version) {
                (Self::Quiet(transport, _), Version::None) => Self::Closing(transport),
                (Self::Quiet(transport, service), Version::Http1) => {
                    let builder = http1(&transport.connection().server.limits);
                    let http = builder.serve_connection(transport, service);
                    Self::Http1(Box::new(http.with_upgrades()))
                }
                (Self::Quiet(transport, service), Version::Http2) => {
                    let builder = http2(transport.connection());
                    Self::Http2(Box::pin(builder.serve_connection(transport, service)))
                }
                (other, _) => other,
            };
        }
    }

    /// Ends it in an orderly way: after its answers, or at once.
    pub(super) fn close(&mut self) {
        match self {
            Self::Http1(http) => Pin::new(&mut **http).graceful_shutdown(),
            Self::Http2(http) => http.as_mut().graceful_shutdown(),
            Self::Quiet(..) => {
                if let Self::Quiet(transport, _) = mem::replace(self, Self::Over) {
                    *self = Self::Closing(transport);
                }
            }
            Self::Closing(_) | Self::Over => {}
        }
    }

    /// Gives back what hyper has for it, if it speaks HTTP/1.1.
    pub(super) fn rest(&mut self) {
        *self = match mem::replace(self, Self::Over) {
            Self::Http1(http) => match http.into_parts() {
                Some(parts) => {
                    let mut transport = parts.io;
                    transport.begins_with(&parts.read_buf);
                    Self::Quiet(transport, parts.service)
                }
                None => Self::Over,
            },
            other => other,
        };
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(Timer)
        // The watch does that, without a timer for each request.
        .header_read_timeout(None)
        // Of headers hyper takes 100 at most: with a number of ours it would allocate for each.
        .max_buf_size(limits.head_bytes);
    builder
}

fn http2(connection: &Connection) -> http2::Builder<GroupHandle<Never>> {
    let limits = &connection.server.limits;
    let mut builder = http2::Builder::new(connection.group.clone());
    builder
        .timer(Timer)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}
