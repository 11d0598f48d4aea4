//! A cancel reaches every task below, once, wherever it is: suspended, running, not begun, joining.

use crate::common::drops::{Alive, never};
use crate::common::hangs::without_hanging;
use crate::common::polls::until;
use crate::common::runtimes::{one_by_one, workers};
use spinney::{Group, current, group, shield, try_group, yield_now};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;

/// A suspended child is woken by the cancel and cut; one that suspends later is cut there.
#[test]
fn suspended_and_running_children_are_cut() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let went_on = AtomicBool::new(false);
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
                let (inside, begun) = async_channel::bounded::<()>(1);
                let (held, suspended) = (inside.clone(), never(&alive));
                g.spawn(async move {
                    drop(held);
                    suspended.await
                });
                let (reached, running) = (g.keep(AtomicBool::new(false)), never(&alive));
                g.spawn(async move {
                    drop(inside);
                    while !current::is_cancelled() {
                        thread::yield_now();
                    }
                    running.await;
                    reached.store(true, SeqCst);
                });
                begun.recv().await.unwrap_err();
                g.cancel(1);
                until(|| reached.load(SeqCst)).await;
                went_on.store(true, SeqCst);
                Ok(())
            }));
            assert_eq!(result.unwrap_err().into_first(), 1);
            assert_eq!(alive.load(SeqCst), 0);
            assert!(!went_on.load(SeqCst));
        }
    });
}

/// No task below runs again, three groups deep.
#[test]
fn nobody_below_runs_again() {
    fn deep(left: u32, polls: Arc<AtomicUsize>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            group(async move |g| {
                let own = Arc::clone(&polls);
                g.spawn(async move {
                    loop {
                        own.fetch_add(1, SeqCst);
                        yield_now().await;
                    }
                });
                if left > 0 {
                    g.spawn(deep(left - 1, polls));
                }
            })
            .await
        })
    }
    without_hanging(|| {
        // One worker: what comes after the cancel comes after it.
        let (runtime, _) = one_by_one();
        for _ in 0..20 {
            let polls = Arc::new(AtomicUsize::new(0));
            let at_cancel = Arc::new(AtomicUsize::new(0));
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
                g.spawn(deep(2, Arc::clone(&polls)));
                let (polls, at_cancel) = (Arc::clone(&polls), Arc::clone(&at_cancel));
                g.spawn(async move {
                    until(|| polls.load(SeqCst) > 100).await;
                    g.cancel(1);
                    at_cancel.store(polls.load(SeqCst), SeqCst);
                });
                pending::<Result<(), _>>().await
            }));
            assert_eq!(result.unwrap_err().into_first(), 1);
            assert_eq!(polls.load(SeqCst), at_cancel.load(SeqCst));
            assert_eq!(Arc::strong_count(&polls), 1);
        }
    });
}

/// A group that already joins is cancelled all the same, from inside and from outside.
#[test]
fn a_cancel_reaches_a_group_that_joins() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        let joining = |alive: Arc<AtomicUsize>, cancels: bool| {
            let (in_body, ended) = async_channel::bounded::<()>(1);
            let joined = ended.clone();
            let joins = try_group(async move |g: Group<'_, '_, u8>| {
                let _in_body = in_body;
                g.spawn(never(&alive));
                g.spawn(async move {
                    ended.recv().await.unwrap_err();
                    if cancels {
                        g.cancel(1);
                    }
                    pending::<()>().await
                });
                Ok(())
            });
            (joins, joined)
        };
        let (joins, _) = joining(Arc::clone(&alive), true);
        assert_eq!(runtime.block_on(joins).unwrap_err().into_first(), 1);
        assert_eq!(alive.load(SeqCst), 0);
        let (joins, joined) = joining(Arc::clone(&alive), false);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            g.spawn(async move {
                let _ = joins.await;
            });
            joined.recv().await.unwrap_err();
            Err::<(), _>(2)
        }));
        assert_eq!(result.unwrap_err().into_first(), 2);
        assert_eq!(alive.load(SeqCst), 0);
    });
}

/// A child that is cancelled before its first poll is never polled, its captures are dropped, and
/// it has no value.
#[test]
fn a_child_that_had_not_begun_never_begins() {
    without_hanging(|| {
        let (runtime, _) = one_by_one();
        let captured = Arc::new(());
        runtime.block_on(group(async |g| {
            let (started, has_started) = async_channel::bounded::<()>(1);
            let (go, gone) = mpsc::channel::<()>();
            // The only worker is busy.
            let busy = g.spawn(async move {
                started.try_send(()).unwrap();
                gone.recv().unwrap_err();
                Ok(())
            });
            has_started.recv().await.unwrap();
            let held = Arc::clone(&captured);
            let polled = g.keep(AtomicBool::new(false));
            let child = g.spawn(async move {
                let _held = held;
                polled.store(true, SeqCst);
                Ok(())
            });
            let cancelled = child.cancel();
            drop(go);
            assert!(cancelled.await.is_none());
            busy.await;
            assert!(!polled.load(SeqCst));
            assert_eq!(Arc::strong_count(&captured), 1);
        }));
    });
}

