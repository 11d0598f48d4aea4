//! `joined`: the body goes on when the children so far have ended.

use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{once, until};
use crate::common::runtimes::{one_by_one, workers};
use spinney::{Group, group, scope, shield, try_group, yield_now};
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;

/// Spawns children that spawn children.
fn grow<'s>(g: Group<'s, '_>, ended: &'s AtomicUsize, depth: usize) {
    for _ in 0..3 {
        g.spawn(async move {
            if depth > 0 {
                grow(g, ended, depth - 1);
            }
            yield_now().await;
            ended.fetch_add(1, SeqCst);
        });
    }
}

/// All children are waited for, those of children included, and the group goes on.
#[test]
fn the_body_goes_on_after_children_at_any_depth() {
    without_hanging(|| {
        for threads in [1, 2] {
            let (runtime, _) = workers(threads);
            let seen = runtime.block_on(group(async |g| {
                let ended = g.keep(AtomicUsize::new(0));
                let mut seen = Vec::new();
                g.joined().await; // none
                for _ in 0..3 {
                    grow(g, ended, 2);
                    g.joined().await;
                    seen.push(ended.load(SeqCst));
                }
                seen
            }));
            assert_eq!(seen, [39, 78, 117]);
        }
    });
}

/// Closures, sets, handles and groups whose futures were dropped are children, too.
#[test]
fn every_kind_of_child_is_waited_for() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let ended = g.keep(AtomicUsize::new(0));
            let count = || {
                ended.fetch_add(1, SeqCst);
            };
            let later = || async {
                yield_now().await;
                ended.fetch_add(1, SeqCst);
                Ok(())
            };
            g.compute(count);
            g.blocking(count);
            g.supervise(later()).await.unwrap();
            let mut set = g.set();
            set.spawn(later());
            g.bounded(1).spawn(later()).await;
            let (sender, receiver) = async_channel::bounded(1);
            let handle = g.handle();
            let sent = handle.spawn(async move { _ = sender.send(()).await });
            assert!(sent.is_ok());
            let mut inner = Box::pin(g.group(async |h| {
                h.spawn(shield(async {
                    for _ in 0..10 {
                        yield_now().await;
                    }
                    ended.fetch_add(1, SeqCst);
                }));
                until(|| ended.load(SeqCst) >= 3).await;
                pending::<()>().await
            }));
            assert!(once(inner.as_mut()).await.is_pending());
            drop(inner);
            g.joined().await;
            // A shield that was not reached before the cut has not run.
            assert!(ended.load(SeqCst) >= 5);
            assert!(receiver.try_recv().is_ok());
        }));
        assert_eq!(runtime.metrics().live_groups, 0);
    });
}

/// Services and defers are for the end, which is not there yet.
#[test]
fn services_and_defers_are_not_waited_for() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let (beats, alive) = async_channel::bounded::<()>(1);
            g.service(async move { while beats.send(()).await.is_ok() {} });
            alive.recv().await.unwrap();
            g.defer(async {});
            g.spawn(async { yield_now().await });
            g.joined().await;
            alive.recv().await.unwrap();
            alive.recv().await.unwrap(); // it serves on
            // A service may wait for the work, too.
            let waits = g.keep(AtomicBool::new(false));
            let (release, released) = async_channel::bounded::<()>(1);
            g.spawn(async move { _ = released.recv().await });
            let service = g.service(async move {
                let mut joined = pin!(g.joined());
                assert!(once(joined.as_mut()).await.is_pending());
                waits.store(true, SeqCst);
                joined.await;
            });
            until(|| waits.load(SeqCst)).await;
            drop(release);
            service.await;
        }));
        assert_eq!(runtime.metrics().live_tasks, 0);
    });
}

