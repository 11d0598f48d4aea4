//! A listener pauses when there is no room for one more connection.

use crate::common::polls::once;
use crate::common::process::{alone, limit_descriptors};
use crate::common::runtimes::clocked;
use spinney::net::TcpListener;
use spinney::time::ManualClock;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// An accept that is begun now fails after this time, and not before.
async fn fails_after(listener: &TcpListener, clock: &ManualClock, pause: Duration) {
    let mut accept = pin!(listener.accept());
    if !pause.is_zero() {
        assert!(once(accept.as_mut()).await.is_pending(), "no pause");
        clock.advance(pause - MS);
        assert!(
            once(accept.as_mut()).await.is_pending(),
            "the pause is too short"
        );
        clock.advance(MS);
    }
    let error = accept.await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
}

#[test]
fn a_listener_without_descriptors_pauses_longer_and_longer() {
    alone(|| {
        let (runtime, clock, _) = clocked(1);
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let clients = [(); 3].map(|()| TcpStream::connect(address).unwrap());
            // All are in the queue.
            let lowest_free = clients[2].try_clone().unwrap().as_raw_fd() as u64;
            limit_descriptors(lowest_free);
            let pauses = [0, 5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000];
            for pause in pauses {
                fails_after(&listener, &clock, pause * MS).await;
            }
            // It does not pause for `try_accept`, nor tries before its time for `accept`.
            let error = listener.try_accept().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            limit_descriptors(lowest_free + 100);
            let mut accept = pin!(listener.accept());
            assert!(once(accept.as_mut()).await.is_pending());
            clock.advance(1000 * MS);
            accept.await.unwrap();
            // What succeeds ends the pauses.
            listener.accept().await.unwrap();
            limit_descriptors(lowest_free);
            fails_after(&listener, &clock, Duration::ZERO).await;
            fails_after(&listener, &clock, 5 * MS).await;
        });
    });
}

/// One that waits for the end of a pause is given up, with its timer.
#[test]
fn an_accept_that_is_given_up_in_a_pause_leaves_no_timer() {
    alone(|| {
        let (runtime, clock, _) = clocked(1);
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            limit_descriptors(client.try_clone().unwrap().as_raw_fd() as u64);
            fails_after(&listener, &clock, Duration::ZERO).await;
            for _ in 0..100 {
                assert!(once(pin!(listener.accept())).await.is_pending());
            }
            assert_eq!(runtime.metrics().live_timers, 0);
        });
    });
}
