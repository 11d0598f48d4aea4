//! Where snapshots come from: a route of a server, over TCP or a Unix socket.

use crate::snapshot::Snapshot;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST};
use hyper::rt::{Read, Write};
use hyper::{Request, StatusCode};
use spinney::net::{TcpStream, UnixStream};
use spinney::{Errors, Group, try_group};
use std::error::Error;
use std::path::PathBuf;

type BoxError = Box<dyn Error + Send + Sync>;

enum Address {
    Tcp(String),
    Unix(PathBuf),
}

pub(crate) struct Source {
    address: Address,
    path: String,
}

impl Source {
    /// A path has a slash, and HOST:PORT has none.
    pub(crate) fn new(server: &str, path: String) -> Self {
        let address = match server.contains('/') {
            true => Address::Unix(server.into()),
            false => Address::Tcp(server.to_owned()),
        };
        Self { address, path }
    }

    pub(crate) async fn get(&self) -> Result<Snapshot, BoxError> {
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address.as_str()).await?;
                self.ask(stream, address).await
            }
            Address::Unix(path) => {
                self.ask(UnixStream::connect(path).await?, "localhost")
                    .await
            }
        }
    }

    /// One connection for each question: a server that ends is not held up by this one.
    async fn ask<S>(&self, stream: S, host: &str) -> Result<Snapshot, BoxError>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let request = Request::get(&self.path)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())?;
        let (mut sender, connection) = http1::handshake(stream).await?;
        let answer = try_group(async |g: Group<'_, '_, BoxError>| {
            // What breaks it is an error of the answer, too.
            g.spawn(async move {
                let _ = connection.await;
                Ok(())
            });
            let answer = sender.send_request(request).await?;
            drop(sender);
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok((status, body))
        });
        let (status, body) = answer.await.map_err(Errors::into_first)?;
        match status {
            StatusCode::OK => Ok(serde_json::from_slice(&body)?),
            _ => Err(format!("{} answers {status}", self.path).into()),
        }
    }
}
