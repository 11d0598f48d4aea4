//! Calls at the wrong moment: after the end, from the inside, many at once. The caller is told;
//! nothing hangs.

use crate::common::durations::{NEVER, NOW};
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{once, wait_until};
use crate::common::runtimes::{noting, workers};
use spinney::{Group, Runtime, block_on, group, scope, shield, try_group};
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

/// The handle of a group that has ended gives the future back, and has not polled it; that of a
/// group that is being cancelled takes it and drops it.
#[test]
fn the_handle_of_a_group_that_has_ended_gives_the_future_back_unpolled() {
    let handle = block_on(try_group(async |g: Group<'_, '_, u8>| {
        let handle = g.handle();
        assert!(handle.spawn(async {}).is_ok());
        Ok(handle)
    }));
    let handle = handle.unwrap();
    let polled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polled);
    let future = handle
        .spawn(async move {
            counted.fetch_add(1, SeqCst);
        })
        .unwrap_err();
    assert_eq!((polled.load(SeqCst), Arc::strong_count(&polled)), (0, 2));
    block_on(future);
    assert_eq!(polled.load(SeqCst), 1);
    // A group that is being cancelled takes it and drops it.
    let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
        g.cancel(1);
        let counted = Arc::clone(&polled);
        let taken = g.handle().spawn(async move { counted.store(100, SeqCst) });
        assert!(taken.is_ok());
        assert_eq!(Arc::strong_count(&polled), 1);
        Ok(())
    }));
    assert_eq!(result.unwrap_err().into_first(), 1);
    assert_eq!(polled.load(SeqCst), 1);
}

/// A group's future gives its answer once, a value or a panic: the next poll panics and says so.
#[test]
fn a_group_that_is_polled_after_its_end_panics() {
    let mut ended = Box::pin(group(async |_| 1));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(ended.as_mut().poll(&mut cx), Poll::Ready(1));
    let text = panic_of(|| ended.as_mut().poll(&mut cx));
    assert!(text.contains("not polled after its end"), "{text}");
    // The same after a panic, and in a group that is lent something.
    let mut ended = Box::pin(spinney::group_with(1, async |_, _: &mut i32| {
        panic_any("body")
    }));
    assert_eq!(
        panic_of(|| {
            let _: Poll<(i32, ())> = ended.as_mut().poll(&mut cx);
        }),
        "body"
    );
    assert!(
        panic_of(|| {
            let _ = ended.as_mut().poll(&mut cx);
        })
        .contains("after its end")
    );
}

/// A shutdown from a task of its own runtime would wait for its caller: it only requests the end,
/// and names the caller, as often as it is called.
#[test]
fn a_shutdown_from_inside_only_requests_and_names_the_caller() {
    without_hanging(|| {
        let runtime = Arc::new(Runtime::builder().workers(1).build().unwrap());
        let inner = Arc::clone(&runtime);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(group(async |g| {
                let inner = Arc::clone(&inner);
                g.spawn_named("suicide", async move {
                    for _ in 0..2 {
                        let stragglers = inner.shutdown(NEVER).unwrap_err();
                        assert_eq!(stragglers.len(), 1);
                        let caller = stragglers.iter().next().unwrap();
                        assert_eq!(caller.name.as_deref(), Some("suicide"));
                        assert_eq!(Some(caller.task), spinney::current::task_id());
                        assert!(stragglers.to_string().contains("suicide"));
                    }
                });
                pending::<()>().await
            }))
        }));
        assert!(ended.is_err());
        runtime.shutdown(NEVER).unwrap();
    });
}

#[test]
fn a_shutdown_from_a_task_that_waits_for_another_runtime_only_requests() {
    without_hanging(|| {
        let one = Arc::new(Runtime::builder().workers(1).build().unwrap());
        let other = Arc::new(Runtime::builder().workers(1).build().unwrap());
        let (sender, receiver) = mpsc::channel();
        let inner = Arc::clone(&one);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            one.block_on(group(async |g| {
                let (inner, other, sender) =
                    (Arc::clone(&inner), Arc::clone(&other), sender.clone());
                g.spawn(async move {
                    let stragglers = other.block_on(async { inner.shutdown(NEVER).unwrap_err() });
                    sender.send(stragglers.len()).unwrap();
                });
                pending::<()>().await
            }))
        }));
        assert!(ended.is_err());
        assert_eq!(receiver.recv().unwrap(), 1);
        one.shutdown(NEVER).unwrap();
    });
}

