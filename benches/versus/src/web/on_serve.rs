//! `spinney::serve` with all its defaults: limits, deadlines, counters, a group for each request.

use super::{BODY, axum};
use crate::sides;
use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::{Request, Response};
use spinney::group;
use spinney::serve::{BoxError, RequestBody, Routes, Server, ServerHandle, service_fn};
use std::convert::Infallible;
use std::net::TcpListener;
use tower_service::Service;

async fn hello(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(
        BODY.as_bytes(),
    ))))
}

pub(crate) fn serve(listener: TcpListener) {
    run(listener, |_| service_fn(hello));
}

/// With the routes for operators before it.
pub(crate) fn with_routes(listener: TcpListener) {
    run(listener, |handle| {
        let routes = Routes::new(handle)
            .tasks("/debug/tasks")
            .metrics("/metrics");
        routes.around(service_fn(hello))
    });
}

/// axum's router, as on axum's own `serve`.
pub(crate) fn router(listener: TcpListener) {
    run(listener, |_| axum::router());
}

fn run<S, B>(listener: TcpListener, service: fn(ServerHandle) -> S)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let runtime = sides::spinney();
    let _entered = runtime.enter();
    let listener = spinney::net::TcpListener::from_std(listener).expect("a listener");
    runtime.block_on(group(async |g| {
        // A child, so that it runs on a worker as tokio's accept loop does.
        g.spawn(async move {
            let server = Server::new();
            let service = service(server.handle());
            server.serve(listener, service).await;
        });
    }));
}
