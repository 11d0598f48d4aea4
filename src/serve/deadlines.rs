//! Deadlines that go from machine to machine: read from the requests that come in, and written
//! into those that go out.

use crate::api::group::builder::GroupBuilder;
use crate::api::here::current;
use crate::poll::budget;
use crate::pool::global;
use crate::serve::body::BoxError;
use crate::serve::deadline_headers::{asked, grpc_type, tell};
use crate::serve::timed_body::{OVER, TimedBody, tell_grpc};
use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode, Version};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// Deadlines of callers on other machines.
///
/// A request says for how long its caller waits: by `grpc-timeout`, or by a header of the program's
/// choice in milliseconds, `x-request-timeout-ms` unless chosen otherwise. Around a service, that
/// is the deadline of a group in which the service runs; the server's own
/// ([`request_deadline`](crate::serve::Server::request_deadline)) holds, too, and the earlier of
/// them ends the request. [`forward`](Self::forward) writes the time that is left into a request to
/// the next machine. So a whole tree of calls ends with the patience of its first caller.
///
/// | the deadline is over | the caller gets |
/// |---|---|
/// | before the head of the answer | 504, after the group was cut and joined |
/// | the same, of gRPC | the status `DEADLINE_EXCEEDED` without a body |
/// | in the middle of a body | the end of its stream: a reset, or the connection's end |
/// | the same, of gRPC over HTTP/2 | the status in trailers |
///
/// A value that is malformed is ignored: the caller loses nothing but help to give up. Of the
/// [`Counts`](crate::serve::Counts) the first two are `expired`, the third is `cut`.
///
/// For clients there is a layer, too: [`ForwardDeadlines`](crate::serve::ForwardDeadlines).
///
/// # Examples
///
/// It is a layer of `tower`, or goes around a service by itself:
///
/// ```
/// use spinney::serve::{Deadlines, RequestBody, Server, service_fn};
/// use http_body_util::Full;
/// use hyper::{HeaderMap, Request, Response, body::Bytes};
/// use std::convert::Infallible;
///
/// async fn asks_another(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
///     let mut headers = HeaderMap::new();
///     Deadlines::new().forward(&mut headers); // the time left, for the next machine
///     let left = headers.get("x-request-timeout-ms");
///     Ok(Response::new(Full::from(format!("{left:?}"))))
/// }
///
/// let service = Deadlines::new().around(service_fn(asks_another));
/// # drop(service);
/// ```
#[derive(Clone, Debug)]
pub struct Deadlines {
    header: HeaderName,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::new()
    }
}

impl Deadlines {
    /// With the header `x-request-timeout-ms`.
    ///
    /// # Examples
    ///
    /// ```
    /// let deadlines = spinney::serve::Deadlines::new();
    /// # drop(deadlines);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            header: HeaderName::from_static("x-request-timeout-ms"),
        }
    }

    /// Which header has the milliseconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use hyper::header::HeaderName;
    /// use spinney::serve::Deadlines;
    ///
    /// let deadlines = Deadlines::new().header(HeaderName::from_static("x-patience"));
    /// # drop(deadlines);
    /// ```
    #[must_use = "it is the deadlines with this choice"]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.header = name;
        self
    }

    /// The service, which ends when its caller does not wait any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::{Deadlines, Timely};
    ///
    /// fn timely<S>(service: S) -> Timely<S> {
    ///     Deadlines::new().around(service)
    /// }
    /// ```
    pub fn around<S>(self, service: S) -> Timely<S> {
        Timely {
            deadlines: self,
            service,
        }
    }

    /// Writes into the head of a request how long the group around the caller has left, up to its
    /// [`deadline`](crate::current::deadline): in `grpc-timeout` if the content type is one of
    /// gRPC, else in milliseconds. Nothing if there is no deadline, or if the head has an earlier
    /// one.
    ///
    /// # Examples
    ///
    /// ```
    /// use hyper::HeaderMap;
    /// use spinney::{Group, block_on, serve::Deadlines, try_group};
    /// use std::time::Duration;
    ///
    /// let mut headers = HeaderMap::new();
    /// Deadlines::new().forward(&mut headers);
    /// assert!(headers.is_empty());
    ///
    /// block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    ///     g.deadline(Duration::from_secs(60), "too late");
    ///     Deadlines::new().forward(&mut headers);
    ///     Ok(())
    /// }))
    /// .unwrap();
    /// let left = headers["x-request-timeout-ms"].to_str().unwrap();
    /// assert!(left.parse::<u64>().unwrap() <= 60_000);
    /// ```
    pub fn forward(&self, headers: &mut HeaderMap) {
        if let Some(at) = current::deadline() {
            let left = at.saturating_duration_since(global::now());
            tell(headers, &self.header, left);
        }
    }
}