#[test]
fn a_hook_may_shut_the_runtime_down() {
    without_hanging(|| {
        let slot = Arc::new(Mutex::new(None::<Arc<Runtime>>));
        let hooked = Arc::clone(&slot);
        let (sender, receiver) = mpsc::channel();
        let runtime = Runtime::builder().workers(1).on_unobserved(move |_| {
            let runtime = hooked.lock().unwrap().take();
            if let Some(runtime) = runtime {
                sender
                    .send(runtime.shutdown(NEVER).unwrap_err().len())
                    .unwrap();
            }
        });
        let runtime = Arc::new(runtime.build().unwrap());
        *slot.lock().unwrap() = Some(Arc::clone(&runtime));
        let (inside, is_inside) = mpsc::channel();
        let (go, gone) = async_channel::bounded::<()>(1);
        let mut failing = Box::pin(try_group(async |g: Group<'_, '_, u8>| {
            let (inside, gone) = (inside.clone(), gone.clone());
            g.spawn(async move {
                inside.send(()).unwrap();
                let _ = shield(gone.recv()).await;
                Err::<(), _>(1)
            });
            pending::<Result<(), u8>>().await
        }));
        assert!(runtime.block_on(once(failing.as_mut())).is_pending());
        is_inside.recv().unwrap();
        drop(failing);
        go.try_send(()).unwrap();
        assert_eq!(receiver.recv().unwrap(), 1);
    });
}

#[test]
fn a_runtime_that_is_dropped_in_its_own_task_ends_later() {
    without_hanging(|| {
        let (sender, receiver) = mpsc::channel();
        let slot = Arc::new(Mutex::new(None::<Arc<Runtime>>));
        let runtime = Arc::new(Runtime::builder().workers(2).build().unwrap());
        *slot.lock().unwrap() = Some(Arc::clone(&runtime));
        let (go, gone) = async_channel::bounded::<()>(1);
        let mut foreign = Box::pin({
            let _entered = runtime.enter();
            group(async |g| {
                let (slot, gone) = (Arc::clone(&slot), gone.clone());
                let sender = sender.clone();
                g.spawn(async move {
                    gone.recv().await.unwrap();
                    let last = slot.lock().unwrap().take().unwrap();
                    assert_eq!(Arc::strong_count(&last), 1);
                    drop(last);
                    sender.send(()).unwrap();
                });
                pending::<()>().await
            })
        });
        {
            let _entered = runtime.enter();
            let mut cx = Context::from_waker(Waker::noop());
            assert!(foreign.as_mut().poll(&mut cx).is_pending());
        }
        drop(runtime);
        go.try_send(()).unwrap();
        receiver.recv().unwrap();
        let text = panic_of(|| futures_lite::future::block_on(foreign));
        assert!(
            text.contains("bad_moments.rs") && text.contains("spinney"),
            "{text}"
        );
    });
}

/// A foreign executor polls a group whose runtime was shut down: the poll panics, and names group
/// and runtime. So does a first poll after the shutdown.
#[test]
fn a_foreign_executor_learns_that_the_runtime_was_shut_down() {
    without_hanging(|| {
        let (runtime, _) = noting(Runtime::builder().workers(1).thread_name("grove"));
        let _entered = runtime.enter();
        let alive = Arc::new(());
        let child = Arc::clone(&alive);
        let mut open = Box::pin(spinney::GroupBuilder::<u8>::new().name("oak").run(
            async move |g| {
                g.spawn(async move {
                    let _child = child;
                    pending::<()>().await
                });
                pending::<Result<(), u8>>().await
            },
        ));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(open.as_mut().poll(&mut cx).is_pending());
        runtime.shutdown(NOW).unwrap();
        assert_eq!(Arc::strong_count(&alive), 1);
        let text = panic_of(|| futures_lite::future::block_on(open));
        assert!(text.contains("oak") && text.contains("grove"), "{text}");
        // First polled after the end.
        for text in [
            panic_of(|| futures_lite::future::block_on(group(async |_| 1))),
            panic_of(|| runtime.block_on(group(async |_| 1))),
            panic_of(|| block_on(async { 1 })),
            panic_of(|| scope(|_| 1)),
        ] {
            assert!(text.contains("`grove` was shut down"), "{text}");
        }
    });
}

