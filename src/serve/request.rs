//! One request: a group of its own, its deadline, and what its end means to the client.

use crate::api::group::builder::GroupBuilder;
use crate::serve::accept::Peer;
use crate::serve::body::{AnswerBody, BoxError, RequestBody};
use crate::serve::connection_state::{Connection, Running};
use crate::serve::contained::{contained, report};
use crate::serve::deadlines::TooLate;
use crate::serve::service::Served;
use crate::serve::upgrade::ConnectionHandle;
use crate::sync::Arc;
use crate::unwind::Payload;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode, Version};
use std::convert::Infallible;
use std::future::poll_fn;

/// The deadline of a request is over.
struct Expired;

/// What a request has come to.
enum Outcome<T> {
    Answered(T),
    Failed(BoxError),
    Expired,
    Panicked(Payload),
}

/// Calls the service, in a group of the request. hyper drops the future if the client goes away,
/// and with it the group, which the connection's then joins.
pub(super) async fn answer<S, B>(
    connection: Arc<Connection>,
    service: S,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody<B>>, Infallible>
where
    S: Served<B>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let mut running = Running::begin(Arc::clone(&connection));
    connection
        .activity
        .has_body(!request.body().is_end_stream());
    let server = &connection.server;
    if request.version() == Version::HTTP_2 {
        connection.activity.speaks_http2();
    }
    if !running.counts() {
        server.sums.overloaded.bump_shared();
        let mut answer = refusal(StatusCode::SERVICE_UNAVAILABLE, "overloaded\n", running);
        let second = HeaderValue::from_static("1");
        answer.headers_mut().insert(RETRY_AFTER, second);
        return Ok(answer);
    }
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let name = || format!("{method} {}", uri.path());
    match call(&connection, service, request).await {
        Outcome::Answered(answer) => {
            if answer.extensions().get::<TooLate>().is_some() {
                server.sums.expired.bump_shared();
            }
            // To these no body belongs, and hyper asks for none.
            let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
            if method == Method::HEAD
                || bodiless.contains(&answer.status())
                || answer.status().is_informational()
            {
                running.answered();
            }
            Ok(answer.map(|body| AnswerBody::of_service(body, running)))
        }
        Outcome::Expired => {
            server.sums.expired.bump_shared();
            let line = "the deadline is over\n";
            Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, line, running))
        }
        Outcome::Failed(error) => {
            server.sums.failed.bump_shared();
            report(name(), Box::new(error.to_string()), false);
            let line = "an error\n";
            Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, line, running))
        }
        Outcome::Panicked(payload) => {
            server.sums.panicked.bump_shared();
            report(name(), payload, true);
            let line = "a panic\n";
            Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, line, running))
        }
    }
}

async fn call<S, B>(
    connection: &Arc<Connection>,
    mut service: S,
    request: Request<Incoming>,
) -> Outcome<Response<B>>
where
    S: Served<B>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let limits = &connection.server.limits;
    let mut request = request.map(|incoming| RequestBody::new(incoming, limits.body));
    let extensions = request.extensions_mut();
    extensions.insert::<Peer>(connection.peer);
    extensions.insert(ConnectionHandle::of(connection));
    let group = GroupBuilder::<Expired>::new()
        .name("request")
        .deadline(limits.request, Expired)
        .run(async move |_| {
            if let Err(error) = poll_fn(|cx| service.poll_ready(cx)).await {
                return Ok(Err(error.into()));
            }
            let answer = service.call(request).await;
            Ok(answer.map_err(Into::into))
        });
    match contained(group).await {
        Ok(Ok(Ok(answer))) => Outcome::Answered(answer),
        Ok(Ok(Err(error))) => Outcome::Failed(error),
        Ok(Err(_)) => Outcome::Expired,
        Err(payload) => Outcome::Panicked(payload),
    }
}

fn refusal<B>(status: StatusCode, line: &'static str, running: Running) -> Response<AnswerBody<B>>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let mut answer = Response::new(AnswerBody::line(line, running));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}
