//! Depth costs heap, never stack: a million groups below each other, on worker stacks of 256 KiB.

use spinney::{Group, Runtime, group, try_group};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
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

/// Case 76, with two hundred times as many.
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
    runtime.shutdown(Duration::ZERO).unwrap();
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
    // Here the user's own futures recurse when they are polled, so the stack is that of a default worker.
    let runtime = Runtime::builder()
        .workers(2)
        .stack_size(8 << 20)
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
