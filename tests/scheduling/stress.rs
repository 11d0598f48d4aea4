//! Many threads, many tasks, many runtimes: every task runs once, everything is dropped, nothing
//! hangs.

use crate::common::drops::{Alive, on_drop};
use crate::common::hangs::without_hanging;
use crate::common::process::{alone, entries};
use crate::common::runtimes::{FEW_SPARES, without_spares};
use spinney::{
    Group, GroupHandle, Runtime, ServiceHandle, Wait, group, race, scope, try_group, yield_now,
};
use std::future::{Future, pending, poll_fn};
use std::mem::forget;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[test]
fn every_id_exactly_once_from_many_threads() {
    without_hanging(|| {
        const THREADS: usize = 4;
        const EACH: usize = 20_000;
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let seen: Vec<AtomicU8> = (0..THREADS * EACH).map(|_| AtomicU8::new(0)).collect();
        let seen = Arc::new(seen);
        thread::scope(|threads| {
            for first in (0..THREADS).map(|thread| thread * EACH) {
                let (runtime, seen) = (&runtime, &seen);
                threads.spawn(move || {
                    runtime.block_on(group(async |g| {
                        let seen: &[AtomicU8] = g.keep(Arc::clone(seen));
                        for id in (first..first + EACH).step_by(10) {
                            g.spawn(async move {
                                for own in &seen[id..id + 9] {
                                    g.spawn(async move {
                                        if id % 3 == 0 {
                                            yield_now().await;
                                        }
                                        own.fetch_add(1, SeqCst);
                                    });
                                }
                                seen[id + 9].fetch_add(1, SeqCst);
                            });
                        }
                    }));
                });
            }
        });
        assert!(seen.iter().all(|times| times.load(SeqCst) == 1));
        assert_eq!(Arc::strong_count(&seen), 1);
        let before = runtime.metrics();
        assert!(before.jobs >= (THREADS * EACH) as u64);
        runtime.shutdown(Duration::ZERO).unwrap();
    });
}

#[test]
fn runtimes_come_and_go() {
    alone(|| {
        let life = |round: usize| {
            let runtime = Runtime::builder().workers(1 + round % 3).build().unwrap();
            let sum = runtime.block_on(group(async |g| {
                let children: Vec<_> = (0..10).map(|n| g.spawn(async move { Ok(n) })).collect();
                let mut sum = 0;
                for child in children {
                    sum += child.await;
                }
                spinney::sleep(Duration::from_micros(10)).await;
                sum
            }));
            assert_eq!(sum, 45);
            if round % 2 == 0 {
                runtime.shutdown(Duration::ZERO).unwrap();
            }
        };
        life(0);
        // Some may still be open for a moment: it is the number of runtimes that must not matter.
        let files = entries("/proc/self/fd");
        for round in 0..200 {
            life(round);
        }
        assert!(entries("/proc/self/fd") < files + 100);
    });
}

/// A child that another thread spawns while the group closes is joined or refused; none runs on
/// after the end.
#[test]
fn foreign_threads_spawn_while_the_group_closes() {
    without_hanging(|| {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let ran = Arc::new(AtomicUsize::new(0));
        for round in 0..300 {
            let (send, handles) = mpsc::channel::<GroupHandle<spinney::Never>>();
            let spawner = {
                let (accepted, ran) = (Arc::clone(&accepted), Arc::clone(&ran));
                thread::spawn(move || {
                    let handle = handles.recv().unwrap();
                    let mut tries = 0;
                    loop {
                        let ran = Arc::clone(&ran);
                        let child = async move {
                            ran.fetch_add(1, SeqCst);
                        };
                        if handle.spawn(child).is_err() {
                            return tries;
                        }
                        accepted.fetch_add(1, SeqCst);
                        tries += 1;
                        if tries % 4 == 0 {
                            // Lets the group find itself empty.
                            thread::yield_now();
                        }
                        if tries > 500 {
                            return tries;
                        }
                    }
                })
            };
            let handle = runtime.block_on(group(async |g| {
                let handle = g.handle();
                send.send(handle.clone()).unwrap();
                for _ in 0..round % 7 {
                    yield_now().await;
                }
                handle
            }));
            // Every child that was accepted has ended by now.
            assert!(handle.spawn(async {}).is_err());
            spawner.join().unwrap();
            assert_eq!(accepted.load(SeqCst), ran.load(SeqCst));
        }
    });
}

