//! quinn: QUIC on sockets and tasks of smol's, or of tokio's, which it takes where it finds it, or
//! on ours, by an adapter.

use super::certificates::configs;
use crate::common::polls::{Count, until};
use crate::common::process::alone;
use crate::trial::{Middle, Trial};
use ::quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use ::quinn::{
    AsyncUdpSocket, ClientConfig, Endpoint, EndpointConfig, Runtime, ServerConfig, default_runtime,
};
use interop::quinn::{InGroup, Socket};
use spinney::{Group, GroupHandle, Never, group, net, yield_now};
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Context;

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

fn endpoint(server: Option<ServerConfig>, runtime: &Arc<dyn Runtime>) -> Endpoint {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = EndpointConfig::default();
    Endpoint::new(config, server, socket, Arc::clone(runtime)).unwrap()
}

/// Which runtime quinn has in a group.
type Choose = fn(GroupHandle) -> Arc<dyn Runtime>;

/// The one that it finds.
fn found(_: GroupHandle) -> Arc<dyn Runtime> {
    default_runtime().unwrap()
}

fn ours(handle: GroupHandle) -> Arc<dyn Runtime> {
    Arc::new(InGroup(handle))
}

/// One stream and its answer; then the connection stays idle if there is a middle.
async fn exchange(
    (server, client): (ServerConfig, ClientConfig),
    choose: Choose,
    middle: Option<Middle>,
) {
    group(async |g: Group<'_, '_, Never>| {
        let runtime = choose(g.handle());
        let listening = endpoint(Some(server), &runtime);
        let address = listening.local_addr().unwrap();
        g.spawn(serve(listening));
        let endpoint = endpoint(None, &runtime);
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

fn put_through(trial: Trial, choose: Choose) {
    let configs = quic();
    let trip = |middle| exchange(configs.clone(), choose, middle);
    trial.run(|| trip(None), |middle| trip(Some(middle)));
}

#[test]
fn quinn_with_smol() {
    alone(|| put_through(Trial::default().with_smol(), found));
}

#[test]
fn quinn_with_tokio() {
    alone(|| put_through(Trial::default().with_tokio(), found));
}

/// No thread but ours, and nothing is left at the end of a group: neither task nor descriptor.
#[test]
fn quinn_in_a_group() {
    alone(|| put_through(Trial::default(), ours));
}

/// Streams at once, of more than a few datagrams: some of them go in one call.
#[test]
fn quinn_in_a_group_moves_megabytes() {
    alone(|| {
        const STREAMS: usize = 8;
        const BYTES: usize = 1 << 20;
        let (server, client) = quic();
        spinney::block_on(group(async |g: Group<'_, '_, Never>| {
            let runtime = ours(g.handle());
            let listening = endpoint(Some(server), &runtime);
            let address = listening.local_addr().unwrap();
            g.spawn(async move {
                let connection = listening.accept().await.unwrap().await.unwrap();
                let sent = vec![7; BYTES];
                group(async |g: Group<'_, '_, Never>| {
                    let sent = g.keep(sent);
                    for _ in 0..STREAMS {
                        let mut stream = connection.open_uni().await.unwrap();
                        g.spawn(async move {
                            stream.write_all(sent).await.unwrap();
                            stream.finish().unwrap();
                        });
                    }
                })
                .await;
                connection.closed().await;
            });
            let endpoint = endpoint(None, &runtime);
            let connecting = endpoint.connect_with(client, address, "localhost");
            let connection = connecting.unwrap().await.unwrap();
            let mut reading = Vec::new();
            for _ in 0..STREAMS {
                let mut stream = connection.accept_uni().await.unwrap();
                reading.push(g.spawn(async move { Ok(stream.read_to_end(BYTES).await.unwrap()) }));
            }
            for read in reading {
                assert_eq!(read.await, vec![7; BYTES]);
            }
            connection.close(0_u32.into(), b"");
        }));
    });
}

/// Each has a place of its own: nobody is woken before there is room, as the oldest of many would
/// be that only poll the socket.
#[test]
fn any_number_of_tasks_of_quinn_wait_for_room() {
    alone(|| {
        spinney::block_on(async {
            let socket = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let own = socket.local_addr().unwrap();
            let socket = Arc::new(Socket::new(socket).unwrap());
            let pollers = || [(); 10].map(|()| Arc::clone(&socket).create_io_poller());
            let wakers = || [(); 10].map(|()| Arc::new(Count::default()));
            let (mut waiting, mut woken) = (pollers(), wakers());
            loop {
                // As one that found no room. The event of the registration may come meanwhile.
                let full = socket.get_ref().try_write_with(|_| full());
                assert_eq!(full.unwrap_err().kind(), ErrorKind::WouldBlock);
                let pending = waiting.iter_mut().zip(&woken).all(|(poller, count)| {
                    let waker = Arc::clone(count).into();
                    let mut cx = Context::from_waker(&waker);
                    poller.as_mut().poll_writable(&mut cx).is_pending()
                });
                if pending && woken.iter().all(|count| count.0.load(SeqCst) == 0) {
                    break;
                }
                (waiting, woken) = (pollers(), wakers());
                yield_now().await;
            }
            // There is room again when it has been taken.
            socket.get_ref().try_send_to(b"room", own).unwrap();
            until(|| woken.iter().all(|count| count.0.load(SeqCst) == 1)).await;
        });
    });
}

fn full() -> io::Result<()> {
    Err(ErrorKind::WouldBlock.into())
}

/// The tasks of endpoints and connections hold the runtime that they were given.
#[test]
fn the_end_of_a_group_joins_the_tasks_of_quinn() {
    alone(|| {
        let (server, client) = quic();
        let (held, told) = spinney::block_on(group(async |g: Group<'_, '_, Never>| {
            let runtime = ours(g.handle());
            let listening = endpoint(Some(server), &runtime);
            let address = listening.local_addr().unwrap();
            let told = g.spawn(async move {
                let connection = listening.accept().await.unwrap().await.unwrap();
                let mut send = connection.open_uni().await.unwrap();
                send.finish().unwrap();
                Ok(connection.closed().await)
            });
            let endpoint = endpoint(None, &runtime);
            let connecting = endpoint.connect_with(client, address, "localhost");
            let connection = connecting.unwrap().await.unwrap();
            // Sooner the peer is in the handshake, and not told a number.
            connection.accept_uni().await.unwrap();
            connection.close(7_u32.into(), b"");
            // Nothing is awaited: the task of the endpoint goes on until the peer has been told.
            drop((connection, endpoint));
            (Arc::downgrade(&runtime), told.await)
        }));
        assert!(held.upgrade().is_none());
        assert_eq!(told.to_string(), "closed by peer: 7");
    });
}

/// A handle of a group that has ended starts nothing.
#[test]
fn quinn_says_that_its_group_has_ended() {
    alone(|| {
        let (_, client) = quic();
        let runtime = spinney::block_on(group(async |g: Group<'_, '_, Never>| ours(g.handle())));
        let endpoint = endpoint(None, &runtime);
        let address = endpoint.local_addr().unwrap();
        let refused = endpoint.connect_with(client, address, "localhost");
        assert_eq!(refused.unwrap_err().to_string(), "endpoint stopping");
    });
}
