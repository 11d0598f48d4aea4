//! Shields and cleanup: code inside one is not cut, and the cut is only put off.

use crate::common::drops::on_drop;
use crate::common::durations::SECOND;
use crate::common::hangs::without_hanging;
use crate::common::polls::{once, until};
use crate::common::runtimes::{clocked, workers};
use spinney::{Group, current, group, shield, sleep, try_group, yield_now};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// In a shield awaits succeed, also in a second one that is raised while the cut is pending; the
/// cut lands after it.
#[test]
fn inside_a_shield_awaits_succeed_and_the_cut_lands_after_it() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let steps = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&steps);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            g.spawn(async move {
                shield(async {
                    begun.send(()).await.unwrap();
                    until(|| g.is_stopping()).await;
                    for _ in 0..10 {
                        yield_now().await;
                        count.fetch_add(1, SeqCst);
                    }
                })
                .await;
                shield(async {
                    yield_now().await;
                    count.fetch_add(100, SeqCst);
                })
                .await;
                yield_now().await;
                count.fetch_add(1_000, SeqCst);
            });
            has_begun.recv().await.unwrap();
            Err::<(), u8>(1)
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        assert_eq!(steps.load(SeqCst), 110);
    });
}

/// A shield does not protect a group inside it from the group's own cancel.
#[test]
fn a_shield_protects_no_group_inside_it_from_its_own_cancel() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let alive = Arc::new(());
        let child = Arc::clone(&alive);
        let result = runtime.block_on(shield(try_group(async move |g: Group<'_, '_, u8>| {
            g.spawn(async move {
                let _child = child;
                pending::<()>().await
            });
            g.cancel(2);
            pending::<Result<(), u8>>().await
        })));
        assert_eq!(result.unwrap_err().into_first(), 2);
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// A defer may await, spawn and open groups after a cancel; so may a shield in its place.
#[test]
fn cleanup_after_a_cancel_runs_to_its_end() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let order = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&order);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            for name in ["first", "second"] {
                let noted = Arc::clone(&noted);
                g.defer(async move {
                    yield_now().await;
                    let value = group(async |h| {
                        let child = h.spawn(async move {
                            yield_now().await;
                            Ok(name)
                        });
                        child.await
                    });
                    let value = value.await;
                    noted.lock().unwrap().push(value);
                });
            }
            let child = Arc::clone(&noted);
            let last = on_drop(move || child.lock().unwrap().push("child"));
            g.spawn(async move {
                let _last = last;
                pending::<()>().await
            });
            g.cancel(3);
            pending::<Result<(), u8>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), 3);
        // After the children, newest first.
        assert_eq!(*order.lock().unwrap(), ["child", "second", "first"]);
    });
}

/// The group around it has ended, and the next one outwards is cancelled; but it is still polled in
/// the cleanup.
#[test]
fn a_group_that_outlives_its_parent_in_a_cleanup_is_not_cut() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let value = Arc::new(AtomicUsize::new(0));
        let noted = Arc::clone(&value);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            g.defer(async move {
                let outlives = group(async |_| {
                    let mut outlives: Pin<Box<dyn Future<Output = usize> + Send>> =
                        Box::pin(group(async |_| {
                            yield_now().await;
                            7
                        }));
                    assert!(once(outlives.as_mut()).await.is_pending());
                    Some(outlives)
                });
                noted.store(outlives.await.unwrap().await, SeqCst);
            });
            Err::<(), _>(1)
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        assert_eq!(value.load(SeqCst), 7);
    });
}

/// A group that is opened inside is not cancelled and does not stop for the outer cancel, but the
/// code inside can see it; a shield around a spawn alone protects no child.
#[test]
fn inside_a_shield_children_live_and_the_cancel_can_be_seen() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        let done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&done);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            g.deadline(SECOND, 1);
            let limit = current::deadline();
            assert_eq!(limit, Some(clock.now() + SECOND));
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let time = clock.clone();
            g.spawn(async move {
                assert!(!current::is_cancelled());
                shield(async {
                    begun.send(()).await.unwrap();
                    until(|| g.is_stopping()).await;
                    // The true state, so that cleanup can hurry; and the limit that it had.
                    assert!(current::is_cancelled() && current::is_stopping());
                    assert_eq!(current::deadline(), limit);
                    // Born cancelled: the group that it belongs to is.
                    let polled = AtomicBool::new(false);
                    let polled = Arc::new(polled);
                    let seen = Arc::clone(&polled);
                    g.spawn(async move { seen.store(true, SeqCst) });
                    assert_eq!(Arc::strong_count(&polled), 1);
                    assert!(!polled.load(SeqCst));
                    let value = group(async |h| {
                        assert!(!current::is_cancelled() && !h.is_stopping());
                        // It counts from here.
                        let nap = sleep(SECOND);
                        let child = h.spawn(async {
                            assert!(!current::is_cancelled());
                            nap.await;
                            Ok(5)
                        });
                        time.advance(SECOND);
                        time.advance(SECOND);
                        let mut told = std::pin::pin!(h.stopping());
                        let value = child.await;
                        assert!(once(told.as_mut()).await.is_pending());
                        value
                    });
                    assert_eq!(value.await, 5);
                    flag.store(true, SeqCst);
                })
                .await;
            });
            has_begun.recv().await.unwrap();
            clock.advance(SECOND);
            pending::<Result<(), u8>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        assert!(done.load(SeqCst));
    });
}

/// The nearest thing to a shield that is switched off is one whose future is dropped.
#[test]
fn a_shield_that_is_dropped_holds_nothing_any_more() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        let alive = Arc::new(());
        let child = Arc::clone(&alive);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            let (gone, is_gone) = async_channel::bounded::<()>(1);
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            g.spawn(async move {
                let _child = child;
                let stubborn = shield(async {
                    begun.send(()).await.unwrap();
                    pending::<()>().await
                });
                // The limit of a shield is a timeout around it.
                assert!(spinney::timeout(SECOND, stubborn).await.is_err());
                gone.send(()).await.unwrap();
                pending::<()>().await;
            });
            has_begun.recv().await.unwrap();
            clock.advance(SECOND);
            is_gone.recv().await.unwrap();
            g.cancel(4);
            Ok(())
        }));
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), (4, 1));
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// The same while the task is being cut: the cut lands, though the poll had reached the shield.
#[test]
fn a_shield_that_is_dropped_in_a_cut_lets_the_cut_land() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        let alive = Arc::new(());
        let child = Arc::clone(&alive);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let after = Arc::new(AtomicBool::new(false));
            let reached = Arc::clone(&after);
            g.spawn(async move {
                let _child = child;
                let stubborn = shield(async {
                    begun.send(()).await.unwrap();
                    pending::<()>().await
                });
                // The limit of a shield is a timeout around it.
                assert!(spinney::timeout(SECOND, stubborn).await.is_err());
                reached.store(true, SeqCst);
                // Here, in the same poll, the cut lands.
                pending::<()>().await;
            });
            has_begun.recv().await.unwrap();
            g.defer(async move { assert!(after.load(SeqCst)) });
            // When its siblings are gone, it has been told of the cut, too.
            let both = Arc::new(on_drop(move || clock.advance(SECOND)));
            for _ in 0..2 {
                let both = Arc::clone(&both);
                g.spawn(async move {
                    let _both = both;
                    pending::<()>().await
                });
            }
            drop(both);
            for _ in 0..10 {
                yield_now().await;
            }
            g.cancel(4);
            Ok(())
        }));
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), (4, 1));
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}