#[test]
fn foreign_threads_start_services_while_the_group_closes() {
    without_hanging(|| {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        for round in 0..500 {
            let ended = Arc::new(AtomicUsize::new(0));
            let (send, handles) = mpsc::channel::<ServiceHandle<spinney::Never>>();
            let spawner = {
                let ended = Arc::clone(&ended);
                thread::spawn(move || {
                    let handle = handles.recv().unwrap();
                    for accepted in 0..500 {
                        let ended = Arc::clone(&ended);
                        let noted = on_drop(move || _ = ended.fetch_add(1, SeqCst));
                        let refused = handle.spawn(async move {
                            let _noted = noted;
                            if accepted % 3 > 0 {
                                yield_now().await;
                            }
                            if accepted % 3 > 1 {
                                pending::<()>().await;
                            }
                        });
                        if let Err(refused) = refused {
                            forget(refused); // it does not count
                            return accepted;
                        }
                        if accepted % 4 == 0 {
                            // Lets the group find that no work is left.
                            thread::yield_now();
                        }
                    }
                    500
                })
            };
            runtime.block_on(group(async |g| {
                if round % 2 > 0 {
                    g.service(pending::<()>());
                }
                if round % 3 > 0 {
                    g.defer(yield_now());
                }
                if round % 5 > 0 {
                    g.spawn(yield_now());
                }
                send.send(g.service_handle()).unwrap();
                for _ in 0..round % 7 {
                    yield_now().await;
                }
            }));
            // Every service that was accepted has ended by now.
            let ended = ended.load(SeqCst);
            assert_eq!(spawner.join().unwrap(), ended);
        }
    });
}

#[test]
fn foreign_threads_wake_while_tasks_are_cut_and_complete() {
    without_hanging(|| {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let foreign: Vec<_> = (0..2)
            .map(|_| {
                let (wakers, stop) = (Arc::clone(&wakers), Arc::clone(&stop));
                thread::spawn(move || {
                    while !stop.load(SeqCst) {
                        let batch = {
                            let wakers = wakers.lock().unwrap();
                            wakers.iter().take(50).cloned().collect::<Vec<_>>()
                        };
                        // Long after some of their tasks have ended.
                        batch.iter().for_each(Waker::wake_by_ref);
                        batch.into_iter().for_each(Waker::wake);
                    }
                })
            })
            .collect();
        let alive = Arc::new(AtomicUsize::new(0));
        for round in 0..200_usize {
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
                for child in 0..20_usize {
                    let (alive, wakers) = (Alive::new(&alive), Arc::clone(&wakers));
                    let mut polls = (round + child) % 5;
                    g.spawn(poll_fn(move |cx| {
                        let _alive = &alive;
                        let mut wakers = wakers.lock().unwrap();
                        if wakers.len() < 200 {
                            wakers.push(cx.waker().clone());
                        }
                        if polls == 0 && child % 3 == 0 {
                            return Poll::Ready(Ok(()));
                        }
                        polls = polls.saturating_sub(1);
                        if wakers.len() == 200 {
                            wakers.rotate_left(1);
                            wakers[0] = cx.waker().clone();
                        }
                        Poll::Pending
                    }));
                }
                for _ in 0..5 {
                    yield_now().await;
                }
                Err::<(), _>(1)
            }));
            assert_eq!(result.unwrap_err().into_first(), 1);
            assert_eq!(alive.load(SeqCst), 0);
        }
        stop.store(true, SeqCst);
        for thread in foreign {
            thread.join().unwrap();
        }
        // Wakers of a runtime that has ended are harmless.
        runtime.shutdown(Duration::ZERO).unwrap();
        drop(runtime);
        wakers.lock().unwrap().drain(..).for_each(Waker::wake);
    });
}

#[test]
fn group_futures_migrate_under_load() {
    without_hanging(|| {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let ran = Arc::new(AtomicUsize::new(0));
        const GROUPS: usize = 300;
        runtime.block_on(group(async |g| {
            let (send, receive) = async_channel::unbounded::<Boxed<()>>();
            for _ in 0..4 {
                let (send, receive) = (send.clone(), receive.clone());
                let ran = Arc::clone(&ran);
                g.spawn(async move {
                    // Each task polls whatever group comes by once, and passes it on.
                    while let Ok(mut moving) = receive.recv().await {
                        let ended = poll_fn(|cx| match moving.as_mut().poll(cx) {
                            Poll::Ready(()) => Poll::Ready(true),
                            Poll::Pending => Poll::Ready(false),
                        });
                        if !ended.await {
                            yield_now().await;
                            let _ = send.try_send(moving);
                        } else if ran.fetch_add(1, SeqCst) + 1 == GROUPS {
                            receive.close();
                        }
                    }
                });
            }
            for n in 0..GROUPS {
                let moving = group(async move |h| {
                    let kept = h.keep(n);
                    for _ in 0..3 {
                        let child = h.spawn(async move {
                            yield_now().await;
                            Ok(*kept)
                        });
                        assert_eq!(child.await, n);
                        h.group(async |i| {
                            i.spawn(async move { assert_eq!(*kept, n) });
                        })
                        .await;
                    }
                });
                send.send(Box::pin(moving)).await.unwrap();
            }
        }));
        assert_eq!(ran.load(SeqCst), GROUPS);
    });
}

