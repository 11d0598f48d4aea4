//! Who looks at tokio's time and I/O, at ours, and at tokio's tasks, and how soon.

use super::parked;
use crate::common::hangs::without_hanging;
use crate::common::polls::{once, wait_until};
use crate::common::process::{alone, entries};
use spinney::{Group, Runtime, current, group, sleep, yield_now};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MS: Duration = Duration::from_millis(1);

#[test]
fn there_is_no_second_thread() {
    alone(|| {
        let threads = || entries("/proc/self/task");
        let plain = Runtime::builder().workers(2).build().unwrap();
        plain.block_on(group(async |g| g.spawn(sleep(MS)).await));
        let before = threads();
        drop(plain);
        let runtime = parked(2).build().unwrap();
        runtime.block_on(group(async |g| {
            g.spawn(async { tokio::time::sleep(MS).await }).await;
        }));
        assert!(threads() <= before);
    });
}

/// Both drivers in one sleep: a timer and a socket of each end it.
#[test]
fn one_worker_sleeps_for_both() {
    without_hanging(|| {
        let runtime = parked(1).callers_take_part(false).build().unwrap();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let ours = spinney::net::TcpListener::bind("127.0.0.1:0")
                .await
                .unwrap();
            let our_address = ours.local_addr().unwrap();
            g.spawn(async move {
                for _ in 0..20 {
                    let mut peer = listener.accept().await.unwrap().0;
                    peer.write_all(b"x").await.unwrap();
                }
            });
            g.spawn(async move {
                for _ in 0..20 {
                    ours.accept().await.unwrap();
                }
            });
            for _ in 0..20 {
                let mut text = String::new();
                let mut peer = tokio::net::TcpStream::connect(address).await.unwrap();
                peer.read_to_string(&mut text).await.unwrap();
                spinney::net::TcpStream::connect(our_address).await.unwrap();
                sleep(MS).await;
                tokio::time::sleep(MS).await;
            }
        }));
    });
}

/// A worker that is never idle visits tokio, which so gets on.
#[test]
fn busy_workers_look_at_tokio() {
    without_hanging(|| {
        let runtime = parked(1).callers_take_part(false).build().unwrap();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            let over = Arc::new(AtomicBool::new(false));
            for _ in 0..4 {
                let over = Arc::clone(&over);
                g.spawn(async move {
                    while !over.load(SeqCst) {
                        yield_now().await;
                    }
                });
            }
            // Its own task in tokio, too.
            let escaped = tokio::spawn(async {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                tokio::time::sleep(MS).await;
            });
            g.spawn(async move {
                tokio::time::sleep(MS).await;
                escaped.await.unwrap();
                over.store(true, SeqCst);
            });
        }));
    });
}

/// Tasks of tokio's that are always ready take turns with ours, on the only worker.
#[test]
fn a_flood_of_tokio_tasks_holds_up_nothing_of_ours() {
    without_hanging(|| {
        let runtime = parked(1).callers_take_part(false).build().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let flood = |over: Arc<AtomicBool>| async move {
            while !over.load(SeqCst) {
                tokio::task::yield_now().await;
            }
        };
        runtime.block_on(group(async |g: Group<'_, '_>| {
            for _ in 0..100 {
                tokio::spawn(flood(Arc::clone(&over)));
            }
            for _ in 0..10 {
                g.spawn(sleep(MS)).await;
                g.spawn(async { tokio::time::sleep(MS).await }).await;
            }
        }));
        over.store(true, SeqCst);
    });
}

/// A task of tokio's that does not return: our time, our queue and our sockets go on, with one
/// worker and with more, be it in a visit or in the sleep.
#[test]
fn a_tokio_task_that_computes_holds_up_nothing_of_ours() {
    without_hanging(|| {
        for workers in [1, 2] {
            let runtime = parked(workers).callers_take_part(false).build().unwrap();
            let over = Arc::new(AtomicBool::new(false));
            let begun = Arc::new(AtomicUsize::new(0));
            runtime.block_on(group(async |g: Group<'_, '_>| {
                let (theirs, count) = (Arc::clone(&over), Arc::clone(&begun));
                tokio::spawn(async move {
                    count.fetch_add(1, SeqCst);
                    while !theirs.load(SeqCst) {
                        std::hint::spin_loop();
                    }
                });
                while begun.load(SeqCst) == 0 {
                    g.spawn(sleep(MS)).await;
                }
                for _ in 0..10 {
                    g.spawn(async {
                        sleep(MS).await;
                        let listener = spinney::net::TcpListener::bind("127.0.0.1:0")
                            .await
                            .unwrap();
                        let address = listener.local_addr().unwrap();
                        let client = spinney::net::TcpStream::connect(address);
                        client.await.unwrap();
                        listener.accept().await.unwrap();
                    })
                    .await;
                }
                over.store(true, SeqCst);
            }));
        }
    });
}

/// A worker blocked in `.wait()` for what only tokio's driver can bring, without a spare.
#[test]
fn a_wait_without_a_spare_looks_at_tokio() {
    use spinney::Wait;
    without_hanging(|| {
        let builder = parked(1).callers_take_part(false).max_spares(0);
        let runtime = builder.build().unwrap();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            g.spawn(async { tokio::time::sleep(MS).wait() }).await;
        }));
    });
}

