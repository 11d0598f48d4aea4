//! No islands: futures of other libraries are children, and groups run on other executors.

use spinney::{Group, block_on, group, try_group, yield_now};
use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Waker};

#[test]
fn futures_of_other_libraries_are_children() {
    let sum = block_on(group(async |g| {
        let (sender, receiver) = async_channel::bounded::<u32>(1);
        g.spawn(async move {
            for number in 0..100 {
                sender.send(number).await.unwrap();
            }
        });
        let mut sum = 0;
        while let Ok(number) = receiver.recv().await {
            sum += number;
        }
        sum
    }));
    assert_eq!(sum, 4950);
}

#[test]
fn a_group_runs_on_another_executor() {
    let value = futures_lite::future::block_on(group(async |g| {
        let one = g.spawn(async { Ok(1) });
        let two = g.spawn(async {
            futures_lite::future::yield_now().await;
            Ok(2)
        });
        one.await + two.await
    }));
    assert_eq!(value, 3);
}

/// A group that is polled by another executor, and dropped there, cuts its children, also at once.
#[test]
fn a_group_that_another_executor_drops_cuts_its_children() {
    for polls in 0..3 {
        let alive = Arc::new(());
        let children = Arc::clone(&alive);
        let runtime = spinney::Runtime::builder().workers(1).build().unwrap();
        let entered = runtime.enter();
        let mut open = Box::pin(group(async move |g| {
            for _ in 0..3 {
                let child = Arc::clone(&children);
                g.spawn(async move {
                    let _child = child;
                    pending::<()>().await
                });
                yield_now().await;
            }
        }));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            assert!(open.as_mut().poll(&mut cx).is_pending());
        }
        drop(open);
        drop(entered);
        // The runtime joins them.
        runtime.shutdown(std::time::Duration::ZERO).unwrap();
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}

/// A group joins a child that came through its handle; when the group fails, that child is cut.
#[test]
fn what_came_through_a_handle_is_joined_or_cut() {
    for fails in [false, true] {
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        let (release, released) = async_channel::bounded::<()>(1);
        // The channel stays open, so that only the cut can end the child that came through the
        // handle.
        let _open = release.clone();
        let result = block_on(try_group(async move |g: Group<'_, '_, u8>| {
            let handle = g.handle();
            let poster = std::thread::spawn(move || {
                let posted = handle.spawn(async move {
                    released.recv().await.unwrap();
                    count.fetch_add(1, SeqCst);
                });
                posted.is_ok()
            });
            assert!(poster.join().unwrap());
            if fails {
                g.spawn(async move {
                    let _release = release;
                    pending::<()>().await
                });
                return Err(1);
            }
            g.spawn(async move { release.send(()).await.unwrap() });
            Ok(())
        }));
        assert_eq!(result.is_err(), fails);
        assert_eq!(done.load(SeqCst), usize::from(!fails));
    }
}
