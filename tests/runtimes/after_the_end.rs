//! After a runtime has ended: futures that other executors still poll go on, and no thread is left
//! when it is over.

use crate::common::durations::NOW;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::poll_alone;
use futures_lite::future::block_on;
use spinney::net::{TcpListener, TcpStream};
use spinney::time::ManualClock;
use spinney::{Group, Runtime, Wait, current, group, shield, sleep, try_group, yield_now};
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// A runtime that counts its threads.
struct Counted {
    runtime: Runtime,
    threads: Arc<AtomicUsize>,
    clock: ManualClock,
}

fn counted(workers: usize) -> Counted {
    let threads = Arc::new(AtomicUsize::new(0));
    let (started, stopped) = (Arc::clone(&threads), Arc::clone(&threads));
    let clock = ManualClock::new();
    let runtime = Runtime::builder()
        .workers(workers)
        .clock(&clock)
        .on_thread_start(move || _ = started.fetch_add(1, SeqCst))
        .on_thread_stop(move || _ = stopped.fetch_sub(1, SeqCst))
        .build()
        .unwrap();
    Counted {
        runtime,
        threads,
        clock,
    }
}

impl Counted {
    /// Waits until the last thread has gone.
    fn is_deserted(&self) {
        while self.threads.load(SeqCst) > 0 {
            std::thread::yield_now();
        }
    }
}

/// A body that a foreign executor polls has no child, so the shutdown does not wait for it. Its
/// defer runs all the same, with all that it awaits.
#[test]
fn the_defer_of_a_body_that_outlived_its_runtime_runs() {
    without_hanging(|| {
        let counted = counted(2);
        let cleaned = Arc::new(AtomicBool::new(false));
        let mut open = pin!(group(async |g| {
            let cleaned = Arc::clone(&cleaned);
            let clock = counted.clock.clone();
            g.defer(async move {
                yield_now().await;
                clock.advance(Duration::from_secs(1));
                sleep(Duration::from_secs(1)).await;
                // A caretaker that blocks is replaced like any worker.
                let nested = group(async |inner| inner.spawn(async { Ok(3) }).await);
                assert_eq!(nested.wait(), 3);
                cleaned.store(true, SeqCst);
            });
            pending::<()>().await
        }));
        {
            let _entered = counted.runtime.enter();
            assert!(poll_alone(open.as_mut()).is_pending());
        }
        counted.runtime.shutdown(NOW).unwrap();
        counted.is_deserted();
        let advance = counted.clock.clone();
        let ticking = Arc::new(AtomicBool::new(true));
        let ticks = Arc::clone(&ticking);
        let ticker = std::thread::spawn(move || {
            while ticks.load(SeqCst) {
                advance.advance(Duration::from_secs(1));
                std::thread::yield_now();
            }
        });
        let text = panic_of(|| block_on(open));
        ticking.store(false, SeqCst);
        ticker.join().unwrap();
        assert!(text.contains("ended from outside"), "{text}");
        assert!(cleaned.load(SeqCst));
        counted.is_deserted();
    });
}

/// Sleeps fire, whether they were polled before the end or after it.
#[test]
fn sleeps_fire() {
    without_hanging(|| {
        let counted = counted(1);
        let _entered = counted.runtime.enter();
        let mut before = Box::pin(sleep(Duration::from_secs(1)));
        assert!(poll_alone(before.as_mut()).is_pending());
        counted.runtime.shutdown(NOW).unwrap();
        let clock = counted.clock.clone();
        let advanced = std::thread::spawn(move || clock.advance(Duration::from_secs(1)));
        block_on(before);
        advanced.join().unwrap();
        counted.is_deserted();

        let after = sleep(Duration::from_secs(1));
        let clock = counted.clock.clone();
        let advanced = std::thread::spawn(move || clock.advance(Duration::from_secs(1)));
        block_on(after);
        advanced.join().unwrap();
        counted.is_deserted();

        // One that is dropped is not waited for.
        let mut dropped = Box::pin(sleep(Duration::from_secs(1)));
        assert!(poll_alone(dropped.as_mut()).is_pending());
        drop(dropped);
        counted.is_deserted();
    });
}

