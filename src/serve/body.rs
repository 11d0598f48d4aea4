//! The bodies of requests and answers, each with what it owes to its server.

use crate::serve::connection_state::Running;
use crate::time::{self, Sleep};
use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use pin_project_lite::pin_project;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// An error of any kind, as services and bodies have them.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a request, which does not wait for its client for ever.
///
/// # Examples
///
/// ```
/// use http_body_util::BodyExt;
/// use hyper::{Request, body::Bytes};
/// use spinney::serve::{BodyError, RequestBody};
///
/// async fn upload(request: Request<RequestBody>) -> Result<Bytes, BodyError> {
///     Ok(request.into_body().collect().await?.to_bytes())
/// }
/// ```
///
/// # Errors
///
/// [`BodyError::TimedOut`] if the next piece does not come within
/// [`Server::body_timeout`](crate::serve::Server::body_timeout); the time counts while the body is
/// polled.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    timeout: Duration,
    timer: Option<Sleep>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, timeout: Duration) -> Self {
        Self {
            incoming,
            timeout,
            timer: None,
        }
    }
}

/// Why a request's body did not come.
///
/// # Examples
///
/// ```
/// use hyper::StatusCode;
/// use spinney::serve::BodyError;
///
/// fn status(error: &BodyError) -> StatusCode {
///     match error {
///         BodyError::TimedOut => StatusCode::REQUEST_TIMEOUT,
///         _ => StatusCode::BAD_REQUEST,
///     }
/// }
/// assert_eq!(status(&BodyError::TimedOut), 408);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// The next piece did not come in time.
    TimedOut,
    /// The client has gone, or has sent nonsense.
    Broken(hyper::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the body did not come in time"),
            Self::Broken(error) => error.fmt(f),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TimedOut => None,
            Self::Broken(error) => error.source(),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
            this.timer = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)));
        }
        let timeout = this.timeout;
        let timer = this.timer.get_or_insert_with(|| time::sleep(timeout));
        ready!(Pin::new(timer).poll(cx));
        this.timer = None;
        Poll::Ready(Some(Err(BodyError::TimedOut)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

pin_project! {
    /// The body of an answer: that of the service, or a line of the server.
    pub(super) struct AnswerBody<B> {
        #[pin]
        body: Either<B, Full<Bytes>>,
        running: Running,
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> AnswerBody<B> {
    pub(super) fn of_service(body: B, running: Running) -> Self {
        Self::new(Either::Left(body), running)
    }

    pub(super) fn line(line: &'static str, running: Running) -> Self {
        Self::new(Either::Right(Full::from(line)), running)
    }

    fn new(body: Either<B, Full<Bytes>>, mut running: Running) -> Self {
        if is_over(&body) {
            running.answered();
        }
        Self { body, running }
    }
}

/// Whether nothing comes any more, as hyper finds it out: it need not poll once more.
fn is_over<B: Body>(body: &B) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        let failed = matches!(frame, Some(Err(_)));
        if frame.is_none() || (!failed && is_over(&*this.body)) {
            this.running.answered();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
