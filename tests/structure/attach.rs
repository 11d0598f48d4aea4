//! What enters a group is joined or refused, nothing in between; what leaves it leaves nothing
//! behind.

use crate::common::drops::{Alive, never, on_drop};
use crate::common::hangs::without_hanging;
use crate::common::polls::{self, until};
use crate::common::runtimes::workers;
use spinney::{Group, GroupHandle, Never, Wait, current, group, try_group, yield_now};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::{mem, thread};

/// When body and children have ended, a handle is refused, and its future comes back; a child that
/// a defer of the group starts is not, and is joined.
#[test]
fn a_group_that_is_ending_refuses_strangers_and_joins_its_own() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let joined = Arc::new(AtomicBool::new(false));
        let ours = Arc::clone(&joined);
        runtime.block_on(group(async move |g| {
            let handle = g.handle();
            let strange = handle.clone();
            g.service(async move {
                let _end = on_drop(move || assert!(strange.spawn(async {}).is_err()));
                pending::<()>().await
            });
            g.defer(async move {
                let captured = Arc::new(());
                let held = Arc::clone(&captured);
                let refused = handle.spawn(async move { drop(held) });
                assert_eq!(Arc::strong_count(&captured), 2);
                drop(refused.unwrap_err());
                assert_eq!(Arc::strong_count(&captured), 1);
                g.spawn(async move {
                    yield_now().await;
                    ours.store(true, SeqCst);
                });
            });
            g.spawn(yield_now());
        }));
        assert!(joined.load(SeqCst));
        assert!(seen.texts().is_empty());
    });
}

/// A child that another thread starts while the group is being cancelled runs, and then its failure
/// is the group's, or never runs; it is gone in any case, and the hook sees nothing.
#[test]
fn a_child_that_attaches_while_its_group_is_cancelled_loses_no_error() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        for round in 0..300 {
            let failed = Arc::new(AtomicUsize::new(0));
            let (give, handles) = std::sync::mpsc::channel::<GroupHandle<&'static str>>();
            let attaching = {
                let (failed, alive) = (Arc::clone(&failed), Arc::clone(&alive));
                thread::spawn(move || {
                    let handle = handles.recv().unwrap();
                    for _ in 0..20 {
                        let (failed, alive) = (Arc::clone(&failed), Alive::new(&alive));
                        let attached = handle.spawn(async move {
                            let _alive = alive;
                            failed.fetch_add(1, SeqCst);
                            Err::<(), _>("attached")
                        });
                        if attached.is_err() {
                            return;
                        }
                    }
                })
            };
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
                give.send(g.handle()).unwrap();
                for _ in 0..round % 10 {
                    yield_now().await;
                }
                g.cancel("cancelled");
                pending::<Result<(), _>>().await
            }));
            attaching.join().unwrap();
            let errors = result.unwrap_err();
            let attached = errors.iter().filter(|error| **error == "attached").count();
            assert_eq!(attached, failed.load(SeqCst));
            assert_eq!(alive.load(SeqCst), 0);
        }
        assert!(seen.texts().is_empty());
    });
}

/// A child that waits for its place is the one that is not started yet; it starts when it is
/// polled, once.
#[test]
fn a_child_that_was_not_started_never_runs_and_holds_nobody() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let captured = Arc::new(());
        let started = Arc::new(AtomicUsize::new(0));
        runtime.block_on(group(async |g| {
            let places = g.bounded(5);
            let child = || {
                let (captured, started) = (Arc::clone(&captured), Arc::clone(&started));
                async move {
                    let _captured = captured;
                    started.fetch_add(1, SeqCst);
                    Ok(())
                }
            };
            let dropped = places.spawn(child());
            let forgotten = places.spawn(child());
            places.spawn(child()).await.await;
            drop(dropped);
            mem::forget(forgotten);
            assert_eq!(places.running(), 0);
        }));
        assert_eq!(started.load(SeqCst), 1);
        // Only the forgotten one is left.
        assert_eq!(Arc::strong_count(&captured), 2);
    });
}

