//! Datagrams, over UDP and Unix sockets: whole, one to one receiver, and cut where there is no
//! room.

use super::MS;
use super::unix::says;
use crate::common::hangs::without_hanging;
use crate::common::place::Place;
use crate::common::polls::{Count, once, until};
use crate::common::runtimes::clocked;
use spinney::net::{UdpSocket, UnixDatagram};
use spinney::{block_on, group};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Waker};

async fn udp_pair() -> (UdpSocket, UdpSocket) {
    let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    one.connect(other.local_addr().unwrap()).await.unwrap();
    other.connect(one.local_addr().unwrap()).await.unwrap();
    (one, other)
}

async fn unix_pair() -> (UnixDatagram, UnixDatagram) {
    UnixDatagram::pair().unwrap()
}

/// The same test for both kinds of datagrams: `pair` makes two sockets that are each other's peers.
macro_rules! for_both {
    ($($(#[doc = $doc:literal])* fn $name:ident($pair:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            $(#[doc = $doc])*
            #[test]
            fn udp() {
                use super::udp_pair as $pair;
                without_hanging(|| $body);
            }

            $(#[doc = $doc])*
            #[test]
            fn unix() {
                use super::unix_pair as $pair;
                without_hanging(|| $body);
            }
        }
    )*};
}

for_both! {
    fn what_does_not_fit_is_lost_and_a_full_buffer_tells(pair) {
        block_on(async {
            let (near, far) = pair().await;
            let expected = 10;
            for length in [0, 3, 10, 11, 1000] {
                far.send(&vec![7; length]).await.unwrap();
                let mut room = vec![0; expected + 1];
                let count = near.recv(&mut room).await.unwrap();
                assert_eq!(count, length.min(11));
                assert_eq!(count > expected, length > expected);
                far.send(&vec![7; length]).await.unwrap();
                assert_eq!(near.recv_from(&mut room).await.unwrap().0, length.min(11));
            }
            let nothing = near.try_recv(&mut [0; 9]).unwrap_err(); // the rest is lost
            assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        });
    }

    fn each_datagram_goes_to_one_of_many_receivers(pair) {
        block_on(group(async |g| {
            let (near, far) = pair().await;
            let near = g.keep(near);
            let receive = async || {
                let mut byte = [0];
                near.recv(&mut byte).await.unwrap();
                Ok(usize::from(byte[0]))
            };
            let receivers: Vec<_> = (0..10).map(|_| g.spawn(receive())).collect();
            for byte in 0..10 {
                far.send(&[byte]).await.unwrap();
                spinney::yield_now().await;
            }
            let mut sum = 0;
            for receiver in receivers {
                sum += receiver.await;
            }
            assert_eq!(sum, 45);
        }));
    }

    fn a_receive_that_is_given_up_loses_nothing(pair) {
        block_on(async {
            let (near, far) = pair().await;
            let waker = Arc::new(Count::default());
            for byte in 0..100 {
                let mut room = [0; 8];
                {
                    let mut receive = pin!(near.recv(&mut room));
                    let theirs = Waker::from(Arc::clone(&waker));
                    let mut cx = Context::from_waker(&theirs);
                    assert!(receive.as_mut().poll(&mut cx).is_pending());
                    far.send(&[byte]).await.unwrap();
                }
                assert_eq!(near.recv(&mut room).await.unwrap(), 1);
                assert_eq!(room[0], byte);
            }
            assert_eq!(Arc::strong_count(&waker), 1);
        });
    }

    /// As an adapter for another library does it, which has calls of its own.
    fn calls_of_the_users_own_wait_by_readiness(pair) {
        block_on(async {
            let (near, far) = pair().await;
            far.writable().await.unwrap();
            far.try_write_with(|io| io.send(b"hello")).unwrap();
            let mut room = [0; 100];
            let count = loop {
                std::future::poll_fn(|cx| near.poll_readable(cx)).await.unwrap();
                match near.try_read_with(|io| io.recv(&mut room)) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    received => break received.unwrap(),
                }
            };
            assert_eq!(&room[..count], b"hello");
            // An event may be under way.
            while once(pin!(near.readable())).await.is_ready() {
                assert!(near.try_recv(&mut room).is_err());
            }
        });
    }

    fn a_socket_becomes_one_of_std_that_blocks_and_back(pair) {
        block_on(async {
            let (near, far) = pair().await;
            let far = far.into_std().unwrap();
            near.send(b"there").await.unwrap();
            let mut room = [0; 10];
            let count = far.recv(&mut room).unwrap();
            far.send(&room[..count]).unwrap();
            assert_eq!(near.recv(&mut room).await.unwrap(), 5);
            assert!(near.take_error().unwrap().is_none());
        });
    }
}

