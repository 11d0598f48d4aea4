//! An HTTP client of one connection and one request, on hyper alone.

use bytes::Bytes;
use futures_lite::future::or;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, client};
use spinney::net::TcpStream;
use std::future::pending;
use std::net::SocketAddr;

/// Asks for a path, and has the whole answer.
pub(crate) async fn get(address: SocketAddr, path: &str) -> hyper::Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect_addr(address).await.unwrap();
    let (mut sender, connection) = client::conn::http1::handshake(stream).await?;
    let request = Request::get(path).body(Empty::<Bytes>::new()).unwrap();
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?;
        Ok((status, body.to_bytes()))
    };
    let driven = async {
        connection.await?;
        pending().await
    };
    or(exchange, driven).await
}
