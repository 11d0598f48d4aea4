//! A server that runs on a thread of its own.

use crate::client::Client;
use crate::common::runtimes::{Seen, noting_as};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use hyper::{Request, Response};
use spinney::net::TcpListener;
use spinney::serve::{
    Accept, BoxError, Counts, Phase, Report, RequestBody, Server, ServerHandle, service_fn,
};
use spinney::time::ManualClock;
use spinney::{Runtime, Unobserved};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tower_service::Service;

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    pub(crate) clock: ManualClock,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) seen: Seen,
    thread: JoinHandle<Report>,
}

/// Starts it; it accepts when this returns.
pub(crate) fn start<S, B>(server: Server, service: S) -> Running
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    start_with(server, service, |listener| listener)
}

/// As [`start`], with a listener of one's own.
pub(crate) fn start_with<A, S, B>(
    server: Server,
    service: S,
    listen: impl FnOnce(TcpListener) -> A,
) -> Running
where
    A: Accept,
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let clock = ManualClock::new();
    let builder = Runtime::builder().workers(2).clock(&clock);
    let (runtime, seen) = noting_as(builder, said);
    start_on((runtime, clock, seen), server, service, listen)
}

/// What the hook was told.
fn said(failure: &Unobserved) -> String {
    let name = failure.name.as_deref().unwrap_or("?");
    format!("{name}: {}", crate::common::panics::text(&*failure.payload))
}

/// As [`start_with`], on this runtime.
pub(crate) fn start_on<A, S, B>(
    (runtime, clock, seen): (Runtime, ManualClock, Seen),
    server: Server,
    service: S,
    listen: impl FnOnce(TcpListener) -> A,
) -> Running
where
    A: Accept,
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let runtime = Arc::new(runtime);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let handle = server.handle();
    let listener = listen(listener);
    let thread = thread::spawn({
        let runtime = Arc::clone(&runtime);
        move || {
            runtime.block_on(spinney::group(async |_| {
                server.serve(listener, service).await
            }))
        }
    });
    until(|| handle.phase() >= Phase::Ready);
    Running {
        address,
        handle,
        clock,
        runtime,
        seen,
        thread,
    }
}

impl Running {
    pub(crate) fn client(&self) -> Client {
        Client::to(self.address)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.handle.counts()
    }

    /// Waits until so many timers are set.
    pub(crate) fn until_timers(&self, count: u64) {
        until(|| self.runtime.metrics().live_timers >= count);
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Stops it; the report, and what the hook was told.
    pub(crate) fn stop(self) -> (Report, Vec<String>) {
        self.handle.stop();
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> (Report, Vec<String>) {
        let report = self.thread.join().unwrap();
        assert_eq!(self.handle.phase(), Phase::Ended);
        assert_eq!(self.handle.connections(), 0, "every connection was joined");
        (report, self.seen.texts())
    }
}

/// A server that has no deadline of its own, so that the clock may go on without care.
pub(crate) fn patient() -> Server {
    let server = Server::new().request_deadline(Duration::MAX);
    let server = server.idle_timeout(Duration::MAX);
    server
        .header_timeout(Duration::MAX)
        .write_timeout(Duration::MAX)
}

/// Waits for what another thread does.
pub(crate) fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// Answers with the path and the body.
pub(crate) async fn echo(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, BoxError> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let answer = format!("{path}: {}", String::from_utf8_lossy(&body));
    Ok(Response::new(Full::from(answer)))
}

/// A server that echoes.
pub(crate) fn echoes(server: Server) -> Running {
    start(server, service_fn(echo))
}
