//! The table of `registered`, operation by operation: whether the next one is tried.

use super::registered::{MAX_SLICES, Registered, room_of};
use crate::driver::sources::Direction;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::task::{Context, Poll, Waker};

/// Whether a read is tried after one that gave `first` for a buffer of `room` bytes. The other end
/// is silent, so there is no event in between.
fn is_tried_after(room: usize, first: io::Result<usize>) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let registered = Registered::new(socket).unwrap();
    let cx = &mut Context::from_waker(Waker::noop());
    let mut first = Some(first);
    // A budget may be spent, and is whole again afterwards.
    while first.is_some() {
        let _ = registered.poll_transfer(Direction::Read, room, None, cx, |_| {
            let would_block = || Err(io::ErrorKind::WouldBlock.into());
            first.take().unwrap_or_else(would_block)
        });
    }
    let mut tried = false;
    for _ in 0..2 {
        let polled = registered.poll_transfer(Direction::Read, room, None, cx, |_| {
            tried = true;
            Ok(0)
        });
        assert_eq!(matches!(polled, Poll::Ready(_)), tried);
    }
    tried
}

#[test]
fn a_short_read_proves_that_the_socket_is_drained() {
    assert_eq!(is_tried_after(10, Ok(9)), !cfg!(target_os = "linux"));
}

#[test]
fn would_block_proves_that_the_socket_is_drained() {
    assert!(!is_tried_after(10, Err(io::ErrorKind::WouldBlock.into())));
}

#[test]
fn a_full_buffer_proves_nothing() {
    assert!(is_tried_after(10, Ok(10)));
}

#[test]
fn no_byte_at_all_proves_nothing() {
    assert!(is_tried_after(10, Ok(0)));
    assert!(is_tried_after(0, Ok(0)));
}

#[test]
fn an_error_proves_nothing() {
    assert!(is_tried_after(
        10,
        Err(io::ErrorKind::ConnectionReset.into())
    ));
}

#[test]
fn the_longest_move_of_one_call_proves_nothing() {
    assert!(is_tried_after(usize::MAX, Ok(0x7FFF_F000)));
}

#[test]
fn slices_of_the_same_memory_have_room_without_end() {
    assert_eq!(room_of([3, 4].into_iter()), 7);
    let huge = isize::MAX as usize;
    assert_eq!(room_of(std::iter::repeat_n(huge, MAX_SLICES)), usize::MAX);
}
