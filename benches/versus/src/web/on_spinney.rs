//! hyper, or an echo, on spinney: a group, and a child for each connection.

use super::{Kind, LENGTH, hello};
use crate::sides;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use spinney::net::TcpStream;
use spinney::{Group, group};
use std::net::TcpListener;

async fn echo(stream: TcpStream) {
    let mut buffer = [0; LENGTH];
    while stream.read_exact(&mut buffer).await.is_ok() {
        if stream.write_all(&buffer).await.is_err() {
            return;
        }
    }
}

pub(crate) fn serve(listener: TcpListener, kind: Kind) {
    let runtime = sides::spinney();
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
                if kind == Kind::Echo {
                    g.spawn(echo(stream));
                    continue;
                }
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
