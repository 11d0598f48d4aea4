//! Copies between streams.

use crate::common::process::{alone, entries};
use crate::common::runtimes::workers;
use crate::common::sockets::tcp_pair;
use futures_lite::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter, Cursor,
};
use spinney::io::{copy, copy_bidirectional};
use spinney::{Group, block_on, group, try_group};
use std::future::pending;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

fn bytes(count: usize, seed: u8) -> Vec<u8> {
    (0..count).map(|at| (at / 7) as u8 ^ seed).collect()
}

#[test]
fn all_of_a_reader_arrives() {
    block_on(group(async |g| {
        for count in [0, 1, 8191, 8192, 8193, 1_000_000] {
            let expected = bytes(count, 3);
            let (near, mut far) = tcp_pair().await;
            let sent = expected.clone();
            let sender = g.spawn(async move {
                // By reference: the sender keeps its end.
                let mut near = near;
                let copied = copy(&sent[..], &mut near).await.unwrap();
                near.close().await.unwrap();
                Ok(copied)
            });
            let mut found = Cursor::new(Vec::new());
            let received = copy(&mut far, &mut found).await.unwrap();
            assert_eq!((received, sender.await), (count as u64, count as u64));
            assert!(found.into_inner() == expected);
        }
    }));
}

/// The other side answers only what it has seen, and the writer has a buffer.
#[test]
fn a_buffered_writer_is_flushed_when_nothing_can_be_read() {
    block_on(group(async |g| {
        let (mut client, inbound) = tcp_pair().await;
        let (outbound, server) = tcp_pair().await;
        g.spawn(async move {
            copy(inbound, BufWriter::new(outbound)).await.unwrap();
        });
        for _ in 0..3 {
            client.write_all(b"?").await.unwrap();
            server.read_exact(&mut [0]).await.unwrap();
        }
        client.close().await.unwrap();
    }));
}

#[test]
fn errors_of_both_sides_come_out() {
    block_on(async {
        let mut small = [0; 3];
        let error = copy(&b"four"[..], Cursor::new(&mut small[..]))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
        let folder = spinney::fs::File::open("/").await.unwrap();
        let error = copy(BufReader::new(folder), Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        let (near, far) = tcp_pair().await;
        drop(far);
        let endless = futures_lite::io::repeat(1);
        let error = copy(endless, near).await.unwrap_err();
        assert!([ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind()));
    });
}

/// Whichever side ends first: the other one goes on sending.
#[test]
fn each_side_closes_by_itself() {
    for client_first in [true, false] {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let (client, inbound) = tcp_pair().await;
            let (outbound, server) = tcp_pair().await;
            let proxy = g.spawn(async { Ok(copy_bidirectional(inbound, outbound).await.unwrap()) });
            let (first, last) = match client_first {
                true => (client, server),
                false => (server, client),
            };
            let question = bytes(300_000, 1);
            let answer = bytes(500_000, 2);
            let (mut first, mut last) = (first, last);
            let asked = question.clone();
            let asker = g.spawn(async move {
                first.write_all(&asked).await.unwrap();
                first.close().await.unwrap();
                let mut found = Vec::new();
                first.read_to_end(&mut found).await.unwrap();
                Ok(found)
            });
            let mut found = Vec::new();
            last.read_to_end(&mut found).await.unwrap();
            assert!(found == question);
            last.write_all(&answer).await.unwrap();
            last.close().await.unwrap();
            assert!(asker.await == answer);
            let counts = proxy.await;
            match client_first {
                true => assert_eq!(counts, (300_000, 500_000)),
                false => assert_eq!(counts, (500_000, 300_000)),
            }
        }));
    }
}

#[test]
fn both_ways_are_copied_at_once() {
    block_on(group(async |g| {
        let (client, inbound) = tcp_pair().await;
        let (outbound, server) = tcp_pair().await;
        let proxy = g.spawn(async { Ok(copy_bidirectional(inbound, outbound).await.unwrap()) });
        // More than all buffers on the way hold: neither end reads before it has written.
        let ends = [client, server].map(|end| {
            g.spawn(async move {
                let (mut reader, writer) = end.into_split();
                let (sent, found) = futures_lite::future::zip(
                    async {
                        writer.write_all(&bytes(4_000_000, 5)).await.unwrap();
                        drop(writer);
                    },
                    async {
                        let mut found = Vec::new();
                        reader.read_to_end(&mut found).await.unwrap();
                        found
                    },
                )
                .await;
                let () = sent;
                Ok(found)
            })
        });
        for end in ends {
            assert!(end.await == bytes(4_000_000, 5));
        }
        assert_eq!(proxy.await, (4_000_000, 4_000_000));
    }));
}

#[test]
fn the_error_of_one_way_ends_both() {
    block_on(async {
        let (near, _far) = tcp_pair().await;
        let error = copy_bidirectional(near, Broken).await.unwrap_err();
        assert_eq!(error.to_string(), "broken");
    });
}

/// A stream whose reads fail.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::Error::other("broken")))
    }
}

impl AsyncWrite for Broken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[test]
fn a_copy_that_is_cut_closes_both_ends() {
    alone(|| {
        let (runtime, _) = workers(2);
        let around = |rounds| {
            for _ in 0..rounds {
                let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
                    let (client, inbound) = tcp_pair().await;
                    let (outbound, server) = tcp_pair().await;
                    g.spawn(async {
                        copy_bidirectional(inbound, outbound).await.unwrap();
                    });
                    client.write_all(b"?").await.unwrap();
                    server.read_exact(&mut [0]).await.unwrap();
                    g.spawn(async { Err::<(), _>("cut") });
                    pending::<()>().await;
                    Ok(())
                }));
                result.unwrap_err();
            }
        };
        around(1);
        let open = entries("/proc/self/fd");
        around(20);
        assert_eq!(entries("/proc/self/fd"), open);
    });
}
