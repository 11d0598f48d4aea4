//! Sync calls async and async calls sync, on any thread, nested at will.

use crate::common::hangs::without_hanging;
use crate::common::polls::wait_until;
use spinney::{Runtime, Wait, block_on, group, scope, yield_now};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

#[test]
fn sync_calls_async_on_a_plain_thread() {
    assert_eq!(group(async |g| g.spawn(async { Ok(2) }).await).wait(), 2);
}

/// A task blocks the only worker in a wait for a group whose child has to run.
#[test]
fn sync_calls_async_inside_a_task_of_a_runtime_with_one_worker() {
    for _ in 0..50 {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let value = runtime.block_on(group(async |g| {
            g.spawn(async {
                // Blocks the one worker; the work needs another task.
                Ok(group(async |h| {
                    h.spawn(async {
                        yield_now().await;
                        Ok(3)
                    })
                    .await
                })
                .wait())
            })
            .await
        }));
        assert_eq!(value, 3);
        runtime.shutdown(std::time::Duration::from_secs(5)).unwrap();
    }
}

/// Waits nest four deep, each with a timer and a group.
#[test]
fn waits_nest_four_deep() {
    fn deep(left: usize) -> usize {
        if left == 0 {
            return 0;
        }
        spinney::sleep(std::time::Duration::from_millis(1)).wait();
        group(async move |g| g.spawn(async move { Ok(deep(left - 1) + 1) }).await).wait()
    }
    assert_eq!(deep(4), 4);
}

#[test]
fn a_scope_on_a_worker_joins_its_children() {
    let count = AtomicUsize::new(0);
    block_on(group(async |g| {
        let ran = g
            .spawn(async {
                let inner = AtomicUsize::new(0);
                scope(|s| {
                    for _ in 0..10 {
                        s.spawn(async {
                            inner.fetch_add(1, SeqCst);
                        });
                    }
                });
                Ok(inner.load(SeqCst))
            })
            .await;
        count.store(ran, SeqCst);
    }));
    assert_eq!(count.load(SeqCst), 10);
}

#[test]
fn a_worker_of_one_runtime_waits_for_another() {
    static B: OnceLock<Runtime> = OnceLock::new();
    let a = Runtime::builder().workers(1).build().unwrap();
    B.get_or_init(|| Runtime::builder().workers(1).build().unwrap());
    let value = a.block_on(group(async |g| {
        g.spawn(async {
            let b = B.get().unwrap();
            Ok(b.block_on(group(async |h| h.spawn(async { Ok(4) }).await)))
        })
        .await
    }));
    assert_eq!(value, 4);
}

/// A blocked caller runs its children only while it waits for them: one whose body has just
/// received from a child, and now waits for something else, would run a new child that waits for
/// the body.
#[test]
fn a_caller_that_has_received_from_a_child_runs_no_other() {
    without_hanging(|| {
        let runtime = Arc::new(Runtime::builder().workers(1).build().unwrap());
        for _ in 0..20 {
            let mine = Arc::clone(&runtime);
            runtime.block_on(group(async move |g| {
                let parks = || mine.metrics().parks;
                wait_until(|| parks() > 0);
                let before = parks();
                let ended = g.spawn(async {});
                // Without a suspension: the caller has not slept so far. The worker has, so it is
                // not there at once.
                wait_until(|| parks() > before);
                ended.await;
                let (started, has_started) = async_channel::bounded(1);
                let (go, gone) = std::sync::mpsc::channel::<()>();
                g.spawn(async move {
                    started.try_send(()).unwrap();
                    let _ = gone.recv();
                });
                has_started.recv().await.unwrap();
                drop(go);
            }));
        }
    });
}
