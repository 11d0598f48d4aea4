//! Sync calls async and async calls sync, on any thread, nested at will.

use spinney::{Runtime, Wait, block_on, group, scope, yield_now};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

#[test]
fn sync_calls_async_on_a_plain_thread() {
    assert_eq!(group(async |g| g.spawn(async { Ok(2) }).await).wait(), 2);
}

/// Case 191.
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

/// Case 192.
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
