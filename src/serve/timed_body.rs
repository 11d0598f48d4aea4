//! The body of an answer whose caller does not wait for ever.

use crate::pool::global;
use crate::serve::body::BoxError;
use crate::time::{Sleep, sleep_until};
use http_body_util::{Either, Full};
use hyper::HeaderMap;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::HeaderValue;
use pin_project_lite::pin_project;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// The answer to a caller whose deadline is over.
pub(super) const OVER: &str = "the deadline is over";

/// `DEADLINE_EXCEEDED`.
const GRPC_STATUS: HeaderValue = HeaderValue::from_static("4");

pin_project! {
    /// The body of an answer of a [`Timely`](crate::serve::Timely) service: that of the service, as
    /// long as its caller waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use http_body_util::Full;
    /// use hyper::body::{Body, Bytes};
    /// use spinney::serve::TimedBody;
    ///
    /// fn is_empty(body: &TimedBody<Full<Bytes>>) -> bool {
    ///     body.is_end_stream()
    /// }
    /// ```
    pub struct TimedBody<B> {
        // None: nothing comes any more.
        #[pin]
        body: Option<Either<B, Full<Bytes>>>,
        limit: Option<Limit>,
    }
}

struct Limit {
    at: Instant,
    timer: Option<Sleep>,
    /// The end is told in trailers of gRPC; else the body breaks off.
    in_trailers: bool,
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> TimedBody<B> {
    /// All of it, whenever it comes.
    pub(super) fn whole(body: B) -> Self {
        Self {
            body: Some(Either::Left(body)),
            limit: None,
        }
    }

    /// What comes of it until then.
    pub(super) fn until(at: Instant, in_trailers: bool, body: B) -> Self {
        Self {
            body: Some(Either::Left(body)),
            limit: Some(Limit {
                at,
                timer: None,
                in_trailers,
            }),
        }
    }

    /// A line, or nothing.
    pub(super) fn own(line: Option<Bytes>) -> Self {
        Self {
            body: line.map(|line| Either::Right(Full::new(line))),
            limit: None,
        }
    }
}

/// gRPC's words for it.
pub(super) fn tell_grpc(headers: &mut HeaderMap) {
    headers.insert("grpc-status", GRPC_STATUS);
    headers.insert("grpc-message", HeaderValue::from_static(OVER));
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Body for TimedBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let Some(limit) = this.limit else {
            return body.poll_frame(cx);
        };
        // A body that is always ready is looked after by the clock, any other one by the timer.
        if global::now() < limit.at {
            if let Poll::Ready(frame) = body.poll_frame(cx) {
                return Poll::Ready(frame);
            }
            let timer = limit.timer.get_or_insert_with(|| sleep_until(limit.at));
            if Pin::new(timer).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        // What the service still holds ends before its caller is told.
        this.body.set(None);
        if !limit.in_trailers {
            return Poll::Ready(Some(Err(Over.into())));
        }
        let mut trailers = HeaderMap::new();
        tell_grpc(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.body, &self.limit) {
            (None, _) => SizeHint::with_exact(0),
            // No length is promised, for trailers may come sooner.
            (_, Some(limit)) if limit.in_trailers => SizeHint::default(),
            (Some(body), _) => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for TimedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedBody").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Over;

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OVER)
    }
}

impl Error for Over {}
