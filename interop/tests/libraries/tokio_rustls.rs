//! tokio-rustls: encrypted connections on our sockets, which have tokio's traits by the
//! feature `tokio-io`.

use super::certificates::{configs, name};
use crate::common::process::alone;
use crate::served::served;
use crate::trial::{Middle, Trial};
use spinney::net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// One question and its answer; then the connection stays idle if there is a middle.
async fn exchange(acceptor: TlsAcceptor, connector: TlsConnector, middle: Option<Middle>) {
    let serve = move |stream: TcpStream| {
        let acceptor = acceptor.clone();
        async move {
            let mut tls = acceptor.accept(stream).await.unwrap();
            let mut text = [0; 5];
            // A client that was cut says no farewell.
            while tls.read_exact(&mut text).await.is_ok() {
                tls.write_all(&text).await.unwrap();
                tls.flush().await.unwrap();
            }
        }
    };
    served(serve, async |address| {
        let stream = TcpStream::connect_addr(address).await.unwrap();
        let mut tls = connector.connect(name(), stream).await.unwrap();
        tls.write_all(b"hello").await.unwrap();
        tls.flush().await.unwrap();
        let mut answer = [0; 5];
        tls.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello");
        if let Some(middle) = middle {
            middle.amid(tls.read_exact(&mut answer)).await.unwrap();
        }
        tls.shutdown().await.unwrap();
    })
    .await;
}

#[test]
fn tokio_rustls() {
    alone(|| {
        let (server, client) = configs();
        let (acceptor, connector) = (TlsAcceptor::from(server), TlsConnector::from(client));
        Trial::default().run(
            || exchange(acceptor.clone(), connector.clone(), None),
            |middle| exchange(acceptor.clone(), connector.clone(), Some(middle)),
        );
    });
}
