//! Depth costs heap, never stack: a million groups below each other, on worker stacks of 256 KiB.

use spinney::{Group, Runtime, Wait, group, scope, try_group};
use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

const LEVELS: usize = 1_000_000;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn small_stacks() -> Runtime {
    Runtime::builder()
        .workers(2)
        .stack_size(256 << 10)
        .build()
        .unwrap()
}

/// Each level is a child of the one above.
fn chain(left: usize, bottom: Arc<AtomicUsize>, ends: bool) -> Boxed<()> {
    Box::pin(async move {
        if left == 0 {
            bottom.fetch_add(1, SeqCst);
            if !ends {
                pending::<()>().await;
            }
            return;
        }
        group(async move |g| g.spawn(chain(left - 1, bottom, ends)).await).await;
    })
}

/// Each level is inside the task of the one above.
fn nest(left: usize, bottom: Arc<AtomicUsize>, ends: bool) -> Boxed<()> {
    Box::pin(async move {
        if left == 0 {
            bottom.fetch_add(1, SeqCst);
            if !ends {
                pending::<()>().await;
            }
            return;
        }
        group(async move |_| nest(left - 1, bottom, ends).await).await;
    })
}

async fn reached(bottom: &AtomicUsize) {
    while bottom.load(SeqCst) == 0 {
        spinney::yield_now().await;
    }
}

#[test]
fn a_million_levels_finish() {
    let runtime = small_stacks();
    let bottom = Arc::new(AtomicUsize::new(0));
    runtime.block_on(group(async |g| {
        g.spawn(chain(LEVELS, Arc::clone(&bottom), true));
    }));
    assert_eq!(bottom.load(SeqCst), 1);
}

/// A cancel of the root reaches a million levels of groups, on small stacks.
#[test]
fn a_million_levels_are_cancelled_at_the_root() {
    let runtime = small_stacks();
    let bottom = Arc::new(AtomicUsize::new(0));
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
        g.spawn(chain(LEVELS, Arc::clone(&bottom), false));
        reached(&bottom).await;
        Err::<(), _>(1)
    }));
    assert_eq!(result.unwrap_err().into_first(), 1);
    assert_eq!(Arc::strong_count(&bottom), 1);
}

#[test]
fn a_million_levels_are_shut_down() {
    let runtime = small_stacks();
    let bottom = Arc::new(AtomicUsize::new(0));
    let mut outer = Box::pin(group(async |g| {
        g.spawn(chain(LEVELS, Arc::clone(&bottom), false));
        pending::<()>().await
    }));
    runtime.block_on(async {
        std::future::poll_fn(|cx| {
            assert!(outer.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        reached(&bottom).await;
    });
    // On a machine on which the workers do not run for a while, the tasks that are left are called
    // stragglers: then once more.
    while runtime.shutdown(Duration::ZERO).is_err() {}
    drop(outer);
    assert_eq!(Arc::strong_count(&bottom), 1);
}

#[test]
fn a_million_levels_are_dropped_early() {
    let runtime = small_stacks();
    let bottom = Arc::new(AtomicUsize::new(0));
    runtime.block_on(group(async |_| {
        let mut inner = Box::pin(group(async |g| {
            g.spawn(chain(LEVELS, Arc::clone(&bottom), false));
            pending::<()>().await
        }));
        std::future::poll_fn(|cx| {
            let _ = inner.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
        reached(&bottom).await;
        drop(inner);
    }));
    assert_eq!(Arc::strong_count(&bottom), 1);
}

#[test]
fn a_thousand_levels_inside_one_task() {
    // Here the user's own futures recurse when they are polled. An optimised build needs less than
    // 8 MiB. The caller has less.
    let runtime = Runtime::builder()
        .workers(2)
        .stack_size(64 << 20)
        .callers_take_part(false)
        .build()
        .unwrap();
    let bottom = Arc::new(AtomicUsize::new(0));
    runtime.block_on(group(async |g| {
        g.spawn(nest(1_000, Arc::clone(&bottom), true));
    }));
    assert_eq!(bottom.load(SeqCst), 1);
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
        g.spawn(nest(1_000, Arc::clone(&bottom), false));
        while bottom.load(SeqCst) < 2 {
            spinney::yield_now().await;
        }
        Err::<(), _>(1)
    }));
    assert_eq!(result.unwrap_err().into_first(), 1);
    assert_eq!(Arc::strong_count(&bottom), 1);
}

/// Scopes and waits that nest like calls run like calls: a caller that blocks runs its own children
/// in place, so each stack is as deep as the tree has levels, whatever the number of scopes.
#[test]
fn a_tree_of_blocking_scopes_is_as_deep_as_its_levels() {
    const LEVELS: usize = 14;

    thread_local!(static DEPTH: Cell<usize> = const { Cell::new(0) });

    /// Counts how many calls are on this stack.
    fn on_the_stack<R>(deepest: &AtomicUsize, f: impl FnOnce() -> R) -> R {
        let depth = DEPTH.get() + 1;
        DEPTH.set(depth);
        deepest.fetch_max(depth, Relaxed);
        let value = f();
        DEPTH.set(depth - 1);
        value
    }

    fn leaves(level: usize, deepest: &AtomicUsize, by_handle: bool) -> usize {
        on_the_stack(deepest, || {
            if level == 0 {
                return 1;
            }
            let mut left = 0;
            let right = if by_handle {
                scope(|s| {
                    let left = s.spawn(async { Ok(leaves(level - 1, deepest, true)) });
                    leaves(level - 1, deepest, true) + left.wait()
                })
            } else {
                scope(|s| {
                    s.spawn(async { left = leaves(level - 1, deepest, false) });
                    leaves(level - 1, deepest, false)
                })
            };
            left + right
        })
    }

    for workers in [1, 2] {
        let runtime = Runtime::builder()
            .workers(workers)
            .stack_size(1 << 20)
            .build()
            .unwrap();
        for by_handle in [false, true] {
            let sum = runtime.block_on(group(async move |g| {
                let deepest = g.keep(AtomicUsize::new(0));
                let sum = g.spawn(async move { Ok(leaves(LEVELS, deepest, by_handle)) });
                (sum.await, deepest.load(Relaxed))
            }));
            assert_eq!(sum, (1 << LEVELS, LEVELS + 1));
        }
        runtime.shutdown(Duration::ZERO).unwrap();
    }
}
