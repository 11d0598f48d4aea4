//! A task that does not return keeps one worker, and nothing else waits for it: time and I/O are
//! watched by another one, and its queue is run by a spare if there is no other.

use crate::common::hangs::without_hanging;
use crate::common::polls::wait_until;
use crate::common::runtimes::{self, workers};
use spinney::net::TcpListener;
use spinney::{Group, Runtime, group, scope, sleep, yield_now};
use std::hint::spin_loop;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
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

/// A runtime of so many workers, whose callers run nothing.
fn alone(count: usize) -> Runtime {
    let builder = Runtime::builder().workers(count);
    builder.callers_take_part(false).build().unwrap()
}

/// A parent waits on its thread for its own child, for which it has woken no other worker: one of
/// them runs it all the same. Sometimes the sentinel sleeps by then.
#[test]
fn a_child_runs_on_another_worker_while_its_parent_does_not_return() {
    without_hanging(|| {
        for count in 2..5 {
            let (runtime, _) = workers(count);
            for round in 0..30 {
                runtime.block_on(group(async |g| {
                    if round % 10 == 0 {
                        sleep(Duration::from_millis(40)).await;
                    }
                    g.spawn(async move {
                        let (tell, told) = mpsc::channel();
                        g.spawn(async move { tell.send(()).unwrap() });
                        told.recv().unwrap();
                    });
                }));
            }
        }
    });
}

/// One worker, whose task blocks its thread until its own child has run.
#[test]
fn a_child_runs_while_its_parent_keeps_the_only_worker() {
    without_hanging(|| {
        let runtime = alone(1);
        for _ in 0..5 {
            runtime.block_on(group(async |g| {
                g.spawn(async move {
                    let (tell, told) = mpsc::channel();
                    g.spawn(async move { tell.send(()).unwrap() });
                    told.recv().unwrap();
                });
            }));
        }
        assert!(runtime.metrics().stalls > 0);
    });
}

/// The same for a parent that computes.
#[test]
fn a_child_runs_while_its_parent_computes() {
    without_hanging(|| {
        let runtime = alone(1);
        runtime.block_on(group(async |g| {
            let ran = g.keep(AtomicBool::new(false));
            g.spawn(async move {
                g.spawn(async { ran.store(true, SeqCst) });
                while !ran.load(SeqCst) {
                    spin_loop();
                }
            });
        }));
    });
}

/// Every worker blocks until a timer has fired that nobody watches.
#[test]
fn a_timer_fires_while_every_worker_is_blocked() {
    without_hanging(|| {
        for count in 1..4 {
            let runtime = alone(count);
            runtime.block_on(group(async |g| {
                let barrier = g.keep(Barrier::new(count));
                for _ in 0..count {
                    let (tell, told) = mpsc::channel();
                    g.spawn(async move {
                        sleep(Duration::from_millis(20)).await;
                        tell.send(()).unwrap();
                    });
                    g.spawn(async move {
                        barrier.wait();
                        told.recv().unwrap();
                    });
                }
            }));
        }
    });
}

/// A stall that is over leaves no more threads than there were before.
#[test]
fn a_spare_leaves_when_the_stall_is_over() {
    without_hanging(|| {
        let runtime = alone(1);
        runtime.block_on(group(async |g| {
            g.spawn(async move {
                let (tell, told) = mpsc::channel();
                g.spawn(async move { tell.send(()).unwrap() });
                told.recv().unwrap();
            });
        }));
        let spares = runtime.metrics().spares;
        assert!(spares >= 1);
        // One worker and no more: two tasks are never in a poll at once for long.
        runtime.block_on(group(async |g| {
            let inside = g.keep(AtomicUsize::new(0));
            let apart = g.keep(AtomicUsize::new(0));
            for _ in 0..2 {
                g.spawn(async {
                    while apart.load(SeqCst) < 1_000 {
                        if inside.fetch_add(1, SeqCst) > 0 {
                            apart.store(0, SeqCst);
                        } else {
                            apart.fetch_add(1, SeqCst);
                        }
                        (0..100).for_each(|_| spin_loop());
                        inside.fetch_sub(1, SeqCst);
                        yield_now().await;
                    }
                });
            }
        }));
    });
}

/// Spares that stood in leave with the runtime, also those that sleep in the driver.
#[test]
fn spares_end_with_their_runtime() {
    without_hanging(|| {
        let started = Arc::new(AtomicUsize::new(0));
        let stopped = Arc::new(AtomicUsize::new(0));
        let (starts, stops) = (Arc::clone(&started), Arc::clone(&stopped));
        let builder = Runtime::builder().workers(1).callers_take_part(false);
        let builder = builder
            .on_thread_start(move || {
                starts.fetch_add(1, SeqCst);
            })
            .on_thread_stop(move || {
                stops.fetch_add(1, SeqCst);
            });
        let runtime = builder.build().unwrap();
        runtime.block_on(group(async |g| {
            g.spawn(async move {
                let (tell, told) = mpsc::channel();
                g.spawn(async move {
                    sleep(Duration::from_millis(1)).await;
                    tell.send(()).unwrap();
                });
                told.recv().unwrap();
            });
        }));
        assert!(runtime.metrics().spares >= 1);
        runtime.shutdown(Duration::from_secs(60)).unwrap();
        // The worker and the spare; other threads have no hooks.
        wait_until(|| stopped.load(SeqCst) == started.load(SeqCst));
        assert!(started.load(SeqCst) >= 2);
    });
}

/// A chain of children, each of which starts the next one, until `over`.
fn chain<'s>(s: Group<'s, '_>, over: &'s AtomicBool) {
    s.spawn(async move {
        if !over.load(SeqCst) {
            chain(s, over);
        }
    });
}

/// A worker that runs the children of a scope in its task begins one job after the other, and yet
/// looks at nothing else: it is stalled, and a spare watches time.
#[test]
fn a_worker_in_a_scope_without_end_is_replaced() {
    without_hanging(|| {
        let builder = Runtime::builder().workers(1).callers_take_part(false);
        let runtime = builder.build().unwrap();
        runtime.block_on(group(async |g| {
            let over = g.keep(AtomicBool::new(false));
            g.spawn(async { scope(|s| chain(s, over)) });
            g.spawn(async {
                sleep(Duration::from_millis(1)).await;
                over.store(true, SeqCst);
            });
        }));
        assert!(runtime.metrics().stalls >= 1);
    });
}
