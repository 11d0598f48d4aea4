//! Shutdown: every task that was started is joined or named, queued work is not lost, and no
//! failure is.

use crate::common::drops::on_drop;
use crate::common::durations::{NEVER, NOW, SECOND};
use crate::common::hangs::without_hanging;
use crate::common::polls::{self, poll_alone, wait_until};
use crate::common::runtimes::{clocked, workers};
use spinney::{Group, GroupBuilder, Never, group, try_group};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

/// The children of groups that were dropped early belong to the runtime; its end cancels them,
/// waits, and hands their failures to the hook.
#[test]
fn leftovers_are_cancelled_and_joined_and_their_failures_reported() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let alive = Arc::new(());
        let child = Arc::clone(&alive);
        let entered = runtime.enter();
        let (begun, has_begun) = mpsc::channel();
        let mut left = Box::pin(try_group(async move |g: Group<'_, '_, &'static str>| {
            let failing = begun.clone();
            g.spawn(spinney::shield(async move {
                let _child = child;
                failing.send(()).unwrap();
                polls::until(|| g.is_stopping()).await;
                Err::<(), _>("late error")
            }));
            g.spawn(async move {
                let _bomb = on_drop(|| std::panic::panic_any("late panic"));
                begun.send(()).unwrap();
                pending::<()>().await
            });
            pending::<Result<(), &str>>().await
        }));
        assert!(poll_alone(left.as_mut()).is_pending());
        for _ in 0..2 {
            has_begun.recv().unwrap();
        }
        drop(left);
        drop(entered);
        runtime.shutdown(NOW).unwrap();
        assert_eq!(Arc::strong_count(&alive), 1);
        assert_eq!(seen.texts(), ["late error", "late panic"]);
    });
}

/// A search looks at every seat. Idle workers begin and end without one, so that many of them cost
/// as much for each as a few.
#[test]
fn idle_workers_begin_and_end_without_a_search() {
    without_hanging(|| {
        for count in [1, 16, 128] {
            let (runtime, _) = workers(count);
            wait_until(|| runtime.metrics().parks >= count as u64);
            runtime.shutdown(NOW).unwrap();
            assert_eq!(runtime.metrics().searches, 0);
        }
    });
}

/// Within its grace a shutdown drops no queued task.
#[test]
fn a_shutdown_with_a_grace_runs_what_is_queued() {
    without_hanging(|| {
        for workers_of_it in [1, 2] {
            let (runtime, _) = workers(workers_of_it);
            let ran = Arc::new(AtomicUsize::new(0));
            let entered = runtime.enter();
            let count = Arc::clone(&ran);
            let mut open = Box::pin(group(async move |g| {
                for _ in 0..1_000 {
                    let count = Arc::clone(&count);
                    g.spawn(async move {
                        spinney::yield_now().await;
                        count.fetch_add(1, SeqCst);
                    });
                }
            }));
            let _ = poll_alone(open.as_mut());
            drop(entered);
            runtime.shutdown(NEVER).unwrap();
            assert_eq!(ran.load(SeqCst), 1_000);
            drop(open);
        }
    });
}

/// A blocked caller whose group has no child counts nowhere in the tree, and yet it has the grace
/// to stop by itself.
#[test]
fn a_shutdown_with_a_grace_waits_for_a_body_that_stops() {
    without_hanging(|| {
        for _ in 0..50 {
            let (runtime, _) = workers(1);
            let (serving, is_serving) = mpsc::channel();
            std::thread::scope(|threads| {
                let value = threads.spawn(|| {
                    runtime.block_on(group(async |g| {
                        g.spawn(spinney::current::stopping());
                        serving.send(()).unwrap();
                        g.stopping().await;
                        7
                    }))
                });
                is_serving.recv().unwrap();
                runtime.shutdown(NEVER).unwrap();
                assert_eq!(value.join().unwrap(), 7);
            });
        }
    });
}

/// A caller is a guest of the shutdown from the moment on in which its poll begins, also when an
/// earlier one opened nothing.
#[test]
fn a_group_that_is_opened_in_a_later_poll_has_its_grace() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let (go, goes) = async_channel::bounded::<()>(1);
        let (opened, is_opened) = mpsc::channel();
        std::thread::scope(|threads| {
            let value = threads.spawn(|| {
                runtime.block_on(async {
                    goes.recv().await.unwrap();
                    group(async |g| {
                        opened.send(()).unwrap();
                        // The poll goes on until the shutdown has looked around.
                        while !g.is_stopping() {
                            std::thread::yield_now();
                        }
                        for _ in 0..100 {
                            std::thread::yield_now();
                        }
                        spinney::yield_now().await;
                        7
                    })
                    .await
                })
            });
            go.send_blocking(()).unwrap();
            is_opened.recv().unwrap();
            runtime.shutdown(NEVER).unwrap();
            assert_eq!(value.join().unwrap(), 7);
        });
    });
}

