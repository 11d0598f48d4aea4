//! Sockets with options, names that are looked up, and descriptors of the user's own.

use crate::common::hangs::without_hanging;
use crate::common::polls::once;
use crate::common::sockets::tcp_pair;
use rustix::event::{EventfdFlags, eventfd};
use spinney::net::{Async, TcpListener, TcpSocket, TcpStream, lookup_host};
use spinney::{block_on, group};
use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[test]
fn two_listeners_share_a_port_only_if_both_say_so() {
    block_on(async {
        let first = TcpSocket::new_v4().unwrap();
        first.set_reuseport(true).unwrap();
        first.bind(local(0)).unwrap();
        let address = first.local_addr().unwrap();
        let _first = first.listen(16).unwrap();
        let second = TcpSocket::new_v4().unwrap();
        let error = second.bind(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot bind to {address}: "))
        );
        second.set_reuseport(true).unwrap();
        second.bind(address).unwrap();
        second.listen(16).unwrap();
    });
}

#[test]
fn a_socket_connects_from_where_it_is_bound_with_its_options() {
    block_on(async {
        let listener = TcpListener::bind(local(0)).await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_keepalive(true).unwrap();
        socket.bind("127.0.0.3:0".parse().unwrap()).unwrap();
        let stream = socket
            .connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (_, from) = listener.accept().await.unwrap();
        assert_eq!(from, stream.local_addr().unwrap());
        assert_eq!(from.ip(), Ipv4Addr::new(127, 0, 0, 3));
        assert!(stream.nodelay().unwrap());
        assert!(rustix::net::sockopt::socket_keepalive(&stream).unwrap());
        let address = listener.local_addr().unwrap();
        drop(listener);
        let refused = TcpSocket::new_v4()
            .unwrap()
            .connect(address)
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(
            refused
                .to_string()
                .starts_with(&format!("cannot connect to {address}: "))
        );
    });
}

#[test]
fn a_name_is_looked_up_and_connected_to() {
    without_hanging(|| {
        block_on(async {
            // Where there is IPv6 the first attempt is refused.
            let listener = TcpListener::bind(local(0)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let addresses = lookup_host(("localhost", port)).await.unwrap();
            assert!(addresses.as_slice().contains(&local(port)));
            let client = TcpStream::connect(("localhost", port)).await.unwrap();
            assert_eq!(client.peer_addr().unwrap(), local(port));
            let same = lookup_host(local(7)).await.unwrap();
            assert_eq!(same.as_slice(), [local(7)]);
            let error = lookup_host("no port").await.unwrap_err();
            assert!(error.to_string().starts_with("cannot look up no port: "));
        });
    });
}

/// Each write of the counter is taken by one of those that wait.
#[test]
fn a_counter_of_the_system_is_waited_for() {
    without_hanging(|| {
        block_on(group(async |g| {
            let flags = EventfdFlags::CLOEXEC | EventfdFlags::SEMAPHORE;
            let counter = g.keep(Async::new(eventfd(0, flags).unwrap()).unwrap());
            let take = async || {
                let mut value = [0; 8];
                let read = counter.read_with(|io| Ok(rustix::io::read(io, &mut value)?));
                assert_eq!(read.await.unwrap(), 8);
                assert_eq!(u64::from_ne_bytes(value), 1);
            };
            for _ in 0..5 {
                g.spawn(take());
            }
            for _ in 0..5 {
                let one = 1_u64.to_ne_bytes();
                let written = counter.write_with(|io| Ok(rustix::io::write(io, &one)?));
                assert_eq!(written.await.unwrap(), 8);
                spinney::yield_now().await;
            }
        }));
    });
}

/// It does not matter what becomes of the value's own descriptor.
#[test]
fn a_value_may_give_up_its_descriptor_early() {
    struct Given(RefCell<OwnedFd>, OwnedFd);

    impl AsFd for Given {
        fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
            self.1.as_fd()
        }
    }

    without_hanging(|| {
        block_on(async {
            let (near, far) = tcp_pair().await;
            // The same open file twice, beside its registration as a stream.
            let copy = || near.as_fd().try_clone_to_owned().unwrap();
            let one = Async::new(Given(RefCell::new(copy()), copy())).unwrap();
            let other = Async::new(near.as_fd()).unwrap();
            let mut waits = pin!(one.readable());
            while once(waits.as_mut()).await.is_ready() {
                one.try_read_with(|_| Err::<(), _>(ErrorKind::WouldBlock.into()))
                    .unwrap_err();
                waits.set(one.readable());
            }
            drop(other);
            drop(
                one.get_ref()
                    .0
                    .replace(std::fs::File::open("/dev/null").unwrap().into()),
            );
            far.write_all(b"x").await.unwrap();
            waits.await.unwrap();
            assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 1);
        });
    });
}

#[test]
fn what_cannot_be_waited_for_is_refused() {
    block_on(async {
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let error = Async::new(file).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot watch a descriptor: "),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
}
