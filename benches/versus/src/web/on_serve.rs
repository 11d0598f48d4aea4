//! `spinney::serve` with all its defaults: limits, deadlines, counters, a group for each request.

use super::BODY;
use crate::sides;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use spinney::group;
use spinney::serve::{RequestBody, Server, service_fn};
use std::convert::Infallible;
use std::net::TcpListener;

async fn hello(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(
        BODY.as_bytes(),
    ))))
}

pub(crate) fn serve(listener: TcpListener) {
    let runtime = sides::spinney();
    let _entered = runtime.enter();
    let listener = spinney::net::TcpListener::from_std(listener).expect("a listener");
    runtime.block_on(group(async |g| {
        // A child, so that it runs on a worker as tokio's accept loop does.
        g.spawn(async move {
            Server::new().serve(listener, service_fn(hello)).await;
        });
    }));
}
