//! The ready handshake: a start returns the child's value or its failure, and a child is never half
//! started.

use crate::common::drops::on_drop;
use crate::common::durations::{self, NEVER};
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{self, once, poll_alone};
use crate::common::runtimes::{clocked, workers};
use spinney::{Group, Ready, StartError, current, group, shield, try_group};
use std::future::pending;
use std::panic::panic_any;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// A start returns the value that the child passed to its `Ready`, and the child lives on in the
/// group.
#[test]
fn a_start_returns_the_value_and_the_child_lives_on() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let ended = Arc::new(AtomicUsize::new(0));
        runtime.block_on(group(async |g| {
            let (release, released) = async_channel::bounded::<()>(1);
            let ended = Arc::clone(&ended);
            let kept = g.keep(String::from("kept"));
            let value = g.start(async move |ready: Ready<&str>| {
                // The value may borrow what the group keeps.
                ready.set(kept);
                released.recv().await.unwrap();
                ended.fetch_add(1, SeqCst);
            });
            assert_eq!(value.await.unwrap(), "kept");
            release.send(()).await.unwrap();
        }));
        assert_eq!(ended.load(SeqCst), 1);
    });
}

/// A child that fails, panics or ends before it was ready fails its start alone; the group lives
/// on.
#[test]
fn a_failure_before_ready_is_the_starters_alone() {
    let (runtime, seen) = workers(2);
    let value = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
        let failed = g.start(async |_: Ready<()>| Err::<(), u8>(7)).await;
        assert!(matches!(failed, Err(StartError::Error(7))), "{failed:?}");
        let panicked = g.start(async |_: Ready<()>| panic_any("early")).await;
        assert!(
            matches!(&panicked, Err(StartError::Panic(p)) if p.is::<&str>()),
            "{panicked:?}"
        );
        let silent = g.start(async |_: Ready<()>| {}).await;
        assert!(matches!(silent, Err(StartError::NotReady)), "{silent:?}");
        // Without its `Ready` the child may go on; the start ends when it does.
        let (release, released) = async_channel::bounded::<()>(1);
        let mut late = pin!(g.start(async move |ready: Ready<()>| {
            drop(ready);
            released.recv().await.unwrap();
        }));
        assert!(once(late.as_mut()).await.is_pending());
        release.send(()).await.unwrap();
        assert!(matches!(late.await, Err(StartError::NotReady)));
        Ok(g.spawn(async { Ok(1) }).await)
    }));
    assert_eq!(value.unwrap(), 1);
    assert_eq!(seen.texts(), [""; 0]);
}

/// After the child was ready its failure is the group's.
#[test]
fn a_failure_after_ready_is_the_groups() {
    let (runtime, _) = workers(2);
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
        let started = g.start(async |ready| {
            ready.set(());
            Err::<(), u8>(3)
        });
        started.await.unwrap();
        pending().await
    }));
    let errors: spinney::Errors<u8> = Result::<(), _>::unwrap_err(result);
    assert_eq!(errors.into_first(), 3);
    let text = panic_of(|| {
        runtime.block_on(group(async |g| {
            let started = g.start(async |ready| {
                ready.set(());
                panic_any("late")
            });
            started.await.unwrap();
            pending::<()>().await
        }))
    });
    assert_eq!(text, "late");
}

/// A starter that is cut while it waits cuts the child, and the group joins it.
#[test]
fn a_starter_that_is_cut_cuts_the_child_and_the_group_joins_it() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let alive = Arc::new(());
        runtime.block_on(group(async |g| {
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let child = Arc::clone(&alive);
            let starter = g.spawn(async move {
                let started = g.start(async move |ready: Ready<()>| {
                    let _ready = ready;
                    let _child = child;
                    begun.send(()).await.unwrap();
                    pending::<()>().await
                });
                let _ = started.await;
                unreachable!("the starter is cut");
            });
            has_begun.recv().await.unwrap();
            assert!(starter.cancel().await.is_none());
        }));
        // The group has returned, so it has joined the child.
        assert_eq!(Arc::strong_count(&alive), 1);
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// A start that is dropped takes nothing with it: a failure that it had not returned yet is the
/// group's, and a value is dropped.
#[test]
fn a_start_that_is_dropped_loses_neither_a_failure_nor_a_value() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            let over = Arc::new(());
            let child = Arc::clone(&over);
            let start = g.start(async move |_: Ready<()>| {
                let _child = child;
                Err::<(), u8>(5)
            });
            // The future of the child is dropped before its end is told, and `start` takes no count
            // on this.
            polls::until(|| Arc::strong_count(&over) == 1).await;
            drop(start);
            pending::<Result<(), u8>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), 5);

        let dropped = Arc::new(AtomicUsize::new(0));
        runtime.block_on(group(async |g| {
            let (set, was_set) = async_channel::bounded::<()>(1);
            let count = Arc::clone(&dropped);
            let start = g.start(async move |ready| {
                ready.set(on_drop(move || {
                    count.fetch_add(1, SeqCst);
                }));
                set.send(()).await.unwrap();
                pending::<()>().await
            });
            was_set.recv().await.unwrap();
            drop(start);
            assert_eq!(dropped.load(SeqCst), 1);
        }));
    });
}

