//! Sockets: echo, many connections, halves, names, refusals, several waiters, rapid reuse.

mod addresses;
mod flow;
mod given_up;
mod halves;
mod pause;

use crate::common::polls::{until, wait_until};
use crate::common::runtimes::noting;
use futures_lite::AsyncWriteExt;
use spinney::net::{TcpListener, TcpStream};
use spinney::{Group, Runtime, block_on, group, timeout, try_group};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// A connection whose other end is one of the standard library: what it does is done at once.
async fn peer() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_nodelay(true).unwrap();
    (listener.accept().await.unwrap().0, peer)
}

/// Runs `body` where the only thread for closures that block is busy until the flag is set.
fn where_all_block(body: impl AsyncFnOnce(&AtomicBool)) {
    let (runtime, _) = noting(Runtime::builder().workers(1).max_blocking(1));
    runtime.block_on(group(async |g| {
        let gate = g.keep(AtomicBool::new(false));
        let begun = g.keep(AtomicBool::new(false));
        g.blocking(|| {
            begun.store(true, SeqCst);
            wait_until(|| gate.load(SeqCst));
        });
        until(|| begun.load(SeqCst)).await;
        body(gate).await;
    }));
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

fn serve<T: Send>(clients: usize, client: impl AsyncFn(String) -> io::Result<T>) -> T {
    let result = block_on(try_group(async |g: Group<'_, '_, io::Error>| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let server = g.spawn(async move {
            for _ in 0..clients {
                let (stream, _) = listener.accept().await?;
                g.spawn(echo(stream));
            }
            Ok(())
        });
        let value = client(address).await?;
        server.await;
        Ok(value)
    }));
    result.unwrap()
}

#[test]
fn an_echo_comes_back() {
    serve(1, async |address| {
        let stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        for round in 0..100_u8 {
            stream.write_all(&[round; 100]).await?;
            let mut reply = [0; 100];
            stream.read_exact(&mut reply).await?;
            assert_eq!(reply, [round; 100]);
        }
        Ok(())
    });
}

#[test]
fn many_connections_at_once() {
    serve(100, async |address| {
        let result = try_group(async |g: Group<'_, '_, io::Error>| {
            for number in 0..100_u8 {
                let address = address.clone();
                g.spawn(async move {
                    let stream = TcpStream::connect(&address).await?;
                    stream.write_all(&[number; 10_000]).await?;
                    let mut reply = vec![0; 10_000];
                    stream.read_exact(&mut reply).await?;
                    assert!(reply.iter().all(|&byte| byte == number));
                    Ok(())
                });
            }
            Ok(())
        });
        result.await.map_err(spinney::Errors::into_first)
    });
}

#[test]
fn halves_and_shared_references_read_and_write() {
    serve(1, async |address| {
        let stream = TcpStream::connect(&address).await?;
        let (reader, mut writer) = stream.into_split();
        let result = try_group(async |g: Group<'_, '_, io::Error>| {
            g.spawn(async move {
                for _ in 0..1_000 {
                    writer.write_all(&[7; 1_000]).await?;
                }
                writer.close().await
            });
            let mut total = 0;
            let mut buffer = [0; 4_096];
            loop {
                match reader.read(&mut buffer).await? {
                    0 => break,
                    count => total += count,
                }
            }
            Ok(total)
        });
        let total = result.await.map_err(spinney::Errors::into_first)?;
        assert_eq!(total, 1_000_000);
        Ok(())
    });
}

#[test]
fn names_resolve_and_refusals_come_back() {
    block_on(async {
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = TcpStream::connect(&format!("localhost:{port}"))
            .await
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap().port(), port);
        drop(listener);
        drop(stream);
        let refused = TcpStream::connect(&format!("127.0.0.1:{port}")).await;
        assert_eq!(
            refused.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
    });
}

#[test]
fn several_tasks_accept_and_one_that_is_dropped_loses_nothing() {
    block_on(group(async |g| {
        let listener = g.keep(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let gone = timeout(Duration::from_millis(1), listener.accept()).await;
        assert!(gone.is_err());
        let accepting: Vec<_> = (0..4)
            .map(|_| g.spawn(async move { Ok(listener.accept().await.is_ok()) }))
            .collect();
        let mut streams = Vec::new();
        for _ in 0..4 {
            streams.push(TcpStream::connect_addr(address).await.unwrap());
        }
        for accepted in accepting {
            assert!(accepted.await);
        }
    }));
}

#[test]
fn descriptors_are_reused_without_mixing_events() {
    serve(500, async |address| {
        for number in 0..500_u32 {
            let stream = TcpStream::connect(&address).await?;
            stream.write_all(&number.to_le_bytes()).await?;
            let mut reply = [0; 4];
            stream.read_exact(&mut reply).await?;
            assert_eq!(u32::from_le_bytes(reply), number);
        }
        Ok(())
    });
}
