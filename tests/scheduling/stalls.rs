//! A task that does not return keeps one worker, and nothing else waits for it: time and I/O are
//! watched by another one.

use crate::common::hangs::without_hanging;
use crate::common::polls::wait_until;
use crate::common::runtimes::{self, workers};
use spinney::net::TcpListener;
use spinney::{group, sleep};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// All workers sleep, one of them in the driver. What the driver resumes there goes on without end
/// until another timer, which comes later, has fired.
#[test]
fn time_is_watched_while_a_task_that_was_resumed_does_not_return() {
    without_hanging(|| {
        for workers in 2..5 {
            let (runtime, _) = runtimes::workers(workers);
            runtime.block_on(group(async |g| {
                let fired = g.keep(AtomicBool::new(false));
                g.spawn(async {
                    sleep(Duration::from_millis(20)).await;
                    wait_until(|| fired.load(SeqCst));
                });
                g.spawn(async {
                    sleep(Duration::from_millis(25)).await;
                    fired.store(true, SeqCst);
                });
            }));
        }
    });
}

/// The same for a connection that comes later. Now and then the other worker is still awake and
/// takes over by itself; so there are some rounds.
#[test]
fn sockets_are_watched_while_a_task_that_was_resumed_does_not_return() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for round in 0..20 {
            runtime.block_on(group(async |g| {
                let listener = g.keep(TcpListener::bind("127.0.0.1:0").await.unwrap());
                let (stuck, came) = (
                    g.keep(AtomicBool::new(false)),
                    g.keep(AtomicBool::new(false)),
                );
                let address = listener.local_addr().unwrap();
                g.spawn(async move {
                    sleep(Duration::from_millis(5 + round)).await;
                    stuck.store(true, SeqCst);
                    wait_until(|| came.load(SeqCst));
                });
                g.spawn(async {
                    let _ = listener.accept().await.unwrap();
                    came.store(true, SeqCst);
                });
                g.blocking(move || {
                    wait_until(|| stuck.load(SeqCst));
                    drop(TcpStream::connect(address).unwrap());
                });
            }));
        }
    });
}

/// A stall in every worker but one, again and again, under a load of short tasks and timers.
#[test]
fn stalls_come_and_go() {
    without_hanging(|| {
        let (runtime, _) = workers(3);
        runtime.block_on(group(async |g| {
            for round in 0..20 {
                let fired = g.keep(AtomicBool::new(false));
                for _ in 0..2 {
                    g.spawn(async move {
                        sleep(Duration::from_millis(1 + round % 3)).await;
                        wait_until(|| fired.load(SeqCst));
                    });
                }
                let timer = g.spawn(async {
                    for _ in 0..5 {
                        sleep(Duration::from_millis(1)).await;
                    }
                    fired.store(true, SeqCst);
                });
                timer.await;
            }
        }));
    });
}
