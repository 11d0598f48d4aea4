//! What only Unix sockets have: paths, names without a file, descriptors that are passed.

use super::MS;
use crate::common::hangs::without_hanging;
use crate::common::place::Place;
use crate::common::polls::once;
use crate::common::process::{alone, limit_descriptors};
use crate::common::runtimes::clocked;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, listen, sendmsg};
use spinney::block_on;
use spinney::net::{UnixListener, UnixStream};
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

/// What is said of a path: its kind, and a text that begins so.
pub(super) fn says<T>(result: io::Result<T>, kind: ErrorKind, text: &str) {
    let Err(error) = result else {
        panic!("it works")
    };
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().starts_with(text), "{error}");
}

#[test]
fn an_error_names_the_path() {
    block_on(async {
        let place = Place::new();
        let path = place.at("socket");
        let name = path.display();
        let connect = format!("cannot connect to {name}: ");
        let bind = format!("cannot bind to {name}: ");
        says(
            UnixStream::connect(&path).await,
            ErrorKind::NotFound,
            &connect,
        );

        let listener = UnixListener::bind(&path).unwrap();
        says(UnixListener::bind(&path), ErrorKind::AddrInUse, &bind);
        drop(listener);
        // The file is there, and nobody listens.
        says(UnixListener::bind(&path), ErrorKind::AddrInUse, &bind);
        let refused = UnixStream::connect(&path).await;
        says(refused, ErrorKind::ConnectionRefused, &connect);

        let long = "x".repeat(108);
        let text =
            format!("cannot bind to {long}: the path has 108 bytes, a socket's has 107 at most");
        says(UnixListener::bind(&long), ErrorKind::InvalidInput, &text);
        let text = format!("cannot connect to {long}: the path has 108 bytes");
        says(
            UnixStream::connect(&long).await,
            ErrorKind::InvalidInput,
            &text,
        );
        let nul = Path::new("a\0b");
        says(
            UnixListener::bind(nul),
            ErrorKind::InvalidInput,
            "cannot bind to a\0b: ",
        );
    });
}

#[test]
fn a_path_as_long_as_can_be_is_taken() {
    block_on(async {
        let place = Place::new();
        let short = place.at("").as_os_str().len();
        let path = place.at(&"x".repeat(107 - short));
        assert_eq!(path.as_os_str().len(), 107);
        let listener = UnixListener::bind(&path).unwrap();
        UnixStream::connect(&path).await.unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
    });
}

#[test]
fn a_name_that_is_no_file_is_free_when_its_socket_has_gone() {
    block_on(async {
        let name = format!("spinney network {}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let text = format!("cannot bind to {address:?}: ");
        says(
            UnixListener::bind_addr(&address),
            ErrorKind::AddrInUse,
            &text,
        );
        let client = UnixStream::connect_addr(&address).await.unwrap();
        let (server, from) = listener.accept().await.unwrap();
        assert!(from.is_unnamed());
        assert_eq!(
            client.peer_addr().unwrap().as_abstract_name(),
            Some(name.as_bytes())
        );
        assert_eq!(
            server.peer_credentials().unwrap().process,
            std::process::id()
        );
        drop((listener, server));
        let text = format!("cannot connect to {address:?}: ");
        let gone = UnixStream::connect_addr(&address).await;
        says(gone, ErrorKind::ConnectionRefused, &text);
        let unnamed = client.local_addr().unwrap();
        let text = "cannot connect to (unnamed): an unnamed socket has no address";
        says(
            UnixStream::connect_addr(&unnamed).await,
            ErrorKind::InvalidInput,
            text,
        );
    });
}

/// The system tells nobody when a full queue has room, so a connect tries again by time.
#[test]
fn a_connect_waits_while_the_queue_of_the_listener_is_full() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        runtime.block_on(async {
            let place = Place::new();
            let path = place.at("socket");
            let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
            listen(&listener, 0).unwrap();
            let _first = UnixStream::connect(&path).await.unwrap();
            let mut second = pin!(UnixStream::connect(&path));
            // 1 ms, 2 ms and so on, up to 100 ms.
            for pause in [1, 2, 4, 8, 16, 32, 64, 100, 100] {
                assert!(once(second.as_mut()).await.is_pending());
                clock.advance((pause - 1) * MS);
                assert!(once(second.as_mut()).await.is_pending());
                clock.advance(MS);
            }
            assert!(once(second.as_mut()).await.is_pending());
            listener.accept().unwrap();
            assert!(once(second.as_mut()).await.is_pending());
            clock.advance(100 * MS);
            second.await.unwrap();
        });
        // One that is given up leaves no timer.
        runtime.block_on(async {
            let place = Place::new();
            let path = place.at("socket");
            let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
            listen(&listener, 0).unwrap();
            let _first = UnixStream::connect(&path).await.unwrap();
            assert!(once(pin!(UnixStream::connect(&path))).await.is_pending());
            assert_eq!(runtime.metrics().live_timers, 0);
        });
    });
}

#[test]
fn a_listener_without_descriptors_pauses() {
    alone(|| {
        let (runtime, clock, _) = clocked(1);
        runtime.block_on(async {
            let place = Place::new();
            let path = place.at("socket");
            let listener = UnixListener::bind(&path).unwrap();
            let client = std::os::unix::net::UnixStream::connect(&path).unwrap();
            limit_descriptors(0);
            for pause in [Duration::ZERO, 5 * MS, 10 * MS] {
                let mut accept = pin!(listener.accept());
                if !pause.is_zero() {
                    assert!(once(accept.as_mut()).await.is_pending());
                    clock.advance(pause);
                }
                let error = accept.await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            }
            drop(client);
        });
    });
}

/// A read stops behind the bytes that descriptors came with: it does not prove that there is no
/// more.
#[test]
fn what_follows_a_passed_descriptor_is_read() {
    without_hanging(|| {
        block_on(async {
            let (near, far) = UnixStream::pair().unwrap();
            for _ in 0..20 {
                let descriptors = [far.as_fd()];
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
                let first = [IoSlice::new(b"with")];
                sendmsg(&far, &first, &mut control, SendFlags::empty()).unwrap();
                far.write_all(b"after").await.unwrap();
                let mut all = Vec::new();
                while all.len() < 9 {
                    let mut room = [0; 100];
                    let count = near.read(&mut room).await.unwrap();
                    all.extend_from_slice(&room[..count]);
                }
                assert_eq!(all, b"withafter");
            }
        });
    });
}
