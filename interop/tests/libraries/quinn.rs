//! quinn: QUIC on sockets and tasks of smol's, or of tokio's, which it takes where it finds it.

use super::certificates::configs;
use crate::common::process::alone;
use crate::trial::{Middle, Trial};
use ::quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use ::quinn::{ClientConfig, Endpoint, ServerConfig};
use spinney::{Group, Never, group};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

fn quic() -> (ServerConfig, ClientConfig) {
    let (server, client) = configs();
    let server = QuicServerConfig::try_from(server).unwrap();
    let client = QuicClientConfig::try_from(client).unwrap();
    let server = ServerConfig::with_crypto(Arc::new(server));
    (server, ClientConfig::new(Arc::new(client)))
}

/// Answers each stream of one connection, until that is closed.
async fn serve(endpoint: Endpoint) {
    let connection = endpoint.accept().await.unwrap().await.unwrap();
    while let Ok((mut send, mut receive)) = connection.accept_bi().await {
        let text = receive.read_to_end(100).await.unwrap();
        send.write_all(&text.to_ascii_uppercase()).await.unwrap();
        send.finish().unwrap();
    }
    endpoint.wait_idle().await;
}

/// One stream and its answer; then the connection stays idle if there is a middle.
async fn exchange((server, client): (ServerConfig, ClientConfig), middle: Option<Middle>) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    group(async |g: Group<'_, '_, Never>| {
        let listening = Endpoint::server(server, any).unwrap();
        let address = listening.local_addr().unwrap();
        g.spawn(serve(listening));
        let endpoint = Endpoint::client(any).unwrap();
        let connecting = endpoint.connect_with(client, address, "localhost");
        let connection = connecting.unwrap().await.unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        send.write_all(b"hello").await.unwrap();
        send.finish().unwrap();
        assert_eq!(receive.read_to_end(100).await.unwrap(), b"HELLO");
        if let Some(middle) = middle {
            middle.amid(connection.accept_uni()).await.unwrap();
        }
        connection.close(0_u32.into(), b"");
        endpoint.wait_idle().await;
    })
    .await;
}

fn put_through(trial: Trial) {
    let configs = quic();
    let trip = |middle| exchange(configs.clone(), middle);
    trial.run(|| trip(None), |middle| trip(Some(middle)));
}

#[test]
fn quinn_with_smol() {
    alone(|| put_through(Trial::default().with_smol()));
}

#[test]
fn quinn_with_tokio() {
    alone(|| put_through(Trial::default().with_tokio()));
}
