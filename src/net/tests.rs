//! The table of `registered`, operation by operation: whether the next one is tried. And connects
//! to names with several addresses, for which there is no name that every machine knows. And tries
//! that are repeated by time, which nothing outside counts.

use super::address::Target;
use super::again::until_done;
use super::connect;
use super::happy_eyeballs::{self, DELAY, in_turns};
use super::registered::{MAX_SLICES, Registered, room_of};
use crate::driver::sources::Direction;
use crate::pool::runtime::Runtime;
use crate::time::ManualClock;
use std::cell::Cell;
use std::future::{poll_fn, ready};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Whether a read is tried after one that gave `first` for a buffer of `room` bytes. The other end
/// is silent, so there is no event in between.
fn is_tried_after(room: usize, first: io::Result<usize>) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let registered = Registered::new(socket, None).unwrap();
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

/// A listener whose queue is full: the system drops what asks to connect, and so neither accepts
/// nor refuses. What fills it is kept.
fn silent() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    (
        listener,
        vec![TcpStream::connect(address).unwrap()],
        address,
    )
}

/// An address at which no process listens.
fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

async fn once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// A connect to a name that has these addresses.
async fn by_name(addresses: Vec<SocketAddr>) -> io::Result<SocketAddr> {
    let target = Target::Name("name:1".to_owned());
    let won = happy_eyeballs::connect(&target, addresses, connect::one).await?;
    won.io().peer_addr()
}

/// Runs `body` where time stands still.
fn clocked(body: impl AsyncFnOnce(&ManualClock)) {
    let clock = ManualClock::new();
    let runtime = Runtime::builder().workers(1).clock(&clock).build().unwrap();
    runtime.block_on(body(&clock));
    assert_eq!(runtime.metrics().live_timers, 0);
}

#[test]
fn families_take_turns() {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let six = ["[::1]:1", "[::2]:1", "[::3]:1"].map(address);
    let four = ["1.0.0.1:1", "1.0.0.2:1"].map(address);
    let all: Vec<_> = six.into_iter().chain(four).collect();
    let turns = [six[0], four[0], six[1], four[1], six[2]];
    assert_eq!(in_turns(all), turns);
    let all = vec![four[0], four[1], six[0]];
    assert_eq!(in_turns(all), [four[0], six[0], four[1]]);
    assert_eq!(in_turns(Vec::new()), []);
}

#[test]
fn a_silent_address_is_overtaken_after_a_quarter_of_a_second() {
    clocked(async |clock| {
        let (_silent, _queue, first) = silent();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let second = listener.local_addr().unwrap();
        let mut connect = pin!(by_name(vec![first, second]));
        assert!(once(connect.as_mut()).await.is_pending());
        clock.advance(DELAY - Duration::from_nanos(1));
        assert!(once(connect.as_mut()).await.is_pending());
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "it has begun too soon");
        clock.advance(Duration::from_nanos(1));
        assert_eq!(connect.await.unwrap(), second);
    });
}

/// The one that was overtaken is not given up: it wins if it is the first to answer.
#[test]
fn an_attempt_that_was_overtaken_goes_on() {
    clocked(async |clock| {
        let (silent, mut queue, first) = silent();
        let (_silent, _queue, second) = self::silent();
        let mut connect = pin!(by_name(vec![first, second]));
        assert!(once(connect.as_mut()).await.is_pending());
        clock.advance(DELAY);
        assert!(once(connect.as_mut()).await.is_pending());
        // Room in the queue; the system asks again by its own clock.
        silent.accept().unwrap();
        queue.clear();
        assert_eq!(connect.await.unwrap(), first);
    });
}

#[test]
fn a_refusal_begins_the_next_attempt_at_once() {
    clocked(async |_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let last = listener.local_addr().unwrap();
        let addresses = vec![refusing(), refusing(), last];
        assert_eq!(by_name(addresses).await.unwrap(), last);
    });
}