/// One that waits inside of another runtime of tokio's, without a spare, cannot sleep in ours, and
/// does not try: tokio would panic.
#[test]
fn a_wait_inside_another_tokio_leaves_ours_to_the_others() {
    use spinney::Wait;
    alone(|| {
        let panics = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&panics);
        std::panic::set_hook(Box::new(move |_| _ = count.fetch_add(1, SeqCst)));
        let builder = parked(2).callers_take_part(false).max_spares(0);
        let runtime = Arc::new(builder.build().unwrap());
        let theirs = Arc::clone(&runtime);
        runtime.block_on(group(async move |g: Group<'_, '_>| {
            let (send, receive) = async_channel::bounded::<()>(1);
            g.spawn(async move {
                let other = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                other.block_on(async { receive.recv().wait().unwrap() });
            });
            g.spawn(async move {
                wait_until(|| theirs.metrics().last_resorts == 1);
                // While this worker is busy, the place of a sleeper is free for the other one.
                (0..200_000).for_each(|_| std::thread::yield_now());
                for _ in 0..20 {
                    tokio::time::sleep(MS).await;
                }
                send.try_send(()).unwrap();
            });
        }));
        assert_eq!(panics.load(SeqCst), 0);
    });
}

/// What is woken by a thread of neither: a sleeper in tokio's driver hears it.
#[test]
fn a_sleeper_in_tokio_is_woken_from_outside() {
    without_hanging(|| {
        let runtime = parked(1).callers_take_part(false).build().unwrap();
        let (send, receive) = async_channel::bounded::<()>(1);
        let (tell, told) = mpsc::channel();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                runtime.block_on(group(async |g: Group<'_, '_>| {
                    g.spawn(async move {
                        while receive.recv().await.is_ok() {
                            tell.send(()).unwrap();
                        }
                    });
                }));
            });
            for _ in 0..200 {
                send.send_blocking(()).unwrap();
                told.recv().unwrap();
            }
            send.close();
        });
    });
}

/// A worker sets a timer, and looks at time, while the sleeper in tokio is in a short task there: it
/// hears of the timer when it sleeps on.
#[test]
fn a_timer_that_is_set_while_the_sleeper_is_in_a_task_is_heard_of() {
    without_hanging(|| {
        let runtime = parked(2).callers_take_part(false).build().unwrap();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            for round in 0..500 {
                g.spawn(async move {
                    let over = Arc::new(AtomicBool::new(false));
                    let theirs = Arc::clone(&over);
                    tokio::spawn(async move {
                        while !theirs.load(SeqCst) {
                            std::hint::spin_loop();
                        }
                    });
                    let mut timer = pin!(sleep(2 * MS));
                    assert!(once(timer.as_mut()).await.is_pending());
                    for _ in 0..round % 100 {
                        yield_now().await;
                    }
                    over.store(true, SeqCst);
                    timer.await;
                })
                .await;
            }
        }));
    });
}

/// A look of the sleeper in tokio is full, by a notification and by events for which nobody waits:
/// it looks for more before it sleeps on.
#[test]
fn an_event_that_has_found_no_room_is_looked_for() {
    alone(|| {
        let builder = parked(1).callers_take_part(false);
        let runtime = builder.replace_stalled(false).on_stall(drop).build();
        let runtime = runtime.unwrap();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            // The kernel gives 256 at a time, in the order in which they came.
            let pair = || {
                let (ours, theirs) = UnixStream::pair().unwrap();
                let ours = spinney::net::UnixStream::from_std(ours).unwrap();
                (ours, theirs)
            };
            let mut idle: Vec<_> = (0..255).map(|_| pair()).collect();
            let (read, mut write) = pair();
            let (tell, told) = mpsc::channel();
            let reader = g.spawn(async move {
                let mut byte = [0];
                let mut reads = pin!(read.read(&mut byte));
                assert!(once(reads.as_mut()).await.is_pending());
                tell.send(current::metrics().parks).unwrap();
                assert_eq!(reads.await.unwrap(), 1);
                Ok(())
            });
            let parks = told.recv().unwrap();
            wait_until(|| runtime.metrics().parks > parks);
            let (tell, told) = mpsc::channel();
            let (go, gone) = mpsc::channel();
            tokio::spawn(async move {
                tell.send(()).unwrap();
                gone.recv().unwrap();
            });
            told.recv().unwrap();
            let mut timer = pin!(sleep(Duration::from_secs(3600)));
            assert!(once(timer.as_mut()).await.is_pending());
            for (_, write) in &mut idle {
                write.write_all(b"x").unwrap();
            }
            write.write_all(b"x").unwrap();
            go.send(()).unwrap();
            reader.await;
        }));
    });
}

/// tokio's driver calls a waker that blocks beside those of tasks of ours: a worker that comes back
/// for these is not taken for one that searches meanwhile.
#[test]
fn a_waker_that_blocks_in_tokio_is_not_waited_for() {
    struct Blocks(Arc<Runtime>, mpsc::Sender<u32>);
    impl Wake for Blocks {
        fn wake(self: Arc<Self>) {
            let child = group(async |g| g.spawn(async { Ok(1) }).await);
            self.1.send(self.0.block_on(child)).unwrap();
        }
    }
    without_hanging(|| {
        let builder = parked(2).callers_take_part(false).max_spares(0);
        let runtime = builder.replace_stalled(false).on_stall(drop).build();
        let runtime = Arc::new(runtime.unwrap());
        for _ in 0..20 {
            let (tell, told) = mpsc::channel();
            let blocks = Waker::from(Arc::new(Blocks(Arc::clone(&runtime), tell)));
            runtime.block_on(group(async |g: Group<'_, '_>| {
                g.spawn(async move {
                    let at = tokio::time::Instant::now() + 2 * MS;
                    let sleep = || Box::pin(tokio::time::sleep_until(at));
                    let (mut before, mut blocking, after) = (sleep(), sleep(), sleep());
                    let _ = once(before.as_mut()).await;
                    let _ = blocking.as_mut().poll(&mut Context::from_waker(&blocks));
                    drop(blocks);
                    after.await;
                    before.await;
                    blocking.await;
                })
                .await;
            }));
            assert!(told.iter().all(|answer| answer == 1));
        }
    });
}