/// Sockets work, and those that are idle keep one thread, until they are dropped.
#[test]
fn sockets_work() {
    without_hanging(|| {
        let counted = counted(2);
        let _entered = counted.runtime.enter();
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        counted.runtime.shutdown(NOW).unwrap();
        let echoed = block_on(async {
            let connect = TcpStream::connect(&address);
            let (client, served) = futures_lite::future::zip(connect, listener.accept()).await;
            let (client, (served, _)) = (client.unwrap(), served.unwrap());
            client.write_all(b"late").await.unwrap();
            let mut bytes = [0; 4];
            served.read_exact(&mut bytes).await.unwrap();
            bytes
        });
        assert_eq!(&echoed, b"late");
        drop(listener);
        counted.is_deserted();
    });
}

/// A child that is spawned into a group after the end of its runtime is born cancelled.
#[test]
fn a_spawn_after_the_end_is_born_cancelled() {
    without_hanging(|| {
        let counted = counted(1);
        let captured = Arc::new(());
        let held = Arc::clone(&captured);
        let ended = Arc::new(AtomicBool::new(false));
        let mut open = pin!(try_group(async |g: Group<'_, '_, ()>| {
            while !ended.load(SeqCst) {
                yield_now().await;
            }
            g.spawn(async move {
                let _held = held;
                unreachable!("never polled")
            });
            pending::<Result<(), ()>>().await
        }));
        {
            let _entered = counted.runtime.enter();
            assert!(poll_alone(open.as_mut()).is_pending());
        }
        counted.runtime.shutdown(NOW).unwrap();
        ended.store(true, SeqCst);
        let text = panic_of(|| block_on(open));
        assert!(text.contains("ended from outside"), "{text}");
        assert_eq!(Arc::strong_count(&captured), 1);
        counted.is_deserted();
    });
}

/// Children that a shielded group starts after the end are run, and one that blocks has a spare to
/// take its place, also when the caretaker and the spare of the time before have left.
#[test]
fn children_that_block_after_the_end_are_replaced_each_time() {
    without_hanging(|| {
        let counted = &counted(1);
        let (opened, is_opened) = std::sync::mpsc::channel();
        let (go, goes) = async_channel::bounded::<()>(1);
        std::thread::scope(|threads| {
            let visitor = threads.spawn(|| {
                counted.runtime.block_on(shield(group(async |g| {
                    opened.send(()).unwrap();
                    goes.recv().await.unwrap();
                    for round in 1..=4 {
                        counted.is_deserted();
                        let (give, take) = async_channel::bounded(1);
                        let parks = counted.runtime.metrics().parks;
                        let blocks = g.spawn(async move { Ok(take.recv().wait().unwrap()) });
                        threads.spawn(move || {
                            // The spare sleeps when the caretaker goes on, and leaves after it.
                            let metrics = || counted.runtime.metrics();
                            while metrics().spares < round || metrics().parks == parks {
                                std::thread::yield_now();
                            }
                            give.send_blocking(5).unwrap();
                        });
                        assert_eq!(blocks.await, 5);
                    }
                    8
                })))
            });
            is_opened.recv().unwrap();
            counted.runtime.shutdown(NOW).unwrap();
            go.send_blocking(()).unwrap();
            assert_eq!(visitor.join().unwrap(), 8);
        });
        counted.is_deserted();
    });
}

/// Outside every group there is nothing to wait for any more.
#[test]
fn stopping_is_over() {
    without_hanging(|| {
        let counted = counted(1);
        let _entered = counted.runtime.enter();
        let mut before = Box::pin(current::stopping());
        assert!(poll_alone(before.as_mut()).is_pending());
        counted.runtime.shutdown(NOW).unwrap();
        block_on(before);
        block_on(current::stopping());
    });
}
