//! Connections of both kinds: methods of their own, half-closes, several waiters, ways back.

use crate::common::hangs::without_hanging;
use crate::common::polls::{Count, once, poll_alone};
use crate::common::sockets::tcp_pair;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use spinney::net::{TcpStream, UnixStream};
use spinney::{block_on, group};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Waker};

async fn unix_pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// The same test for both kinds of connection: `pair` makes both ends.
macro_rules! for_both {
    ($($(#[$doc:meta])* fn $name:ident($pair:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            $(#[$doc])*
            #[test]
            fn tcp() {
                use crate::common::sockets::tcp_pair as $pair;
                without_hanging(|| $body);
            }

            $(#[$doc])*
            #[test]
            fn unix() {
                use super::unix_pair as $pair;
                without_hanging(|| $body);
            }
        }
    )*};
}

for_both! {
    fn methods_need_no_import_and_no_mut(pair) {
        block_on(async {
            let (near, far) = pair().await;
            far.write_all(b"one two").await.unwrap();
            let mut text = [0; 4];
            near.read_exact(&mut text).await.unwrap();
            assert_eq!(&text, b"one ");
            let count = near.read(&mut text).await.unwrap();
            assert_eq!(&text[..count], &b"two"[..count]);
            assert!(near.write(b"x").await.unwrap() == 1);
            far.shutdown(Shutdown::Both).unwrap();
        });
    }

    fn an_end_in_the_middle_is_an_error_that_says_where(pair) {
        block_on(async {
            let (near, far) = pair().await;
            far.write_all(b"abc").await.unwrap();
            drop(far);
            let error = near.read_exact(&mut [0; 10]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            assert_eq!(error.to_string(), "the end came after 3 of 10 bytes");
        });
    }

    fn a_half_close_ends_one_direction(pair) {
        block_on(async {
            let (mut near, far) = pair().await;
            near.write_all(b"request").await.unwrap();
            near.close().await.unwrap(); // of `AsyncWriteExt`
            let mut request = Vec::new();
            (&far).read_to_end(&mut request).await.unwrap();
            assert_eq!(request, b"request");
            far.write_all(b"answer").await.unwrap();
            far.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, b"answer");
        });
    }

    fn halves_are_owned_and_come_together_again(pair) {
        block_on(async {
            let (near, far) = pair().await;
            let (reader, writer) = near.into_split();
            writer.write_all(b"x").await.unwrap();
            let near = reader.reunite(writer).unwrap();
            let (reader, writer) = near.into_split();
            drop(writer);
            let mut all = Vec::new();
            (&far).read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"x");
            far.write_all(b"yz").await.unwrap();
            let mut two = [0; 2];
            reader.read_exact(&mut two).await.unwrap();
            assert_eq!(&two, b"yz");
        });
    }

    /// As many as like may wait for one direction, and none takes the place of another one.
    fn many_readers_wait_and_each_gets_its_byte(pair) {
        block_on(group(async |g| {
            let (near, far) = pair().await;
            let near = g.keep(near);
            let read = async || {
                let mut byte = [0];
                near.read_exact(&mut byte).await.unwrap();
                Ok(usize::from(byte[0]))
            };
            let readers: Vec<_> = (0..10).map(|_| g.spawn(read())).collect();
            for byte in 0..10 {
                far.write_all(&[byte]).await.unwrap();
                spinney::yield_now().await;
            }
            let mut sum = 0;
            for reader in readers {
                sum += reader.await;
            }
            assert_eq!(sum, 45);
        }));
    }

    fn what_waits_and_is_given_up_leaves_no_waker(pair) {
        block_on(async {
            let (near, _far) = pair().await;
            let wakers: Vec<_> = (0..10).map(|_| Arc::new(Count::default())).collect();
            let mut rooms = [[0; 8]; 10];
            let mut waiting = Vec::new();
            for (waker, room) in wakers.iter().zip(&mut rooms) {
                let theirs = Waker::from(Arc::clone(waker));
                let mut cx = Context::from_waker(&theirs);
                let mut read: Pin<Box<dyn Future<Output = _>>> = Box::pin(near.read(room));
                let mut ready: Pin<Box<dyn Future<Output = _>>> = Box::pin(near.readable());
                assert!(read.as_mut().poll(&mut cx).is_pending());
                assert!(ready.as_mut().poll(&mut cx).is_pending());
                waiting.push((read, ready));
            }
            assert!(wakers.iter().all(|waker| waker.0.load(SeqCst) == 0));
            assert!(wakers.iter().all(|waker| Arc::strong_count(waker) == 3));
            drop(waiting);
            assert!(wakers.iter().all(|waker| Arc::strong_count(waker) == 1));
        });
    }

    /// A wait that is over may have been for nothing: the try says so, and the next wait waits.
    fn a_try_that_would_block_is_followed_by_a_wait(pair) {
        block_on(async {
            let (near, far) = pair().await;
            far.write_all(b"x").await.unwrap();
            while near.try_read(&mut [0; 8]).is_err() {
                near.readable().await.unwrap();
            }
            let nothing = near.try_read(&mut [0; 8]).unwrap_err();
            assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
            // An event may be under way.
            while once(pin!(near.readable())).await.is_ready() {
                assert!(near.try_read(&mut [0; 8]).is_err());
            }
            let mut waits = pin!(near.readable());
            assert!(once(waits.as_mut()).await.is_pending());
            far.write_all(b"y").await.unwrap();
            waits.await.unwrap();
            assert_eq!(near.try_read(&mut [0; 8]).unwrap(), 1);

            let room = [0; 1 << 16];
            let full = loop {
                if let Err(full) = near.try_write(&room) {
                    break full;
                }
            };
            assert_eq!(full.kind(), ErrorKind::WouldBlock);
            let mut waits = pin!(near.writable());
            while once(waits.as_mut()).await.is_ready() {
                while near.try_write(&room).is_ok() {}
                waits.set(near.writable());
            }
            while far.try_read(&mut [0; 1 << 16]).is_ok() {}
            waits.await.unwrap();
        });
    }

    /// Both directions are full of bytes, and each end writes before it reads.
    fn a_writer_and_a_reader_share_a_connection(pair) {
        const BYTES: usize = 1 << 20;
        block_on(group(async |g| {
            let (near, far) = pair().await;
            let (near, far) = (g.keep(near), g.keep(far));
            for end in [near, far] {
                g.spawn(async move {
                    end.write_all(&vec![7; BYTES]).await.unwrap();
                    end.shutdown(Shutdown::Write).unwrap();
                });
                g.spawn(async move {
                    let mut all = Vec::new();
                    (&*end).read_to_end(&mut all).await.unwrap();
                    assert!(all.len() == BYTES && all.iter().all(|&byte| byte == 7));
                });
            }
        }));
    }

    fn a_connection_becomes_one_of_std_that_blocks_and_back(pair) {
        block_on(async {
            let (near, far) = pair().await;
            let mut std = far.into_std().unwrap();
            std.write_all(b"there").unwrap();
            let mut text = [0; 5];
            near.read_exact(&mut text).await.unwrap();
            near.write_all(&text).await.unwrap();
            drop(near);
            // It waits for the end, and does not fail with `WouldBlock`.
            let mut back = Vec::new();
            std.read_to_end(&mut back).unwrap();
            assert_eq!(back, b"there");
        });
    }
}

#[test]
fn a_peek_waits_and_takes_nothing() {
    block_on(async {
        let (near, far) = tcp_pair().await;
        let mut room = [0; 8];
        let mut peek = Box::pin(near.peek(&mut room));
        assert!(poll_alone(peek.as_mut()).is_pending());
        far.write_all(b"x").await.unwrap();
        assert_eq!(peek.await.unwrap(), 1);
        assert_eq!(near.read(&mut room).await.unwrap(), 1);
        assert_eq!(room[0], b'x');
    });
}

#[test]
fn options_of_a_connection_are_what_was_set() {
    block_on(async {
        let (near, _far): (TcpStream, _) = tcp_pair().await;
        near.set_nodelay(true).unwrap();
        near.set_ttl(33).unwrap();
        let time = Some(std::time::Duration::ZERO);
        near.set_linger(time).unwrap();
        assert!(near.nodelay().unwrap());
        assert_eq!((near.ttl().unwrap(), near.linger().unwrap()), (33, time));
        assert!(near.take_error().unwrap().is_none());
    });
}