/// A handle that is dropped gives up the value only; one that is awaited late gives it all the
/// same.
#[test]
fn a_handle_may_be_dropped_early_and_awaited_late() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let ran = Arc::new(AtomicBool::new(false));
        let value = Arc::new(());
        let late = runtime.block_on(group(async |g| {
            let (go, gone) = async_channel::bounded::<()>(1);
            let (ran, output) = (Arc::clone(&ran), Arc::clone(&value));
            let dropped = g.spawn(async move {
                let _ = gone.recv().await;
                ran.store(true, SeqCst);
                Ok(output)
            });
            drop(dropped);
            let finished = g.spawn(async { Ok(3) });
            until(|| finished.is_finished()).await;
            drop(go);
            finished.await
        }));
        assert_eq!(late, 3);
        assert!(ran.load(SeqCst));
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

/// Four threads spawn, and a hundred tasks wait for the end of the group, which ends once; none of
/// them hears of it early. The owner is the one that joins: the others hear of the end.
#[test]
fn many_spawn_into_a_group_and_many_hear_of_its_end() {
    const EACH: usize = 2_000;
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for _ in 0..10 {
            let ran = Arc::new(AtomicUsize::new(0));
            let heard = Arc::new(AtomicUsize::new(0));
            runtime.block_on(group(async |outer| {
                let (ran, heard) = (Arc::clone(&ran), Arc::clone(&heard));
                let (count, waiting) = (Arc::clone(&ran), Arc::new(AtomicUsize::new(0)));
                let wait = async |handle: GroupHandle<Never>| {
                    for _ in 0..100 {
                        let end = handle.stopping();
                        let (count, heard) = (Arc::clone(&count), Arc::clone(&heard));
                        let waiting = Arc::clone(&waiting);
                        outer.spawn(async move {
                            let mut end = std::pin::pin!(end);
                            assert!(polls::once(end.as_mut()).await.is_pending());
                            waiting.fetch_add(1, SeqCst);
                            end.await;
                            assert_eq!(count.load(SeqCst), 4 * EACH);
                            heard.fetch_add(1, SeqCst);
                        });
                    }
                    until(|| waiting.load(SeqCst) == 100).await;
                };
                group(async |g| {
                    wait(g.handle()).await;
                    let (ended, all_ended) = async_channel::bounded::<()>(1);
                    for _ in 0..4 {
                        let (handle, ran, ended) = (g.handle(), Arc::clone(&ran), ended.clone());
                        thread::spawn(move || {
                            for _ in 0..EACH {
                                let ran = Arc::clone(&ran);
                                let spawned = handle.spawn(async move {
                                    yield_now().await;
                                    ran.fetch_add(1, SeqCst);
                                });
                                assert!(spawned.is_ok());
                            }
                            drop(ended);
                        });
                    }
                    drop(ended);
                    all_ended.recv().await.unwrap_err();
                })
                .await;
                assert_eq!(ran.load(SeqCst), 4 * EACH);
            }));
            assert_eq!(heard.load(SeqCst), 100);
        }
    });
}

/// A child that has ended is gone from its group, however long the body goes on.
#[test]
fn a_finished_child_is_gone_while_the_body_runs() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let captured = Arc::new(());
        runtime.block_on(group(async |g| {
            let places = g.bounded(10);
            for _ in 0..1_000 {
                let held = Arc::clone(&captured);
                places
                    .spawn(async move {
                        yield_now().await;
                        Ok(held)
                    })
                    .await;
            }
            until(|| places.running() == 0).await;
            // Captures, and values that are not taken.
            until(|| Arc::strong_count(&captured) == 1).await;
        }));
    });
}