/// A shutdown inside `block_on` cannot wait for the caller on whose stack it waits, nor two of them
/// for each other.
#[test]
fn a_shutdown_does_not_wait_for_those_below_it() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(async { runtime.shutdown(NEVER).unwrap() });
        let (runtime, _) = workers(1);
        let (other, _) = workers(1);
        let both = std::sync::Barrier::new(2);
        std::thread::scope(|threads| {
            let visit = || {
                runtime.block_on(group(async |_| {
                    other.block_on(group(async |_| {
                        both.wait();
                        runtime.shutdown(NEVER).unwrap();
                    }));
                }));
            };
            let visitors = [threads.spawn(visit), threads.spawn(visit)];
            // Their groups were ended from outside: they are told.
            for visitor in visitors {
                visitor.join().unwrap_err();
            }
        });
    });
}

/// A caller that is blocked without a group has nothing that could be asked to stop: the grace is
/// not for it.
#[test]
fn a_shutdown_does_not_wait_for_a_caller_without_a_group() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let (polled, is_polled) = mpsc::channel();
        std::thread::scope(|threads| {
            let blocked = threads.spawn(|| {
                runtime.block_on(async {
                    polled.send(()).unwrap();
                    pending::<()>().await
                })
            });
            is_polled.recv().unwrap();
            runtime.shutdown(NEVER).unwrap();
            blocked.join().unwrap_err();
        });
    });
}

/// A straggler says how long ago it was spawned, also one in its first poll, which the tree does
/// not know.
#[test]
fn a_straggler_has_an_age() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        let entered = runtime.enter();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let (begun, has_begun) = mpsc::channel();
        let mut left = Box::pin(group(async move |g: Group<'_, '_>| {
            for yields in [false, true] {
                let (begun, released) = (begun.clone(), Arc::clone(&released));
                g.spawn(async move {
                    if yields {
                        spinney::yield_now().await;
                    }
                    begun.send(()).unwrap();
                    let _ = released.lock().unwrap().recv();
                });
            }
        }));
        assert!(poll_alone(left.as_mut()).is_pending());
        for _ in 0..2 {
            has_begun.recv().unwrap();
        }
        clock.advance(3 * SECOND);
        drop(entered);
        let stragglers = runtime.shutdown(NOW).unwrap_err();
        let ages: Vec<_> = stragglers.iter().map(|straggler| straggler.age).collect();
        assert_eq!(ages, [3 * SECOND; 2]);
        drop(release);
    });
}

/// A straggler says in which group it is, also one in its first poll, of which only its seat knows.
#[test]
fn a_straggler_has_the_path_of_its_group() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let entered = runtime.enter();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let (begun, has_begun) = mpsc::channel();
        let child = move |yields: bool| {
            let (begun, released) = (begun.clone(), Arc::clone(&released));
            async move {
                if yields {
                    spinney::yield_now().await;
                }
                begun.send(()).unwrap();
                let _ = released.lock().unwrap().recv();
                Ok(())
            }
        };
        let server = GroupBuilder::<Never>::new().name("server");
        let mut left = Box::pin(server.run(async move |g| {
            g.spawn(child(true));
            let connection = GroupBuilder::<Never>::new().name(String::from("conn 1"));
            let inner = connection.run_in(g, async |h| {
                h.spawn(child(false));
                Ok(())
            });
            let _ = inner.await;
            Ok(())
        }));
        assert!(poll_alone(left.as_mut()).is_pending());
        for _ in 0..2 {
            has_begun.recv().unwrap();
        }
        drop(entered);
        let stragglers = runtime.shutdown(NOW).unwrap_err();
        let mut groups: Vec<_> = stragglers
            .iter()
            .map(|straggler| &*straggler.group)
            .collect();
        groups.sort_unstable();
        assert_eq!(groups, ["server", "server/conn 1"]);
        let first = stragglers
            .iter()
            .find(|straggler| straggler.group != "server");
        assert!(
            first
                .unwrap()
                .to_string()
                .contains(" in group server/conn 1, ")
        );
        drop(release);
    });
}

/// How long a shutdown has patience with what does not end is real time, wherever the clock of the
/// tasks stands.
#[test]
fn a_clock_that_was_moved_does_not_hold_up_a_shutdown() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let entered = runtime.enter();
        let (begun, has_begun) = mpsc::channel();
        let mut left = Box::pin(group(async move |g: Group<'_, '_>| {
            g.spawn(spinney::shield(async move {
                begun.send(()).unwrap();
                pending::<()>().await
            }));
        }));
        assert!(poll_alone(left.as_mut()).is_pending());
        has_begun.recv().unwrap();
        clock.advance(3600 * SECOND);
        drop(entered);
        assert_eq!(runtime.shutdown(NOW).unwrap_err().len(), 1);
    });
}