/// After a failure the body does not go on, also if all children have gone.
#[test]
fn after_a_failure_it_is_not_ready() {
    without_hanging(|| {
        let (runtime, _) = one_by_one();
        let went_on = AtomicBool::new(false);
        for shielded in [false, true] {
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
                let waits = async {
                    g.spawn(async {
                        yield_now().await;
                        Err::<(), _>("no")
                    });
                    g.joined().await;
                    went_on.store(true, SeqCst);
                };
                match shielded {
                    true => shield(waits).await,
                    false => waits.await,
                }
                Ok(())
            }));
            assert_eq!(result.unwrap_err().into_first(), "no");
            // In a shield it says that the children are gone.
            assert_eq!(went_on.load(SeqCst), shielded);
        }
    });
}

/// In the poll in which the last child fails, on another thread, it is not ready either.
#[test]
fn a_failure_during_the_poll_is_seen() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
            let child = g.spawn_named("fails", async { Err::<(), _>("no") });
            while !child.is_finished() {
                std::thread::yield_now(); // this poll goes on
            }
            g.joined().await;
            unreachable!("the group has failed");
        }));
        let _: Result<(), _> = result.map_err(|errors| assert_eq!(*errors.first(), "no"));
    });
}

/// Several may wait, one of them may give up.
#[test]
fn several_joiners_are_all_told() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let (release, released) = async_channel::bounded::<()>(1);
            g.spawn(async move { _ = released.recv().await });
            let mut joiners: Vec<_> = (0..10).map(|_| Box::pin(g.joined())).collect();
            for joiner in &mut joiners {
                assert!(once(joiner.as_mut()).await.is_pending());
            }
            joiners.truncate(7);
            drop(release);
            for joiner in joiners {
                joiner.await;
            }
        }));
    });
}

/// A child would wait for itself: it panics, also in a group inside, and its name is said.
#[test]
fn a_child_that_waits_for_itself_panics() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let text = panic_of(|| {
            runtime.block_on(group(async |g| {
                g.spawn_named("waits", async move {
                    g.group(async |inner| {
                        inner.spawn_named("inside", async move { g.joined().await });
                    })
                    .await;
                });
            }))
        });
        assert!(
            text.contains("is awaited by a child for which it waits") && text.contains("inside"),
            "{text}"
        );
        // A group of its own has other children.
        runtime.block_on(group(async |g| {
            g.spawn(async move {
                g.group(async |inner| {
                    inner.spawn(async { yield_now().await });
                    inner.joined().await;
                })
                .await;
            });
        }));
    });
}

/// What a defer starts it may join.
#[test]
fn a_defer_joins_what_it_has_started() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let seen = runtime.block_on(group(async |g| {
            let (tell, told) = mpsc::channel();
            let ended = g.keep(AtomicBool::new(false));
            g.defer(async move {
                g.spawn(async {
                    yield_now().await;
                    ended.store(true, SeqCst);
                });
                g.joined().await;
                tell.send(ended.load(SeqCst)).unwrap();
            });
            told
        }));
        assert_eq!(seen.recv(), Ok(true));
    });
}

/// What a defer has started, in its group or in one inside, would wait for itself as any child.
#[test]
fn a_child_of_a_defer_that_waits_for_itself_panics() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for is_inside in [false, true] {
            let text = panic_of(|| {
                runtime.block_on(group(async |g| {
                    g.defer(async move {
                        if !is_inside {
                            g.spawn_named("waits", async move { g.joined().await });
                            return;
                        }
                        g.group(async |inner| {
                            inner.spawn_named("waits", async move { g.joined().await });
                        })
                        .await;
                    });
                }))
            });
            assert!(
                text.contains("is awaited by a child for which it waits") && text.contains("waits"),
                "{text}"
            );
        }
    });
}

/// In a scope it blocks the thread, which runs the children.
#[test]
fn a_scope_joins_on_its_thread() {
    without_hanging(|| {
        use spinney::Wait;
        let (runtime, _) = workers(1);
        let _entered = runtime.enter();
        let mut numbers = vec![0; 100];
        scope(|s| {
            let ended = s.keep(AtomicUsize::new(0));
            for number in &mut numbers {
                s.spawn(async move {
                    *number += 1;
                    ended.fetch_add(1, SeqCst);
                });
            }
            s.joined().wait();
            assert_eq!(ended.load(SeqCst), 100);
        });
        assert_eq!(numbers.iter().sum::<i32>(), 100);
    });
}