/// As many tasks as there are connections of a QUIC endpoint wait to write, each woken.
#[test]
fn many_writers_wait_for_room_in_one_socket() {
    without_hanging(|| {
        block_on(async {
            let (near, far) = UnixDatagram::pair().unwrap();
            let mut sent = 0;
            while near.try_send(&[0; 100]).is_ok() {
                sent += 1;
            }
            let wakers: Vec<_> = (0..10).map(|_| Arc::new(Count::default())).collect();
            let mut waiting: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
            for waker in &wakers {
                let mut wait = Box::pin(near.writable());
                let theirs = Waker::from(Arc::clone(waker));
                let mut cx = Context::from_waker(&theirs);
                while wait.as_mut().poll(&mut cx).is_ready() {
                    // An event was under way.
                    assert!(near.try_send(&[0; 100]).is_err());
                    wait.set(near.writable());
                }
                waiting.push(wait);
            }
            for _ in 0..sent {
                far.recv(&mut [0; 100]).await.unwrap();
            }
            until(|| wakers.iter().all(|waker| waker.0.load(SeqCst) > 0)).await;
            for wait in waiting {
                wait.await.unwrap();
            }
        });
    });
}

#[test]
fn a_peek_takes_nothing_and_cuts_nothing() {
    block_on(async {
        let (near, far) = udp_pair().await;
        far.send(b"hello").await.unwrap();
        let mut room = [0; 9];
        assert_eq!(near.peek(&mut room[..2]).await.unwrap(), 2);
        let own = far.local_addr().unwrap();
        assert_eq!(near.peek_from(&mut room).await.unwrap(), (5, own));
        assert_eq!(near.recv(&mut room).await.unwrap(), 5);
    });
}

#[test]
fn the_longest_datagram_arrives_and_a_longer_one_is_refused() {
    block_on(async {
        let (near, far) = udp_pair().await;
        let longest = 65_507; // 65,535 less the heads of IP and UDP
        far.send(&vec![1; longest]).await.unwrap();
        assert_eq!(near.recv(&mut vec![0; 1 << 16]).await.unwrap(), longest);
        let error = far.send(&vec![1; longest + 1]).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
    });
}

#[test]
fn an_error_comes_with_a_later_call() {
    without_hanging(|| {
        block_on(async {
            let (near, far) = udp_pair().await;
            drop(far);
            near.send(b"is there a socket?").await.unwrap();
            let refused = near.recv(&mut [0; 9]).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        });
    });
}

#[test]
fn every_form_of_an_address_is_sent_to() {
    block_on(async {
        let local = Ipv4Addr::LOCALHOST;
        let near = UdpSocket::bind((local, 0)).await.unwrap();
        let far = UdpSocket::bind(SocketAddr::from((local, 0))).await.unwrap();
        let port = near.local_addr().unwrap().port();
        far.send_to(b"1", (local, port)).await.unwrap();
        far.send_to(b"2", format!("127.0.0.1:{port}"))
            .await
            .unwrap();
        // Of its addresses the one that the socket can send to.
        far.send_to(b"3", ("localhost", port)).await.unwrap();
        far.send_to(b"4", &near.local_addr().unwrap())
            .await
            .unwrap();
        far.try_send_to(b"5", near.local_addr().unwrap()).unwrap();
        for text in [b"1", b"2", b"3", b"4", b"5"] {
            let mut room = [0; 9];
            let (count, from) = near.recv_from(&mut room).await.unwrap();
            assert_eq!(
                (&room[..count], from),
                (&text[..], far.local_addr().unwrap())
            );
        }
        let none: &[SocketAddr] = &[];
        let error = far.send_to(b"", none).await.unwrap_err();
        assert_eq!(error.to_string(), "no address was given");
    });
}