#[test]
fn many_threads_block_at_once() {
    without_hanging(|| {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        // More than there are seats for guests.
        thread::scope(|threads| {
            for thread in 0..40_u64 {
                let runtime = &runtime;
                threads.spawn(move || {
                    for n in 0..20 {
                        let value = runtime.block_on(group(async |g| {
                            let children: Vec<_> = (0..3)
                                .map(|child| {
                                    g.spawn(async move {
                                        if child == 1 {
                                            yield_now().await;
                                        }
                                        Ok(thread + n + child)
                                    })
                                })
                                .collect();
                            let mut sum = 0;
                            for child in children {
                                sum += child.await;
                            }
                            sum
                        }));
                        assert_eq!(value, 3 * (thread + n) + 3);
                    }
                });
            }
        });
        runtime.shutdown(Duration::ZERO).unwrap();
    });
}

fn deep(left: u32) -> u32 {
    if left == 0 {
        return 0;
    }
    let children = group(async move |g| {
        let one = g.spawn(async move { Ok(deep(left - 1)) });
        let two = g.spawn(async move {
            yield_now().await;
            Ok(deep(left - 1))
        });
        one.await + two.await + 1
    });
    if left % 2 == 0 {
        return children.wait();
    }
    let mut value = 0;
    scope(|s| {
        s.spawn(async { value = children.await });
    });
    value
}

#[test]
fn waits_nest_on_one_worker() {
    without_hanging(|| {
        for workers in [1, 2] {
            let runtime = Runtime::builder().workers(workers).build().unwrap();
            thread::scope(|threads| {
                for _ in 0..2 {
                    threads.spawn(|| {
                        let nested = group(async |g| g.spawn(async { Ok(deep(5)) }).await);
                        assert_eq!(runtime.block_on(nested), 31);
                    });
                }
            });
            runtime.shutdown(Duration::ZERO).unwrap();
        }
    });
}

#[test]
fn a_worker_that_no_spare_can_replace_runs_whatever_there_is() {
    without_hanging(|| {
        let builder = Runtime::builder().workers(1).max_spares(FEW_SPARES);
        let runtime = builder.build().unwrap();
        without_spares(&runtime, || {
            let nested = group(async |g| g.spawn(async { Ok(deep(4)) }).await);
            assert_eq!(runtime.block_on(nested), 15);
            assert!(runtime.metrics().last_resorts > 0);
        });
    });
}

#[test]
fn a_nested_wait_runs_no_stranger_under_its_callers_lock() {
    without_hanging(|| {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        for _ in 0..20 {
            let busy = Arc::new(AtomicBool::new(true));
            let lock = Arc::new(Mutex::new(0));
            runtime.block_on(group(async |g| {
                let (started, has_started) = mpsc::channel();
                for _ in 0..2 {
                    let (spins, started) = (Arc::clone(&busy), started.clone());
                    g.spawn(async move {
                        started.send(()).unwrap();
                        while spins.load(SeqCst) {
                            thread::yield_now();
                        }
                    });
                }
                // The workers are busy: what comes now is run by this thread. Later one of them may
                // block on the lock, and the other one goes on.
                has_started.recv().unwrap();
                has_started.recv().unwrap();
                let wanted = Arc::clone(&lock);
                let stranger = g.spawn(async move { *wanted.lock().unwrap() += 1 });
                let (held, busy) = (Arc::clone(&lock), Arc::clone(&busy));
                let holder = g.spawn(async move {
                    let mut held = held.lock().unwrap();
                    let helper = thread::spawn(move || busy.store(false, SeqCst));
                    let waited =
                        group(async |h| h.spawn(spinney::sleep(Duration::from_millis(1))).await);
                    waited.wait();
                    *held += 1;
                    drop(held);
                    helper.join().unwrap();
                });
                holder.await;
                stranger.await;
            }));
            assert_eq!(*lock.lock().unwrap(), 2);
        }
    });
}

#[test]
fn races_under_load_have_one_winner_and_lose_no_error() {
    without_hanging(|| {
        let hooked = Arc::new(AtomicUsize::new(0));
        let hook = Arc::clone(&hooked);
        let runtime = Runtime::builder().workers(2).on_unobserved(move |failure| {
            assert!(failure.payload.is::<u64>());
            hook.fetch_add(1, SeqCst);
        });
        let runtime = runtime.build().unwrap();
        let failed = Arc::new(AtomicUsize::new(0));
        for round in 0..500_u64 {
            let failed = Arc::clone(&failed);
            let contestants = (0..5_u64).map(move |n| {
                let failed = Arc::clone(&failed);
                async move {
                    for _ in 0..(n * round) % 4 {
                        yield_now().await;
                    }
                    if n != round % 5 {
                        failed.fetch_add(1, SeqCst);
                        return Err(n);
                    }
                    Ok(n)
                }
            });
            assert_eq!(runtime.block_on(race(contestants)).unwrap(), round % 5);
        }
        assert_eq!(hooked.load(SeqCst), failed.load(SeqCst));
        let everyone = runtime.block_on(race((0..40_u64).map(|n| async move { Err::<(), _>(n) })));
        let everyone = everyone.unwrap_err();
        assert_eq!((everyone.len(), everyone.omitted()), (32, 8));
        assert_eq!(hooked.load(SeqCst), failed.load(SeqCst) + 8);
    });
}