/// What a child captured is dropped before its value is there, and before the group ends; what it
/// failed with is held by the error alone.
#[test]
fn captures_are_gone_when_the_value_is_there() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        runtime.block_on(group(async |g| {
            for _ in 0..200 {
                let here = Alive::new(&alive);
                let task = g.spawn(async move {
                    yield_now().await;
                    drop(here);
                    Ok(())
                });
                task.await;
                let here = Alive::new(&alive);
                let task = g.spawn(async move {
                    let _here = here;
                    yield_now().await;
                    Ok(())
                });
                task.await;
                assert_eq!(alive.load(SeqCst), 0);
                // The same when it is cut.
                g.spawn(never(&alive)).cancel().await;
                assert_eq!(alive.load(SeqCst), 0);
            }
        }));
        let error = Arc::new(());
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, Arc<()>>| {
            let own = Arc::clone(&error);
            g.spawn(async move { Err::<(), _>(own) });
            pending::<Result<(), _>>().await
        }));
        assert_eq!(Arc::strong_count(&error), 2);
        drop(result);
        assert_eq!(Arc::strong_count(&error), 1);
    });
}

fn has_resolved() {
    panic!("a group that was cancelled from outside does not resolve");
}

/// Groups without children of which nothing but their first poll knows: a cancel of a group around
/// them is not missed, neither where they ask nor at their end.
#[test]
fn a_group_in_its_first_poll_is_cancelled_with_those_around_it() {
    without_hanging(|| {
        let (runtime, seen) = workers(1);
        let cancelled = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
            group(async |_| g.cancel("at its end")).await;
            has_resolved();
            Ok(())
        }));
        assert_eq!(cancelled.unwrap_err().into_first(), "at its end");

        let cancelled = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
            group(async |_| {
                group(async |_| g.cancel("from two levels above")).await;
                has_resolved();
            })
            .await;
            Ok(())
        }));
        assert_eq!(cancelled.unwrap_err().len(), 1);

        let cancelled = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
            group(async |middle| {
                group(async |inner| {
                    assert!(!inner.is_stopping() && !current::is_cancelled());
                    g.cancel("where it asks");
                    assert!(inner.is_stopping() && current::is_cancelled());
                    assert!(middle.is_stopping());
                })
                .await;
            })
            .await;
            Ok(())
        }));
        assert_eq!(cancelled.unwrap_err().len(), 1);

        let stopped = runtime.block_on(group(async |g| {
            group(async |inner| {
                g.stop();
                inner.is_stopping()
            })
            .await
        }));
        assert!(stopped);
        assert!(seen.texts().is_empty());
    });
}

/// Another thread cancels a group while one inside it, without children, is in its first poll, and
/// blocks there or computes there.
#[test]
fn a_group_in_its_first_poll_hears_of_a_cancel_by_another_thread() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        for blocks in [false, true] {
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
                let (tell, told) = std::sync::mpsc::channel();
                g.spawn(async move {
                    told.recv().unwrap();
                    g.cancel("by another thread");
                });
                group(async |inner| {
                    tell.send(()).unwrap();
                    match blocks {
                        true => pending::<()>().wait(),
                        false => {
                            while !inner.is_stopping() {
                                thread::yield_now();
                            }
                        }
                    }
                })
                .await;
                Ok(())
            }));
            assert_eq!(result.unwrap_err().into_first(), "by another thread");
        }
        assert!(seen.texts().is_empty());
    });
}

/// The numbers and the dump of a runtime show the groups in which the code is that asks for them.
#[test]
fn a_group_in_its_first_poll_is_shown_to_its_own_code() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(group(async |_| {
            group(async |inner| {
                assert_eq!(runtime.metrics().live_groups, 2);
                assert_eq!(runtime.dump().groups().len(), 2);
                inner.spawn(async {}).await;
                assert_eq!(runtime.metrics().live_groups, 2);
            })
            .await;
            assert_eq!(runtime.metrics().live_groups, 1);
        }));
        assert_eq!(runtime.metrics().live_groups, 0);
    });
}
