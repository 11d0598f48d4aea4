//! Requests: a group for each, and which of them does what.

use crate::children::{fail, fanout, panic, slow};
use crate::counters::stats;
use crate::errors::{Error, list};
use crate::streams::{events, upload, web_socket};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Either, Full};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use spinney::serve::{RequestBody, ServerHandle};
use spinney::{Group, GroupBuilder};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;

pub type Request = hyper::Request<()>;
/// Of a whole body, or of a stream.
pub type Response = hyper::Response<Either<Full<Bytes>, UnsyncBoxBody<Bytes, Infallible>>>;

/// The plaintext answer.
pub const HELLO: &str = "Hello from spinney\n";

/// The service of the program.
#[derive(Clone)]
pub struct Site(pub ServerHandle);

impl Service<hyper::Request<RequestBody>> for Site {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: hyper::Request<RequestBody>) -> Self::Future {
        Box::pin(answer(self.0.clone(), request))
    }
}

/// The server calls this for each request, in the request's group. If the client goes away, it drops the future.
async fn answer(
    server: ServerHandle,
    request: hyper::Request<RequestBody>,
) -> Result<Response, Infallible> {
    let group = GroupBuilder::new().name("route").run(async move |g| {
        if request.uri().path() == "/ws" {
            return web_socket(request);
        }
        let (head, body) = request.into_parts();
        let request = g.keep(Request::from_parts(head, ())); // the children borrow it
        route(g, request, body, &server).await
    });
    // A panic is the server's to answer.
    Ok(group.await.unwrap_or_else(|errors| {
        let mut response = plain(list(&errors));
        *response.status_mut() = errors.first().status();
        response
    }))
}

async fn route<'g>(
    g: Group<'g, '_, Error>,
    request: &'g Request,
    body: RequestBody,
    server: &ServerHandle,
) -> Result<Response, Error> {
    let path = request.uri().path();
    if path == "/upload" && [Method::PUT, Method::POST].contains(request.method()) {
        return upload(g, body).await;
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Err(Error::Method);
    }
    Ok(plain(match path {
        "/" => Bytes::from_static(HELLO.as_bytes()),
        "/events" => return events(request),
        "/fanout" => fanout(g, request).await?,
        "/slow" => slow(request).await?,
        "/fail" => fail(g).await?,
        "/panic" => panic(g).await?,
        "/stats" => stats(server).into(),
        _ => return Err(Error::NotFound),
    }))
}

pub fn plain(body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Either::Left(Full::new(body.into())));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
