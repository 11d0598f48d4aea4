//! hyper on spinney: a group, and a child for each connection.

use crate::server::BODY;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use spinney::{Group, Runtime, group};
use std::convert::Infallible;
use std::net::TcpListener;

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(
        BODY.as_bytes(),
    ))))
}

pub(crate) fn serve(listener: TcpListener) {
    let runtime = Runtime::builder().workers(2).build().expect("two workers");
    let _entered = runtime.enter();
    let listener = spinney::net::TcpListener::from_std(listener).expect("a listener");
    runtime.block_on(group(async |g: Group<'_, '_>| {
        let listener = g.keep(listener);
        // The accept loop is a child, so that it runs on a worker as tokio's does.
        g.spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let _ = stream.set_nodelay(true);
                g.spawn(async move {
                    let connection =
                        http1::Builder::new().serve_connection(stream, service_fn(hello));
                    // A client that goes away is no news here.
                    let _ = connection.await;
                });
            }
        });
    }));
}
