//! tonic: its services and clients over hyper on our sockets, where the server's tasks are children of
//! the connection's group and the client's are services; and with its own transport.

use super::grpc::{Client, Letters};
use crate::common::polls::until;
use crate::common::process::alone;
use crate::trial::{Middle, Trial, unanswered};
use futures_lite::future::{Boxed, or};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::{Request, Response, client};
use hyper_util::service::TowerToHyperService;
use spinney::net::{TcpListener, TcpStream};
use spinney::runtime::Tokio;
use spinney::{Group, Never, Runtime, ServiceHandle, group};
use std::future::Future;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::Code;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tower::Service;

/// A connection of HTTP/2 that speaks for a client of tonic.
struct Channel(SendRequest<Body>);

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Boxed<hyper::Result<Response<Incoming>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

async fn connect(address: SocketAddr, services: ServiceHandle<Never>) -> Client<Channel> {
    let stream = TcpStream::connect_addr(address).await.unwrap();
    let executor = services.clone();
    let (sender, connection) = client::conn::http2::handshake(executor, stream)
        .await
        .unwrap();
    services.execute(async { _ = connection.await });
    let origin = format!("http://{address}").parse().unwrap();
    Client(tonic::client::Grpc::with_origin(Channel(sender), origin))
}

/// Serves one connection, and a client of it in a group of its own.
async fn served<C>(letters: Letters, calls: impl FnOnce(Client<Channel>) -> C + Send)
where
    C: Future<Output = ()> + Send,
{
    group(async |g: Group<'_, '_, Never>| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        g.spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(Routes::new(letters));
            let http = http2::Builder::new(g.handle());
            _ = http.serve_connection(stream, service).await;
        });
        let client = g.group(async |h| {
            let client = connect(address, h.service_handle()).await;
            calls(client).await;
        });
        client.await;
    })
    .await;
}

#[test]
fn tonic() {
    alone(|| {
        Trial::default().run(
            || served(Letters::default(), async |mut client| client.all().await),
            |middle| {
                let middle = Some(middle);
                served(Letters { middle }, async |mut client| {
                    unanswered(client.stuck(None)).await;
                })
            },
        );
    });
}

/// A call that a timeout drops is reset, and the handler at the other end is dropped in its middle.
#[test]
fn a_call_that_is_dropped_drops_its_handler() {
    alone(|| {
        let (middle, reached) = Middle::new();
        let letters = Letters {
            middle: Some(middle),
        };
        spinney::block_on(served(letters, async |mut client| {
            let call = async {
                client.stuck(None).await;
            };
            let middle = async {
                reached.recv().await.unwrap();
                reached.sender_count()
            };
            let during = or(
                async {
                    call.await;
                    0
                },
                middle,
            )
            .await;
            // The handler has one of them.
            until(|| reached.sender_count() < during).await;
        }));
    });
}

/// The transport of its own: a server in a child until the group stops, and a client.
async fn transport<C>(
    letters: Letters,
    calls: impl FnOnce(Client<tonic::transport::Channel>) -> C + Send,
) where
    C: Future<Output = ()> + Send,
{
    group(async |g: Group<'_, '_, Never>| {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let handle = g.handle();
        g.spawn(async move {
            let server = Server::builder().add_service(letters);
            let stop = async move { handle.stopping().await };
            server
                .serve_with_incoming_shutdown(incoming, stop)
                .await
                .unwrap();
        });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        calls(Client(tonic::client::Grpc::new(channel))).await;
        g.stop();
    })
    .await;
}

#[test]
fn tonic_transport() {
    alone(|| {
        Trial::default().with_tokio().run(
            || {
                transport(Letters::default(), async |mut client| {
                    client.all().await;
                })
            },
            |middle| {
                let middle = Some(middle);
                transport(Letters { middle }, async |mut client| {
                    unanswered(client.stuck(None)).await;
                })
            },
        );
    });
}

/// Its server drops the handler at the deadline that the client has sent.
#[test]
fn a_deadline_of_tonic_is_kept_by_its_server() {
    alone(|| {
        let tokio = Runtime::builder().workers(2).tokio(Tokio::Parked);
        let (middle, reached) = Middle::new();
        let middle = Some(middle);
        let runtime = tokio.build().unwrap();
        runtime.block_on(transport(Letters { middle }, async |mut client| {
            let deadline = Duration::from_millis(20);
            let status = client.stuck(Some(deadline)).await;
            assert!(
                [Code::Cancelled, Code::DeadlineExceeded].contains(&status.code()),
                "{status}"
            );
            reached.recv().await.unwrap();
        }));
    });
}