#[test]
fn blocked_callers_learn_that_the_runtime_was_shut_down() {
    without_hanging(|| {
        let (runtime, _) = noting(Runtime::builder().workers(1).thread_name("grove"));
        let (ready, blocked) = mpsc::channel();
        thread::scope(|threads| {
            let callers = [0, 1, 2].map(|children| {
                let (runtime, ready) = (&runtime, ready.clone());
                threads.spawn(move || {
                    panic_of(|| {
                        runtime.block_on(async {
                            if children == 0 {
                                ready.send(()).unwrap();
                                return pending::<()>().await;
                            }
                            group(async |g| {
                                for _ in 0..children {
                                    g.spawn(pending::<()>());
                                }
                                ready.send(()).unwrap();
                                pending::<()>().await
                            })
                            .await
                        })
                    })
                })
            });
            for _ in 0..3 {
                blocked.recv().unwrap();
            }
            runtime.shutdown(NOW).unwrap();
            for caller in callers {
                let text = caller.join().unwrap();
                assert!(text.contains("`grove` was shut down"), "{text}");
            }
        });
    });
}

#[test]
fn several_shutdowns_at_once_all_end() {
    without_hanging(|| {
        for round in 0..50 {
            let runtime = Runtime::builder().workers(1 + round % 2).build().unwrap();
            let (ready, blocked) = mpsc::channel();
            thread::scope(|threads| {
                threads.spawn(|| {
                    panic_of(|| {
                        runtime.block_on(group(async |g| {
                            g.spawn(pending::<()>());
                            ready.send(()).unwrap();
                            pending::<()>().await
                        }))
                    })
                });
                blocked.recv().unwrap();
                for grace in [NEVER, NOW, NEVER, NOW] {
                    let runtime = &runtime;
                    threads.spawn(move || runtime.shutdown(grace).unwrap());
                }
            });
        }
    });
}

#[test]
fn a_runtime_whose_workers_are_all_stuck_can_be_shut_down_and_dropped() {
    without_hanging(|| {
        let release = Arc::new(AtomicBool::new(false));
        for drops in [false, true] {
            let (runtime, seen) = workers(1);
            let (stuck, is_stuck) = mpsc::channel();
            runtime.block_on(async {
                let mut deaf = Box::pin(group(async |g| {
                    let (release, stuck) = (Arc::clone(&release), stuck.clone());
                    g.spawn_named("stuck", async move {
                        stuck.send(()).unwrap();
                        wait_until(|| release.load(SeqCst));
                    });
                    pending::<()>().await
                }));
                assert!(once(deaf.as_mut()).await.is_pending());
                is_stuck.recv().unwrap();
            });
            if drops {
                drop(runtime);
                assert_eq!(seen.texts().len(), 1);
            } else {
                let stragglers = runtime.shutdown(NOW).unwrap_err();
                assert_eq!(
                    stragglers.iter().next().unwrap().name.as_deref(),
                    Some("stuck")
                );
            }
        }
        release.store(true, SeqCst);
    });
}

#[test]
fn a_group_that_is_opened_after_the_shutdown_is_refused() {
    without_hanging(|| {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let (go, gone) = async_channel::bounded::<()>(1);
        let (ready, waits) = mpsc::channel();
        thread::scope(|threads| {
            let caller = threads.spawn(|| {
                panic_of(|| {
                    runtime.block_on(async {
                        ready.send(()).unwrap();
                        let _ = gone.recv().await;
                        group(async |g| g.spawn(async { Ok(1) }).await).await
                    })
                })
            });
            waits.recv().unwrap();
            runtime.shutdown(Duration::from_secs(1)).unwrap();
            let _ = go.try_send(());
            assert!(caller.join().unwrap().contains("was shut down"));
        });
    });
}
