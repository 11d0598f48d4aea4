//! `unless_stopping`: a stop gives a future up, and loses nothing.

use crate::common::drops::Alive;
use crate::common::hangs::without_hanging;
use crate::common::polls::once;
use crate::common::runtimes::workers;
use spinney::{Group, group, try_group, yield_now};
use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

#[test]
fn a_stop_wakes_and_drops_the_future() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let alive = Arc::new(AtomicUsize::new(0));
        let theirs = Arc::clone(&alive);
        runtime.block_on(group(async |g| {
            let held = Alive::new(&theirs);
            let mut waits = Box::pin(g.unless_stopping(async move {
                let _held = held;
                pending::<()>().await
            }));
            assert!(once(waits.as_mut()).await.is_pending());
            let child = g.spawn(async move { g.stop() });
            assert_eq!(waits.as_mut().await, None);
            assert_eq!(theirs.load(SeqCst), 0, "dropped before it is ready");
            child.await;
        }));
    });
}

/// A group that is stopping does not poll it: a loop over what is always ready ends.
#[test]
fn what_is_always_ready_is_not_begun_after_the_stop() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(group(async |g| {
            let mut taken = 0;
            while let Some(one) = g.unless_stopping(ready(1)).await {
                taken += one;
                if taken == 1000 {
                    g.stop();
                }
            }
            assert_eq!(taken, 1000);
            let polled = g.unless_stopping(poll_fn(|_| -> Poll<()> { panic!("polled") }));
            assert_eq!(polled.await, None);
        }));
    });
}

/// A value that comes with the stop is not lost.
#[test]
fn a_value_that_is_ready_with_the_stop_wins() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(group(async |g| {
            let (sender, receiver) = async_channel::bounded(1);
            let mut waits = pin!(g.unless_stopping(receiver.recv()));
            assert!(once(waits.as_mut()).await.is_pending());
            sender.try_send(7).unwrap();
            g.stop();
            assert_eq!(waits.await, Some(Ok(7)));
        }));
    });
}

/// A stop of a group outside reaches it, and so does a cancel.
#[test]
fn a_stop_from_outside_and_a_cancel() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(group(async |g| {
            g.group(async |inner| {
                let mut waits = pin!(inner.unless_stopping(pending::<()>()));
                assert!(once(waits.as_mut()).await.is_pending());
                g.stop();
                assert_eq!(waits.await, None);
            })
            .await;
        }));
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            g.cancel(1);
            assert_eq!(g.unless_stopping(pending::<()>()).await, None);
            yield_now().await;
            unreachable!("the body is cut");
        }));
        let _: Result<(), _> = result.map_err(|errors| assert_eq!(errors.into_first(), 1));
    });
}