/// In a cancelled group the child is not polled, and its start says that it was not ready; a cancel
/// just after it was ready cuts it.
#[test]
fn in_a_group_that_is_cancelled_nothing_is_started() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let polled = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&polled);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            g.cancel(1);
            let started = g.start(async move |ready: Ready<()>| {
                count.fetch_add(1, SeqCst);
                ready.set(());
            });
            let started = shield(started).await;
            assert!(matches!(started, Err(StartError::NotReady)), "{started:?}");
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        assert_eq!(polled.load(SeqCst), 0);

        // Just after it was ready: the child and the group that it opened are cut.
        let alive = Arc::new(());
        let inner = Arc::clone(&alive);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            let started = g.start(async move |ready: Ready<()>| {
                group(async move |h| {
                    let inner = Arc::clone(&inner);
                    h.spawn(async move {
                        let _inner = inner;
                        pending::<()>().await
                    });
                    ready.set(());
                    pending::<()>().await
                })
                .await
            });
            started.await.unwrap();
            g.cancel(2);
            pending::<Result<(), u8>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), 2);
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// The body of an inner group waits for a start in the outer one: a failure of the inner group cuts
/// the start and its child, and the outer group lives on.
#[test]
fn a_failure_of_the_inner_group_cuts_its_start_in_the_outer_one() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let alive = Arc::new(());
        let child = Arc::clone(&alive);
        let value = runtime.block_on(group(async move |g| {
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let inner = g.try_group(async move |h: Group<'_, '_, u8>| {
                h.spawn(async move {
                    has_begun.recv().await.unwrap();
                    Err::<(), u8>(4)
                });
                let started = g.start(async move |ready: Ready<()>| {
                    let (_ready, _child) = (ready, child);
                    begun.send(()).await.unwrap();
                    pending::<()>().await
                });
                let _ = started.await;
                unreachable!("the body is cut")
            });
            let failed: Result<(), _> = inner.await;
            assert_eq!(failed.unwrap_err().into_first(), 4);
            // The outer group lives on.
            g.spawn(async { Ok(9) }).await
        }));
        assert_eq!(value, 9);
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// The child belongs to its group from its birth, not to the starter.
#[test]
fn the_parent_is_the_group_before_and_after_ready() {
    let (runtime, _) = workers(2);
    let paths = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&paths);
    let run = spinney::GroupBuilder::<u8>::new()
        .name("target")
        .run(async move |g| {
            let note = move || {
                let path = current::group_path().unwrap().to_string();
                noted.lock().unwrap().push(path);
            };
            spinney::GroupBuilder::<u8>::new()
                .name("starter")
                .run(async |_| {
                    let started = g.start(async move |ready| {
                        note();
                        ready.set(());
                        note();
                    });
                    started.await.unwrap();
                    Ok(())
                })
                .await
                .unwrap();
            Ok(())
        });
    runtime.block_on(run).unwrap();
    assert_eq!(*paths.lock().unwrap(), ["target", "target"]);
}

/// A child that has not answered yet and is in a shield runs to the end of the shield, although its
/// starter was cut; the group joins it.
#[test]
fn a_child_in_a_shield_outlives_its_starter() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let done = Arc::new(AtomicUsize::new(0));
        runtime.block_on(group(async |g| {
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let (release, released) = async_channel::bounded::<()>(1);
            let count = Arc::clone(&done);
            let starter = g.spawn(async move {
                let started = g.start(async move |ready: Ready<u8>| {
                    shield(async {
                        begun.send(()).await.unwrap();
                        released.recv().await.unwrap();
                        count.fetch_add(1, SeqCst);
                        // The starter does not wait for it any more.
                        ready.set(1);
                    })
                    .await;
                    pending::<()>().await;
                    count.fetch_add(100, SeqCst);
                });
                let _ = started.await;
            });
            has_begun.recv().await.unwrap();
            assert!(starter.cancel().await.is_none());
            assert_eq!(done.load(SeqCst), 0);
            release.send(()).await.unwrap();
        }));
        assert_eq!(done.load(SeqCst), 1);
    });
}

/// A `Ready` is a value: it may be set from another task, and without a waiter its value is
/// dropped.
#[test]
fn a_ready_may_be_sent_elsewhere() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let value = g.start(async move |ready: Ready<u32>| {
                g.spawn(async move { ready.set(5) }).await;
            });
            assert_eq!(value.await.unwrap(), 5);
        }));
    });
}

/// A forgotten start leaves its child alone, which runs on and is joined.
#[test]
fn a_forgotten_start_hangs_nobody() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        runtime.block_on(group(async move |g| {
            std::mem::forget(g.start(async move |ready| {
                ready.set(String::from("lost"));
                count.fetch_add(1, SeqCst);
            }));
        }));
        assert_eq!(done.load(SeqCst), 1);
    });
}

/// Polled by something that is no task of ours, too.
#[test]
fn a_start_is_polled_by_another_executor() {
    let value = futures_lite::future::block_on(group(async |g| {
        let mut start = Box::pin(g.start(async |ready| {
            spinney::yield_now().await;
            ready.set(6);
        }));
        let first = poll_alone(start.as_mut());
        match first {
            Poll::Ready(value) => value.unwrap(),
            Poll::Pending => start.await.unwrap(),
        }
    }));
    assert_eq!(value, 6);
}

/// Nothing of the handshake depends on time.
#[test]
fn a_start_may_have_a_timeout() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let alive = Arc::new(());
        let child = Arc::clone(&alive);
        runtime.block_on(group(async |g| {
            let start = g.start(async move |ready: Ready<()>| {
                let (_ready, _child) = (ready, child);
                pending::<()>().await
            });
            let mut limited = pin!(spinney::timeout(durations::SECOND, start));
            assert!(once(limited.as_mut()).await.is_pending());
            clock.advance(durations::SECOND);
            assert!(limited.await.is_err());
        }));
        assert_eq!(Arc::strong_count(&alive), 1);
        runtime.shutdown(NEVER).unwrap();
    });
}
