//! hyper, or an echo, on tokio: a task for each connection.

use super::{Kind, LENGTH, hello};
use crate::sides;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::TcpListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) async fn echo(mut stream: TcpStream) {
    let mut buffer = [0; LENGTH];
    while stream.read_exact(&mut buffer).await.is_ok() {
        if stream.write_all(&buffer).await.is_err() {
            return;
        }
    }
}

pub(crate) fn serve(listener: TcpListener, kind: Kind) {
    sides::tokio().block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let _ = stream.set_nodelay(true);
                if kind == Kind::Echo {
                    tokio::spawn(echo(stream));
                    continue;
                }
                tokio::spawn(async move {
                    let connection = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service_fn(hello));
                    // A client that goes away is no news here.
                    let _ = connection.await;
                });
            }
        });
        accepting.await.expect("no panic");
    });
}