#[test]
fn an_error_names_the_address_or_the_path() {
    block_on(async {
        let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let bind = format!("cannot bind to {address}: ");
        says(UdpSocket::bind(address).await, ErrorKind::AddrInUse, &bind);
        let error = taken.connect("[::1]:1").await.unwrap_err();
        assert!(
            error.to_string().starts_with("cannot connect to [::1]:1: "),
            "{error}"
        );
        let (no_group, any) = (Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED);
        let error = taken.join_multicast_v4(no_group, any).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot join 127.0.0.1: "),
            "{error}"
        );

        let place = Place::new();
        let path = place.at("socket");
        let name = path.display();
        let socket = UnixDatagram::unbound().unwrap();
        let send = format!("cannot send to {name}: ");
        says(socket.send_to(b"", &path).await, ErrorKind::NotFound, &send);
        let connect = format!("cannot connect to {name}: ");
        says(socket.connect(&path), ErrorKind::NotFound, &connect);
        let _bound = UnixDatagram::bind(&path).unwrap();
        let bind = format!("cannot bind to {name}: ");
        says(UnixDatagram::bind(&path), ErrorKind::AddrInUse, &bind);
        let long = UnixDatagram::bind("x".repeat(200));
        says(long, ErrorKind::InvalidInput, "cannot bind to xx");
    });
}

/// The system makes no event for one that waits because others have filled the receiver's queue.
#[test]
fn a_queue_that_others_have_filled_is_tried_again_by_time() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        runtime.block_on(async {
            let place = Place::new();
            let path = place.at("socket");
            let near = UnixDatagram::bind(&path).unwrap();
            let to = near.local_addr().unwrap();
            let (other, own) = (
                UnixDatagram::unbound().unwrap(),
                UnixDatagram::unbound().unwrap(),
            );
            let mut others = 0;
            while other.try_send_to_addr(b"other", &to).is_ok() {
                others += 1;
            }
            let mut send = pin!(own.send_to(b"own", &path));
            assert!(once(send.as_mut()).await.is_pending());
            let mut room = [0; 9];
            for _ in 0..others {
                near.recv(&mut room).await.unwrap();
            }
            clock.advance(MS);
            assert_eq!(send.await.unwrap(), 3);
            assert_eq!(near.recv(&mut room).await.unwrap(), 3);
            // One that is given up leaves no timer, and sends nothing.
            while other.try_send_to_addr(b"other", &to).is_ok() {}
            assert!(once(pin!(own.send_to_addr(b"own", &to))).await.is_pending());
            assert_eq!(runtime.metrics().live_timers, 0);
        });
    });
}

/// Each try at a full queue makes an event of the sender's own, which is no reason for another one.
#[test]
fn a_full_queue_is_not_tried_for_events_that_tries_have_made() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        runtime.block_on(async {
            let place = Place::new();
            let path = place.at("socket");
            let near = UnixDatagram::bind(&path).unwrap();
            let to = near.local_addr().unwrap();
            let (other, own) = (
                UnixDatagram::unbound().unwrap(),
                UnixDatagram::unbound().unwrap(),
            );
            while other.try_send_to_addr(b"other", &to).is_ok() {}
            let mut send = pin!(own.send_to(b"own", &path));
            let waker = Arc::new(Count::default());
            let theirs = Waker::from(Arc::clone(&waker));
            let mut cx = Context::from_waker(&theirs);
            let (ping, pong) = UnixDatagram::pair().unwrap();
            for pauses in 1..4 {
                let before = waker.0.load(SeqCst);
                for _ in 0..100 {
                    assert!(send.as_mut().poll(&mut cx).is_pending());
                    // This event comes after those of the try.
                    let mut room = [0; 4];
                    let mut received = pin!(pong.recv(&mut room));
                    assert!(once(received.as_mut()).await.is_pending());
                    ping.send(b"ping").await.unwrap();
                    received.await.unwrap();
                }
                // By the event, by the pause before, and perhaps by the budget.
                let woken = waker.0.load(SeqCst) - before;
                assert!(woken < 10, "{woken} times in pause {pauses}");
                clock.advance(5 * MS);
            }
        });
    });
}
