//! Requests: a group for each, and what its children do.

use crate::counters::{CHILDREN, Running, connections, requests};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use spinney::serve::{RequestBody, ServerHandle};
use spinney::{Errors, Group, GroupBuilder, current, shield, sleep};
use std::convert::Infallible;
use std::fmt::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_service::Service;

type Request = hyper::Request<()>;
type Response = hyper::Response<Full<Bytes>>;

/// What there is to try.
pub const ROUTES: &str = "/ /fanout?n=100 /slow?ms=500 /fail /panic /stats";

/// The plaintext answer.
pub const HELLO: &str = "Hello from spinney\n";

/// The service of the program.
#[derive(Clone)]
pub struct Routes(pub ServerHandle);

impl Service<hyper::Request<RequestBody>> for Routes {
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
        let request = g.keep(request.map(drop)); // the children borrow it
        route(g, request, &server).await
    });
    // A panic is the server's to answer.
    let (status, body) = match group.await {
        Ok(body) => (StatusCode::OK, body),
        Err(errors) => (errors.first().status(), list(&errors)),
    };
    Ok(respond(status, body))
}

fn respond(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// All errors of a request, a line each.
fn list(errors: &Errors<Error>) -> Bytes {
    let mut body = String::new();
    for entry in errors.entries() {
        let name = entry.name.unwrap_or("request");
        let later = match entry.after_cancel {
            true => " (while the request was ending)",
            false => "",
        };
        let _ = writeln!(body, "{name}: {}{later}", entry.error);
    }
    body.into()
}

async fn route<'g>(
    g: Group<'g, '_, Error>,
    request: &'g Request,
    server: &ServerHandle,
) -> Result<Bytes, Error> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Err(Error::Method);
    }
    match request.uri().path() {
        "/" => Ok(Bytes::from_static(HELLO.as_bytes())),
        "/fanout" => fanout(g, request).await,
        "/slow" => slow(request).await,
        "/fail" => fail(g).await,
        "/panic" => panic(g).await,
        "/stats" => Ok(stats(server)),
        _ => Err(Error::NotFound),
    }
}

/// `n` children that borrow the request, each after `ms`; the sum of what they make of it.
async fn fanout<'g>(g: Group<'g, '_, Error>, request: &'g Request) -> Result<Bytes, Error> {
    let n = number(request, "n", 100, 10_000)?;
    let delay = Duration::from_millis(number(request, "ms", 0, 60_000)?);
    let parts: Vec<_> = (0..n)
        .map(|number| g.spawn(part(request, number, delay, CHILDREN.begin())))
        .collect();
    let mut sum = 0;
    for part in parts {
        sum += part.await; // no `?`: a child that fails ends the request
    }
    Ok(format!("{sum}\n").into())
}

async fn part(
    request: &Request,
    number: u64,
    delay: Duration,
    running: Running,
) -> Result<u64, Error> {
    if !delay.is_zero() {
        sleep(delay).await;
    }
    running.finish();
    Ok(number * request.uri().path().len() as u64)
}

async fn slow(request: &Request) -> Result<Bytes, Error> {
    let ms = number(request, "ms", 500, 60_000)?;
    sleep(Duration::from_millis(ms)).await;
    Ok(format!("{ms} ms later\n").into())
}

/// Two children fail. The second is still cleaning up, in a shield, when the error of the first ends the request; its
/// error is not lost.
async fn fail(g: Group<'_, '_, Error>) -> Result<Bytes, Error> {
    let (shielded, begun) = async_channel::bounded::<()>(1);
    g.spawn_named("cache", async move {
        shield(async {
            drop(shielded);
            current::stopping().await; // until the request ends
        })
        .await;
        Err::<(), _>(Error::Failed("the cache could not be written back"))
    });
    g.spawn_named("database", async move {
        let _ = begun.recv().await;
        Err::<(), _>(Error::Failed("the database does not answer"))
    });
    std::future::pending().await
}

/// The panic of the child resumes in [`answer`], which awaits the group, and comes out of the request.
async fn panic(g: Group<'_, '_, Error>) -> Result<Bytes, Error> {
    async fn bug() {
        panic!("a child panics, as it was asked to");
    }
    g.spawn(bug()).await;
    Ok(Bytes::new())
}

fn stats(server: &ServerHandle) -> Bytes {
    // In this order: when a connection has ended, so have all its requests, and all their children.
    let (connections, requests) = (connections(server), requests(server));
    let children = CHILDREN.counts();
    let counts = server.counts();
    format!(
        "connections: {connections}\nrequests: {requests}\nchildren: {children}\nbroken connections: {}\nnot \
         accepted: {}\n",
        counts.broken_connections, counts.accept_errors,
    )
    .into()
}

/// The number that the query gives as `name`, at most `limit`.
fn number(request: &Request, name: &str, default: u64, limit: u64) -> Result<u64, Error> {
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.find(|(key, _)| *key == name) else {
        return Ok(default);
    };
    let number = text.parse().ok().filter(|number| *number <= limit);
    number.ok_or_else(|| Error::Query(format!("`{name}` is a number from 0 to {limit}")))
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Error {
    NotFound,
    Method,
    Query(String),
    Failed(&'static str),
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is nothing here"),
            Self::Method => f.write_str("only GET and HEAD are served"),
            Self::Query(why) => f.write_str(why),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}