#[test]
fn an_error_has_those_of_all_attempts() {
    clocked(async |_| {
        let (one, other) = (refusing(), refusing());
        let error = by_name(vec![one, other]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let refused = io::Error::from(rustix::io::Errno::CONNREFUSED);
        let text = |at| format!("cannot connect to name:1 at {at}: {refused}");
        assert_eq!(error.to_string(), format!("{}; {}", text(one), text(other)));
        let source = std::error::Error::source(error.get_ref().unwrap()).unwrap();
        let system = source.downcast_ref::<io::Error>().unwrap();
        assert_eq!(system.raw_os_error(), refused.raw_os_error());
        let error = by_name(vec![one]).await.unwrap_err();
        assert_eq!(error.to_string(), text(one));
        let error = by_name(Vec::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "name:1 has no address");
    });
}

/// It has all the time that it needs: a timer that is over would be ready in each poll, and late.
#[test]
fn the_last_attempt_has_no_timer() {
    clocked(async |clock| {
        let (_silent, _queue, silent) = silent();
        let driver = crate::pool::global::driver();
        let mut connect = pin!(by_name(vec![silent, silent]));
        assert!(once(connect.as_mut()).await.is_pending());
        assert_eq!(driver.timers(), 1);
        clock.advance(DELAY);
        for _ in 0..2 {
            assert!(once(connect.as_mut()).await.is_pending());
            assert_eq!(driver.timers(), 0);
        }
    });
}

/// A connect that is given up leaves neither a socket nor a timer behind.
#[test]
fn a_connect_that_is_given_up_closes_its_attempts() {
    clocked(async |clock| {
        let (_silent, _queue, first) = silent();
        let driver = crate::pool::global::driver();
        let idle = || driver.role.selector.sources.lock().is_empty();
        assert!(idle());
        {
            let mut connect = pin!(by_name(vec![first, first]));
            for _ in 0..3 {
                assert!(once(connect.as_mut()).await.is_pending());
                clock.advance(DELAY);
            }
            assert!(!idle());
        }
        assert!(idle());
    });
}

/// Events come without end, of which each may be of a try's own making.
#[test]
fn an_event_is_worth_one_try_in_each_pause() {
    clocked(async |clock| {
        let tries = Cell::new(0);
        let fail = || {
            tries.set(tries.get() + 1);
            Err::<(), _>(io::ErrorKind::WouldBlock.into())
        };
        let mut done = pin!(until_done(fail, || ready(())));
        let mut expected = 0;
        // 1 ms, 2 ms and so on, up to 100 ms.
        for pause in [1, 2, 4, 8, 16, 32, 64, 100, 100] {
            expected += 2;
            assert!(once(done.as_mut()).await.is_pending());
            assert_eq!(tries.get(), expected);
            clock.advance(Duration::from_millis(pause) - Duration::from_nanos(1));
            assert!(once(done.as_mut()).await.is_pending());
            assert_eq!(tries.get(), expected);
            clock.advance(Duration::from_nanos(1));
        }
    });
}

/// Here the event says something, and time may stand still.
#[test]
fn a_sender_that_has_filled_its_own_buffer_is_woken() {
    clocked(async |_| {
        let path = std::env::temp_dir().join(format!("spinney-again-{}", std::process::id()));
        let near = UnixDatagram::bind(&path).unwrap();
        // So long that the buffer is full before the queue has as many as it takes.
        let long = vec![7; 60_000];
        loop {
            let own = UnixDatagram::unbound().unwrap();
            own.set_nonblocking(true).unwrap();
            let own = Registered::new(own, None).unwrap();
            let send = || own.try_io(Direction::Write, |io| io.send_to(&long, &path));
            let mut sent = 0;
            while send().is_ok() {
                sent += 1;
            }
            let tries = Cell::new(0);
            let again = || {
                tries.set(tries.get() + 1);
                send()
            };
            let mut done = pin!(until_done(again, || own.ready(Direction::Write)));
            assert!(once(done.as_mut()).await.is_pending());
            for _ in 0..sent {
                near.recv(&mut [0; 9]).unwrap();
            }
            // Else it was tried for the event of a new socket, which has come late.
            let waits = tries.get() == 1;
            if waits {
                assert_eq!(done.await.unwrap(), long.len());
                break;
            }
        }
        std::fs::remove_file(&path).unwrap();
    });
}
