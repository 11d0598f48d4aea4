//! Whatever is forgotten: nothing hangs, no child is lost, it is counted while it is there, and a
//! shutdown ends the rest.

use crate::common::drops;
use crate::common::durations::NOW;
use crate::common::hangs::without_hanging;
use crate::common::polls::{once, poll_alone, until};
use crate::common::runtimes::workers;
use spinney::{
    Group, Ready, Runtime, Yielder, group, shield, sleep, timeout, try_group, yield_now,
};
use std::future::{Future, pending};
use std::mem::forget;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);

type Open<'s> = Group<'s, 'static, &'static str>;

/// Tasks, groups and timers that are alive.
fn live(runtime: &Runtime) -> [u64; 3] {
    let now = runtime.metrics();
    [now.live_tasks, now.live_groups, now.live_timers]
}

/// Runs `body` in a group with a guard for its children; when the group has ended no child holds
/// the guard any more, and so many groups and timers are still alive, which were forgotten.
fn in_a_group(groups: u64, timers: u64, body: impl AsyncFnOnce(Open<'_>, &Arc<()>)) {
    let (runtime, seen) = workers(2);
    let guard = Arc::new(());
    let result = runtime.block_on(try_group(async |g: Open<'_>| {
        body(g, &guard).await;
        Ok(())
    }));
    assert!(result.is_ok());
    assert_eq!(Arc::strong_count(&guard), 1, "a child is left");
    assert_eq!(live(&runtime), [0, groups, timers]);
    assert_eq!(seen.texts(), [""; 0]);
    runtime.shutdown(NOW).unwrap();
    assert_eq!(live(&runtime), [0, groups, timers]);
}

/// A child that yields a few times and holds the guard until it ends.
fn child<E>(guard: &Arc<()>) -> impl Future<Output = Result<u8, E>> + Send + 'static {
    let guard = Arc::clone(guard);
    async move {
        for _ in 0..10 {
            yield_now().await;
        }
        drop(guard);
        Ok(1)
    }
}

#[test]
fn handles_of_children() {
    without_hanging(|| {
        in_a_group(0, 0, async |g, guard| {
            forget(g.spawn(child(guard)));
            forget(g.spawn(child(guard)).cancel());
            forget(g.supervise(child(guard)));
            forget(g.supervise(child(guard)).cancel());
            forget(g.service(child(guard)));
            forget(g.handle());
            let mut polled = g.spawn(child(guard));
            let _ = once(Pin::new(&mut polled)).await;
            forget(polled);
        });
    });
}

#[test]
fn sets_streams_starts_and_places() {
    without_hanging(|| {
        in_a_group(0, 0, async |g, guard| {
            let mut set = g.set();
            set.spawn(child(guard));
            set.spawn(child(guard));
            assert!(matches!(set.next().await, Some(Ok(1))));
            forget(set);

            let held = Arc::clone(guard);
            let mut numbers = g.stream(async move |mut out: Yielder<u8>| {
                let _held = held;
                out.send(1).await;
                out.send(2).await;
                Ok(())
            });
            assert_eq!(numbers.next().await, Some(1));
            assert_eq!(numbers.next().await, Some(2));
            forget(numbers);

            let ready = child(guard);
            let mut start = pin!(g.start(async |told: Ready<u8>| {
                yield_now().await;
                told.set(2);
                ready.await
            }));
            let _ = once(start.as_mut()).await;

            let bounded = g.bounded(1);
            let first = bounded.spawn(child(guard)).await;
            forget(first);
            let mut queued = Box::pin(bounded.spawn(child(guard)));
            let _ = once(queued.as_mut()).await;
            forget(bounded);
            drop(queued);
        });
    });
}

/// A start that is forgotten is no starter any more: its child runs on, in the group.
#[test]
fn a_start_that_waits() {
    without_hanging(|| {
        in_a_group(0, 0, async |g, guard| {
            let ready = child(guard);
            let mut start = Box::pin(g.start(async |told: Ready<u8>| {
                yield_now().await;
                told.set(2);
                ready.await
            }));
            let _ = once(start.as_mut()).await;
            forget(start);
        });
    });
}

#[test]
fn leaves() {
    without_hanging(|| {
        in_a_group(0, 2, async |g, guard| {
            // No timer is set for what never comes.
            for (shielded, late) in [(false, Duration::MAX), (true, HOUR)] {
                let mut asleep = Box::pin(sleep(late));
                let mut timed = Box::pin(timeout(late, pending::<()>()));
                let mut stopping = Box::pin(g.stopping());
                let mut held = Box::pin(shield(yield_now()));
                assert!(once(asleep.as_mut()).await.is_pending());
                assert!(once(timed.as_mut()).await.is_pending());
                assert!(once(stopping.as_mut()).await.is_pending());
                if shielded {
                    assert!(once(held.as_mut()).await.is_pending());
                }
                forget((asleep, timed, stopping, held));
            }
            let _ = child::<()>(guard).await;
        });
    });
}

