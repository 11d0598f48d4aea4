//! What is served, and a function as a service.

use crate::serve::body::{BoxError, RequestBody};
use hyper::body::{Body, Bytes};
use hyper::{Request, Response};
use std::fmt;
use std::task::{Context, Poll};
use tower_service::Service;

/// What a server can serve: a `tower` service whose answers have this body.
pub(super) trait Served<B>:
    Service<
        Request<RequestBody>,
        Response = Response<B>,
        Error: Into<BoxError>,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
}

impl<S, B> Served<B> for S
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
}

/// A service that calls `f` for each request, and is ready always.
///
/// # Examples
///
/// ```
/// use hyper::{Request, Response, body::Bytes};
/// use http_body_util::Full;
/// use spinney::serve::{RequestBody, service_fn};
/// use std::convert::Infallible;
///
/// let service = service_fn(async |request: Request<RequestBody>| {
///     let answer = format!("{}\n", request.uri().path());
///     Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(answer)))
/// });
/// # drop(service);
/// ```
pub fn service_fn<F>(f: F) -> ServiceFn<F> {
    ServiceFn(f)
}

/// The service of [`service_fn`].
///
/// # Examples
///
/// ```
/// use spinney::serve::{ServiceFn, service_fn};
/// use std::future::{Ready, ready};
///
/// let next: ServiceFn<fn(u8) -> Ready<u8>> = service_fn(|n| ready(n + 1));
/// # drop(next);
/// ```
#[derive(Clone, Copy)]
pub struct ServiceFn<F>(F);

impl<F, Q, T, A, E> Service<Q> for ServiceFn<F>
where
    F: FnMut(Q) -> T,
    T: Future<Output = Result<A, E>>,
{
    type Response = A;
    type Error = E;
    type Future = T;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Q) -> T {
        (self.0)(request)
    }
}

impl<F> fmt::Debug for ServiceFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceFn").finish_non_exhaustive()
    }
}
