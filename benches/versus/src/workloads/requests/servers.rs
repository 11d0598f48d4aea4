//! The server on each side: a task for each connection sends back what it was sent.

use crate::peers::Peers;
use crate::workloads::one_microsecond::work;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, future};
use spinney::{Group, group};
use std::hint::black_box;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const CONNECTIONS: usize = 16;
/// Bytes of a request, and of its answer.
pub(super) const LENGTH: usize = 64;

/// Until the client goes away.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut buffer = [0; LENGTH];
    while stream.read_exact(&mut buffer).await.is_ok() {
        if stream.write_all(&buffer).await.is_err() {
            return;
        }
    }
}

/// Computes, and gives way by `yield_now`, until the server is done.
async fn hog<F: Future<Output = ()>>(over: Arc<AtomicBool>, seed: u32, yield_now: fn() -> F) {
    while !over.load(Ordering::Relaxed) {
        for _ in 0..100 {
            black_box(work(seed));
        }
        yield_now().await;
    }
}

pub(super) fn spinney(peers: &Peers, listener: TcpListener, hogs: u32) {
    let over = Arc::new(AtomicBool::new(false));
    peers.in_spinney(group(async move |g: Group<'_, '_>| {
        for seed in 0..hogs {
            g.spawn(hog(Arc::clone(&over), seed, spinney::yield_now));
        }
        let listener = spinney::net::TcpListener::from_std(listener).expect("a listener");
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            connections.push(g.spawn(echo(stream)));
        }
        for connection in connections {
            connection.await;
        }
        over.store(true, Ordering::Relaxed);
    }));
}

pub(super) fn tokio(peers: &Peers, listener: TcpListener, hogs: u32) {
    /// As [`super::echo`], by tokio's own traits.
    async fn echo(mut stream: tokio::net::TcpStream) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut buffer = [0; LENGTH];
        while stream.read_exact(&mut buffer).await.is_ok() {
            if stream.write_all(&buffer).await.is_err() {
                return;
            }
        }
    }
    let over = Arc::new(AtomicBool::new(false));
    peers.in_tokio(async move {
        for seed in 0..hogs {
            tokio::spawn(hog(Arc::clone(&over), seed, tokio::task::yield_now));
        }
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            connections.push(tokio::spawn(echo(stream)));
        }
        for connection in connections {
            connection.await.expect("no panic");
        }
        over.store(true, Ordering::Relaxed);
    });
}

pub(super) fn executor(peers: &Peers, listener: TcpListener, hogs: u32) {
    let executor = peers.executor;
    let over = Arc::new(AtomicBool::new(false));
    peers.in_executor(async move {
        for seed in 0..hogs {
            let hog = hog(Arc::clone(&over), seed, future::yield_now);
            executor.spawn(hog).detach();
        }
        let listener = async_io::Async::new(listener).expect("a listener");
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.get_ref().set_nodelay(true).expect("a socket");
            connections.push(executor.spawn(echo(stream)));
        }
        for connection in connections {
            connection.await;
        }
        over.store(true, Ordering::Relaxed);
    });
}