/// The children of a forgotten group belong to the group around it, which joins them.
#[test]
fn a_group_inside_another() {
    without_hanging(|| {
        in_a_group(1, 0, async |g, guard| {
            let child = child(guard);
            let mut inner = Box::pin(g.group(async |inner| {
                inner.spawn(async { child.await.map(drop) });
                pending::<()>().await
            }));
            assert!(once(inner.as_mut()).await.is_pending());
            forget(inner);
        });
    });
}

/// A failure in a forgotten group cancels that group and nothing else; no owner will ever receive
/// it.
#[test]
fn a_failure_in_a_forgotten_group_is_lost_with_it() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let ended = Arc::new(AtomicBool::new(false));
        runtime.block_on(group(async |outer| {
            let seen = Arc::clone(&ended);
            let (forgotten, is_forgotten) = async_channel::bounded::<()>(1);
            let mut inner = Box::pin(outer.try_group(async move |g: Group<'_, '_, &str>| {
                g.spawn(async move {
                    is_forgotten.recv().await.unwrap();
                    Err::<(), _>("nobody asks")
                });
                let ended = drops::on_drop(move || seen.store(true, SeqCst));
                g.spawn(async move {
                    let _ended = ended;
                    pending::<Result<(), &str>>().await
                });
                pending::<Result<(), &str>>().await
            }));
            assert!(once(inner.as_mut()).await.is_pending());
            forget(inner);
            forgotten.send(()).await.unwrap();
            until(|| ended.load(SeqCst)).await;
        }));
        assert_eq!(live(&runtime), [0, 1, 0]);
        runtime.shutdown(NOW).unwrap();
    });
}

/// What never ends by itself is counted until the shutdown, which cancels it. The groups are there
/// for good.
#[test]
fn groups_without_a_parent() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let entered = runtime.enter();
        let guard = Arc::new(());
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let (guard, begun) = (Arc::clone(&guard), Arc::clone(&begun));
            let mut open = Box::pin(group(async move |g| {
                for _ in 0..2 {
                    let (guard, begun) = (Arc::clone(&guard), Arc::clone(&begun));
                    g.spawn(async move {
                        let _guard = guard;
                        begun.fetch_add(1, SeqCst);
                        pending::<Result<(), _>>().await
                    });
                }
            }));
            assert!(poll_alone(open.as_mut()).is_pending());
            forget(open);
        }
        while begun.load(SeqCst) < 6 {
            std::thread::yield_now();
        }
        drop(entered);
        assert_eq!(Arc::strong_count(&guard), 1 + 6);
        assert_eq!(live(&runtime), [6, 3, 0]);
        runtime.shutdown(NOW).unwrap();
        assert_eq!(Arc::strong_count(&guard), 1);
        assert_eq!(live(&runtime), [0, 3, 0]);
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// The same for children whose handle, set or stream was forgotten with the group.
#[test]
fn what_its_body_forgot() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let guard = Arc::new(());
        let theirs = Arc::clone(&guard);
        let mut open = Box::pin(try_group(async move |g: Open<'_>| {
            let child = || {
                let guard = Arc::clone(&theirs);
                async move {
                    let _guard = guard;
                    pending::<Result<(), _>>().await
                }
            };
            forget(g.spawn(child()));
            forget(g.supervise(child()));
            forget(g.service(child()));
            let mut set = g.set();
            set.spawn(child());
            set.spawn(child());
            forget(set);
            let streamed = child();
            forget(g.stream(async move |_: Yielder<u8>| streamed.await));
            let started = child();
            let mut start = Box::pin(g.start(async move |_: Ready<u8>| started.await));
            assert!(once(start.as_mut()).await.is_pending());
            forget(start);
            Ok(())
        }));
        {
            let _entered = runtime.enter();
            assert!(poll_alone(open.as_mut()).is_pending());
        }
        forget(open);
        // The closer, which is to end the service, comes when the work has ended.
        assert_eq!(live(&runtime), [7, 1, 0]);
        runtime.shutdown(NOW).unwrap();
        assert_eq!(Arc::strong_count(&guard), 1);
        assert_eq!(live(&runtime), [0, 1, 0]);
        assert_eq!(seen.texts(), [""; 0]);
    });
}
