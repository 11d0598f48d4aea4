//! A server whose connections are encrypted, and clients that check its certificate: they speak
//! HTTP/2 and HTTP/1.1, as ALPN agrees, and one that trusts another authority does not speak at all.
//! `cargo run --example tls_server` starts all of them, and prints a line.

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use interop::tls::Tls;
use rcgen::generate_simple_self_signed;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use spinney::net::{TcpListener, TcpStream};
use spinney::serve::{RequestBody, Server, service_fn};
use spinney::{Group, block_on, group};
use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn hello(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = format!("hello over {:?}", request.version());
    Ok(Response::new(Full::from(text)))
}

/// A certificate for this run, and a server that shows it.
fn identity() -> Result<(CertificateDer<'static>, ServerConfig), Failure> {
    let signed = generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = signed.cert.der().clone();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der())?;
    let config =
        ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
    let config = config
        .with_safe_default_protocol_versions()?
        .with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate.clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((certificate, config))
}

/// Gets a page by this protocol, from a server that shows this certificate, or none.
async fn get(
    address: SocketAddr,
    trusted: CertificateDer<'static>,
    protocol: &str,
) -> Result<String, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted)?;
    let config =
        ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
    let config = config
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![protocol.into()];
    let stream = TcpStream::connect_addr(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let tls = connector.connect("localhost".try_into()?, stream).await?;
    let agreed = tls.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let (tls, request) = (
        TokioIo::new(tls),
        Request::get(format!("https://{address}/")),
    );
    let request = request
        .header("host", "localhost")
        .body(Empty::<Bytes>::new())?;
    group(async |g: Group<'_, '_>| {
        let answer = if agreed.as_deref() == Some(b"h2") {
            let (mut sender, connection) = http2::handshake(g.service_handle(), tls).await?;
            g.service(async { _ = connection.await });
            sender.send_request(request).await?
        } else {
            let (mut sender, connection) = http1::handshake(tls).await?;
            g.service(async { _ = connection.await });
            sender.send_request(request).await?
        };
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8(body.into())?)
    })
    .await
}

fn main() -> Result<(), Failure> {
    let (certificate, config) = identity()?;
    let (other, _) = identity()?;
    block_on(group(async |g: Group<'_, '_>| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = Server::new();
        let handle = server.handle();
        let listener = Tls::new(listener, Arc::new(config));
        let served = g.spawn(async { Ok(server.serve(listener, service_fn(hello)).await) });
        let by_h2 = get(address, certificate.clone(), "h2").await?;
        let by_http1 = get(address, certificate, "http/1.1").await?;
        let Err(refused) = get(address, other, "h2").await else {
            return Err("a client trusts what it does not know".into());
        };
        handle.stop();
        let report = served.await;
        let line = format!("{by_h2}; {by_http1}; {refused}; {report}");
        Ok(writeln!(io::stdout(), "{line}")?)
    }))
}