impl<S> Layer<S> for Deadlines {
    type Service = Timely<S>;

    fn layer(&self, service: S) -> Timely<S> {
        self.clone().around(service)
    }
}

/// A service with [`Deadlines`] around it.
///
/// # Examples
///
/// ```
/// use spinney::serve::{Deadlines, ServiceFn, Timely, service_fn};
///
/// let timely: Timely<ServiceFn<_>> =
///     Deadlines::new().around(service_fn(|n: u8| std::future::ready(n)));
/// # drop(timely);
/// ```
#[derive(Clone, Debug)]
pub struct Timely<S> {
    deadlines: Deadlines,
    service: S,
}

impl<S, Q, T> Service<Request<Q>> for Timely<S>
where
    S: Service<Request<Q>, Response = Response<T>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    Q: Send + 'static,
    T: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<TimedBody<T>>;
    type Error = S::Error;
    type Future = AnsweringInTime<S::Future, Self::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let kind = match asked(request.headers(), &self.deadlines.header) {
            None => Kind::AnyTime {
                future: self.service.call(request),
            },
            Some(left) => {
                // The one that is ready is called in the group, so that all of it is inside.
                let next = self.service.clone();
                let mut service = std::mem::replace(&mut self.service, next);
                let tongue = Tongue::of(&request);
                let at = global::now().checked_add(left);
                let group = GroupBuilder::<Over>::new()
                    .name("deadline")
                    .deadline(left, Over)
                    .run(async move |_| Ok(service.call(request).await));
                let answer = async move {
                    if left.is_zero() {
                        poll_fn(budget::spend).await;
                        return Ok(tongue.too_late()); // not one poll is granted
                    }
                    match (group.await, at) {
                        (Err(_), _) => Ok(tongue.too_late()),
                        (Ok(Err(error)), _) => Err(error),
                        (Ok(Ok(answer)), None) => Ok(answer.map(TimedBody::whole)),
                        (Ok(Ok(answer)), Some(at)) => {
                            Ok(answer.map(|body| TimedBody::until(at, tongue.has_trailers, body)))
                        }
                    }
                };
                Kind::InTime {
                    answer: Box::pin(answer),
                }
            }
        };
        AnsweringInTime { kind }
    }
}

/// The caller does not wait any more.
struct Over;

/// With an answer that says that its caller does not wait any more: the server counts it.
#[derive(Clone, Copy)]
pub(super) struct TooLate;

/// In which words a caller is told.
struct Tongue {
    /// The content type of gRPC.
    grpc: Option<HeaderValue>,
    /// It reads trailers.
    has_trailers: bool,
}

impl Tongue {
    fn of<Q>(request: &Request<Q>) -> Self {
        let grpc = grpc_type(request.headers()).cloned();
        // Those of gRPC for browsers are a part of the body.
        let is_web = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/grpc-web");
        Self {
            has_trailers: request.version() == Version::HTTP_2
                && grpc.as_ref().is_some_and(|kind| !is_web(kind)),
            grpc,
        }
    }

    fn too_late<T>(self) -> Response<TimedBody<T>>
    where
        T: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let mut answer = match self.grpc {
            Some(_) => Response::new(TimedBody::own(None)),
            None => {
                let line = format!("{OVER}\n");
                let mut answer = Response::new(TimedBody::own(Some(line.into())));
                *answer.status_mut() = StatusCode::GATEWAY_TIMEOUT;
                answer
            }
        };
        let headers = answer.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        if self.grpc.is_some() {
            tell_grpc(headers);
        }
        headers.insert(CONTENT_TYPE, self.grpc.unwrap_or(plain));
        answer.extensions_mut().insert(TooLate);
        answer
    }
}

pin_project! {
    /// The future of a [`Timely`] service.
    pub struct AnsweringInTime<F, A, E> {
        #[pin]
        kind: Kind<F, A, E>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F, A, E> {
        AnyTime { #[pin] future: F },
        InTime { answer: Pin<Box<dyn Future<Output = Result<A, E>> + Send>> },
    }
}

impl<F, T, E> Future for AnsweringInTime<F, Response<TimedBody<T>>, E>
where
    F: Future<Output = Result<Response<T>, E>>,
    T: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Output = Result<Response<TimedBody<T>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::InTime { answer } => answer.as_mut().poll(cx),
            KindProjection::AnyTime { future } => {
                let answer = ready!(future.poll(cx))?;
                Poll::Ready(Ok(answer.map(TimedBody::whole)))
            }
        }
    }
}

impl<F, A, E> fmt::Debug for AnsweringInTime<F, A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnsweringInTime").finish_non_exhaustive()
    }
}