/// However a child is started in a cancelled group, it is dropped before the call returns.
#[test]
fn whatever_is_started_in_a_cancelled_group_is_dropped_unpolled() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        let polled = Arc::new(AtomicBool::new(false));
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            let child = || {
                let (alive, polled) = (Alive::new(&alive), Arc::clone(&polled));
                async move {
                    let _alive = alive;
                    polled.store(true, SeqCst);
                    Ok::<(), u8>(())
                }
            };
            let places = g.bounded(1);
            let mut set = g.set::<()>();
            g.cancel(1);
            for way in 0..70 {
                match way % 7 {
                    0 => drop(g.spawn(child())),
                    1 => drop(g.spawn_named("named", child())),
                    2 => drop(g.supervise(child())),
                    3 => drop(g.service(child())),
                    4 => assert!(places.try_spawn(child()).is_ok()),
                    5 => drop(set.spawn(child())),
                    _ => assert!(g.handle().spawn(child()).is_ok()),
                }
                assert_eq!(alive.load(SeqCst), 0, "way {}", way % 7);
            }
            assert_eq!(places.running(), 0);
            assert!(set.is_empty());
            Ok(())
        }));
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), (1, 1));
        assert!(!polled.load(SeqCst));
        assert!(seen.texts().is_empty());
    });
}

/// A task that is being cut opens no new group.
#[test]
fn a_group_that_is_opened_after_the_cancel_never_begins() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let begun = Arc::new(AtomicBool::new(false));
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            let (inside, has_begun) = async_channel::bounded::<()>(1);
            let begun = Arc::clone(&begun);
            g.spawn(async move {
                shield(async {
                    drop(inside);
                    current::stopping().await;
                })
                .await;
                group(async |_| begun.store(true, SeqCst)).await;
                begun.store(true, SeqCst);
            });
            has_begun.recv().await.unwrap_err();
            Err::<(), _>(1)
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        assert!(!begun.load(SeqCst));
    });
}

/// A body that ends without an await after a stop has its value; after a cancel, which has a cause,
/// the cause comes out.
#[test]
fn a_stop_leaves_the_value_and_a_cancel_has_a_cause() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let stopped = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            g.stop();
            Ok(5)
        }));
        assert_eq!(stopped.unwrap(), 5);
        let cancelled = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            g.cancel(1);
            Ok(5)
        }));
        assert_eq!(cancelled.unwrap_err().into_first(), 1);
    });
}

/// The body is in a shield, which ends when its child was cut.
#[test]
fn children_are_cut_while_their_body_is_in_a_shield() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let reached = Arc::new(AtomicUsize::new(0));
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            let (alive, is_cut) = async_channel::bounded::<()>(1);
            g.spawn(async move {
                let _alive = alive;
                drop(inside);
                pending::<()>().await
            });
            shield(async {
                begun.recv().await.unwrap_err();
                g.cancel(1);
                is_cut.recv().await.unwrap_err();
                reached.fetch_add(1, SeqCst);
            })
            .await;
            yield_now().await;
            reached.fetch_add(100, SeqCst);
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        assert_eq!(reached.load(SeqCst), 1);
    });
}

/// A cancel of the group cuts its supervised children, too.
#[test]
fn supervised_children_are_cut_with_their_group() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            let supervised: Vec<_> = (0..10)
                .map(|_| {
                    let (inside, child) = (inside.clone(), never(&alive));
                    g.supervise(async move {
                        drop(inside);
                        child.await;
                        Ok(())
                    })
                })
                .collect();
            drop(inside);
            begun.recv().await.unwrap_err();
            g.cancel(1);
            for child in supervised {
                child.await.unwrap();
            }
            Ok(())
        }));
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), (1, 1));
        assert_eq!(alive.load(SeqCst), 0);
        assert!(seen.texts().is_empty());
    });
}

/// After the cancel at most those children begin which a thread had in its hands: two workers and
/// the caller.
#[test]
fn hardly_anybody_begins_after_the_cancel() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for _ in 0..100 {
            let late = Arc::new(AtomicUsize::new(0));
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
                for n in 0..1_000 {
                    let late = Arc::clone(&late);
                    g.spawn(async move {
                        if g.is_stopping() {
                            late.fetch_add(1, SeqCst);
                        }
                        if n % 500 == 250 {
                            g.cancel(1);
                        }
                    });
                }
                Ok(())
            }));
            assert_eq!(*result.unwrap_err().first(), 1);
            assert!(late.load(SeqCst) <= 3, "{}", late.load(SeqCst));
        }
    });
}
