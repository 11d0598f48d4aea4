//! What proves that a socket is drained, or full: the table of `src/net/registered.rs`, with a peer
//! for each row. The rows for single operations are in `src/net/tests.rs`.

use super::peer;
use crate::common::hangs::without_hanging;
use crate::common::polls::once;
use crate::common::sockets::tcp_pair;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use rustix::net::{SendFlags, send, sockopt::set_socket_linger};
use spinney::net::{TcpListener, TcpStream, UdpSocket};
use spinney::{block_on, group};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Write};
use std::pin::pin;
use std::time::Duration;

/// Waits until this many bytes are in the socket, without reading.
async fn arrived(stream: &TcpStream, count: usize) {
    let mut room = vec![0; count];
    while !matches!(stream.try_peek(&mut room), Ok(seen) if seen == count) {
        spinney::yield_now().await;
    }
}

#[test]
fn bytes_that_come_after_a_short_read_are_read() {
    without_hanging(|| {
        block_on(async {
            let (stream, mut peer) = peer().await;
            for byte in 0..100 {
                peer.write_all(&[byte]).unwrap();
                let mut room = [0; 10];
                assert_eq!(stream.read(&mut room).await.unwrap(), 1);
                assert_eq!(room[0], byte);
            }
        });
    });
}

#[test]
fn what_fills_the_buffer_is_not_all() {
    without_hanging(|| {
        block_on(async {
            let (stream, mut peer) = peer().await;
            peer.write_all(b"0123456789").unwrap();
            arrived(&stream, 10).await;
            let mut room = [0; 4];
            for text in [&b"0123"[..], b"4567", b"89"] {
                let count = stream.read(&mut room).await.unwrap();
                assert_eq!(&room[..count], text);
            }
        });
    });
}

/// All are there before the first is accepted, and no event comes after that.
#[test]
fn connections_that_wait_are_accepted() {
    without_hanging(|| {
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let connect = |_| std::net::TcpStream::connect(address).unwrap();
            let peers: Vec<_> = (0..5).map(connect).collect();
            for peer in &peers {
                let (_, from) = listener.accept().await.unwrap();
                assert_eq!(from, peer.local_addr().unwrap());
            }
            assert!(once(pin!(listener.accept())).await.is_pending());
        });
    });
}

/// As above, with one that would fit twice into the room.
#[test]
fn datagrams_that_wait_are_received() {
    without_hanging(|| {
        block_on(async {
            let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let far = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            for byte in 0..5 {
                far.send_to(&[byte], near.local_addr().unwrap()).unwrap();
            }
            for byte in 0..5 {
                let mut room = [0; 2];
                assert_eq!(near.recv_from(&mut room).await.unwrap().0, 1);
                assert_eq!(room[0], byte);
            }
        });
    });
}

#[test]
fn the_end_that_came_with_the_last_bytes_is_read() {
    without_hanging(|| {
        block_on(async {
            let (mut stream, mut peer) = peer().await;
            peer.write_all(b"last").unwrap();
            drop(peer);
            arrived(&stream, 4).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"last");
        });
    });
}

#[test]
fn the_error_that_came_with_the_last_bytes_is_read() {
    without_hanging(|| {
        block_on(async {
            let (stream, mut peer) = peer().await;
            peer.write_all(b"last").unwrap();
            arrived(&stream, 4).await;
            set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
            drop(peer); // a reset
            let mut room = [0; 10];
            let error = loop {
                match stream.read(&mut room).await {
                    Ok(0) => panic!("an end and no error"),
                    Ok(_) => {}
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        });
    });
}

/// A read stops in front of an urgent byte, and what follows that makes no further event.
#[test]
fn what_follows_an_urgent_byte_is_read() {
    without_hanging(|| {
        block_on(async {
            let (stream, mut peer) = peer().await;
            for round in 0..20 {
                peer.write_all(b"before").unwrap();
                assert_eq!(send(&peer, b"!", SendFlags::OOB).unwrap(), 1);
                peer.write_all(b"after").unwrap();
                if round % 2 == 0 {
                    arrived(&stream, 6).await;
                }
                let mut got = Vec::new();
                let mut room = [0; 100];
                while got.len() < 11 {
                    let count = stream.read(&mut room).await.unwrap();
                    got.extend_from_slice(&room[..count]);
                }
                assert_eq!(got, b"beforeafter");
            }
        });
    });
}

/// A write that moves less has filled the socket: one more is pending, and goes on when the peer
/// has read.
#[test]
fn a_full_socket_takes_more_when_the_peer_has_read() {
    without_hanging(|| {
        block_on(group(async |g| {
            let (mut near, mut far) = tcp_pair().await;
            let data = vec![7; 1 << 20];
            let mut written = 0;
            loop {
                let mut write = pin!(near.write(&data));
                match once(write.as_mut()).await {
                    std::task::Poll::Ready(count) => written += count.unwrap(),
                    std::task::Poll::Pending => break,
                }
            }
            let reader = g.spawn(async move {
                let mut all = Vec::new();
                far.read_to_end(&mut all).await.unwrap();
                Ok(all.len())
            });
            near.write_all(&data).await.unwrap();
            near.close().await.unwrap();
            assert_eq!(reader.await, written + data.len());
        }));
    });
}

#[test]
fn more_slices_than_the_system_takes_are_written() {
    without_hanging(|| {
        block_on(group(async |g| {
            let (mut near, mut far) = tcp_pair().await;
            let reader = g.spawn(async move {
                let mut all = Vec::new();
                far.read_to_end(&mut all).await.unwrap();
                Ok(all)
            });
            let data: Vec<u8> = (0..10_000_u32).map(|number| number as u8).collect();
            let mut slices: Vec<_> = data.chunks(2).map(IoSlice::new).collect();
            let mut left = &mut slices[..];
            while !left.is_empty() {
                let count = near.write_vectored(left).await.unwrap();
                IoSlice::advance_slices(&mut left, count);
            }
            near.close().await.unwrap();
            assert!(reader.await == data);
        }));
    });
}

#[test]
fn more_slices_than_the_system_takes_are_read() {
    without_hanging(|| {
        block_on(async {
            let (mut stream, mut peer) = peer().await;
            peer.write_all(&[7; 5_000]).unwrap();
            arrived(&stream, 5_000).await;
            let (mut room, mut got) = (vec![0; 5_000], 0);
            while got < room.len() {
                let rest = room[got..].chunks_mut(1);
                let mut slices: Vec<_> = rest.map(IoSliceMut::new).collect();
                let count = stream.read_vectored(&mut slices).await.unwrap();
                assert_ne!(count, 0);
                got += count;
            }
            assert!(room.iter().all(|&byte| byte == 7));
        });
    });
}
