//! hyper, or an echo, on spinney, over the sockets of the tokio inside it.

use super::{Kind, hello, on_tokio};
use crate::sides;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use spinney::{Group, group};
use std::net::TcpListener;

pub(crate) fn serve(listener: TcpListener, kind: Kind) {
    let runtime = sides::spinney_and_tokio();
    runtime.block_on(group(async |g: Group<'_, '_>| {
        g.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let _ = stream.set_nodelay(true);
                if kind == Kind::Echo {
                    g.spawn(on_tokio::echo(stream));
                    continue;
                }
                g.spawn(async move {
                    let connection = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service_fn(hello));
                    // A client that goes away is no news here.
                    let _ = connection.await;
                });
            }
        });
    }));
}
