//! Task-locals: a child has what its spawner saw, and nothing else.

use crate::common::drops::{OnDrop, on_drop};
use crate::common::durations::NOW;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{once, poll_alone, until};
use crate::common::runtimes::{self, workers};
use spinney::{Group, Ready, TaskLocal, block_on, group, shield, try_group, yield_now};
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

static NUMBER: TaskLocal<u32> = TaskLocal::new();
static TEXT: TaskLocal<&'static str> = TaskLocal::new();
static GUARD: TaskLocal<Arc<()>> = TaskLocal::new();

/// A child sees the values of its spawner at the moment of the spawn, wherever it runs.
#[test]
fn a_child_has_the_values_around_its_spawn() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let before = g.spawn(async { Ok(NUMBER.get()) });
            let (inner, outer, both) = NUMBER
                .scope(1, async {
                    let outer = g.spawn(async {
                        yield_now().await;
                        Ok(NUMBER.get())
                    });
                    let inner = NUMBER.scope(2, async {
                        let grandchild =
                            g.spawn(async move { Ok(g.spawn(async { Ok(NUMBER.get()) }).await) });
                        grandchild.await
                    });
                    let inner = inner.await;
                    let both = TEXT.scope("two", async {
                        g.spawn(async { Ok((NUMBER.get(), TEXT.get())) }).await
                    });
                    (inner, outer.await, both.await)
                })
                .await;
            assert_eq!(before.await, None);
            assert_eq!((inner, outer), (Some(2), Some(1)));
            assert_eq!(both, (Some(1), Some("two")));
            assert_eq!((NUMBER.get(), TEXT.get()), (None, None));
        }));
    });
}

/// A value is seen in the future's own polls only: not by siblings that run between them on the
/// same thread.
#[test]
fn siblings_on_the_same_thread_do_not_see_it() {
    without_hanging(|| {
        let (runtime, _) = runtimes::one_by_one();
        runtime.block_on(group(async |g| {
            let turns = g.keep(AtomicUsize::new(0));
            g.spawn(NUMBER.scope(1, async {
                for _ in 0..10 {
                    assert_eq!(NUMBER.get(), Some(1));
                    turns.fetch_add(1, SeqCst);
                    yield_now().await;
                }
            }));
            g.spawn(async {
                while turns.load(SeqCst) < 10 {
                    assert_eq!(NUMBER.get(), None);
                    yield_now().await;
                }
            });
        }));
    });
}

/// Every kind of child takes the snapshot, and so does a defer where it is registered.
#[test]
fn every_kind_of_child_takes_the_snapshot() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let seen = AtomicUsize::new(0);
        let see = || {
            assert_eq!(NUMBER.get(), Some(3));
            seen.fetch_add(1, SeqCst);
        };
        runtime.block_on(NUMBER.scope(3, async {
            let result = try_group(async |g: Group<'_, '_, ()>| {
                let see = g.keep(Arc::new(AtomicUsize::new(0)));
                let look = move || {
                    assert_eq!(NUMBER.get(), Some(3));
                    see.fetch_add(1, SeqCst)
                };
                g.supervise(async move { Ok(look()) }).await.unwrap();
                g.service(async move {
                    look();
                    spinney::current::stopping().await
                });
                let value = g.start(async move |ready: Ready<u32>| {
                    look();
                    ready.set(NUMBER.get().unwrap());
                    Ok(())
                });
                assert_eq!(value.await.unwrap(), 3);
                let mut set = g.set();
                set.spawn(async move { Ok(look()) });
                set.next().await.unwrap().unwrap();
                let bounded = g.bounded(1);
                bounded.spawn(async move { Ok(look()) }).await.await;
                assert!(
                    g.handle()
                        .spawn(async { assert_eq!(NUMBER.get(), Some(3)) })
                        .is_ok()
                );
                TEXT.scope("defer", async {
                    g.defer(async move {
                        look();
                        yield_now().await;
                        assert_eq!(TEXT.get(), Some("defer"));
                    });
                })
                .await;
                let mut numbers = g.stream(async |mut out| {
                    out.send(NUMBER.get().unwrap()).await;
                    Ok(())
                });
                assert_eq!(numbers.next().await, Some(3));
                until(|| see.load(SeqCst) >= 5).await;
                Ok(())
            });
            result.await.unwrap();
            see();
        }));
        assert_eq!(seen.load(SeqCst), 1);
    });
}

/// Sync code inside keeps it: scopes, waits, shields, and groups that are nested.
#[test]
fn sync_frames_and_shields_keep_it() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let _entered = runtime.enter();
        let seen = NUMBER.sync_scope(4, || {
            let in_wait = block_on(async { NUMBER.get() });
            let in_scope = spinney::scope(|s| {
                let child = s.spawn(async { Ok(NUMBER.get()) });
                block_on(child)
            });
            let in_shield = block_on(shield(group(async |_| NUMBER.get())));
            [in_wait, in_scope, in_shield]
        });
        assert_eq!(seen, [Some(4); 3]);
        assert_eq!(NUMBER.get(), None);
    });
}

/// Outside every runtime, under a foreign poller, a scope works as well, and what it wakes is not
/// inside.
#[test]
fn a_foreign_poller_sees_it_during_the_poll_only() {
    let mut future = pin!(NUMBER.scope(5, async {
        assert_eq!(NUMBER.get(), Some(5));
        yield_now().await;
        NUMBER.get()
    }));
    assert!(poll_alone(future.as_mut()).is_pending());
    assert_eq!(NUMBER.get(), None);
    assert_eq!(poll_alone(future.as_mut()), Poll::Ready(Some(5)));
    assert_eq!(NUMBER.get(), None);
}

/// A future that moves between scopes sees the values of the one around it now.
#[test]
fn what_is_around_a_scope_is_looked_up_at_each_poll() {
    block_on(async {
        let mut moving = Box::pin(NUMBER.scope(6, async {
            loop {
                assert_eq!(NUMBER.get(), Some(6));
                let text = TEXT.get();
                yield_now().await;
                if text == Some("end") {
                    return;
                }
            }
        }));
        assert!(once(moving.as_mut()).await.is_pending());
        let in_text = TEXT
            .scope("end", async { once(moving.as_mut()).await })
            .await;
        assert!(in_text.is_pending());
        moving.await;
    });
}

/// A child lets go of its snapshot when it ends, though its handle is kept; a panic in the value's
/// destructor is that of the child.
#[test]
fn a_snapshot_goes_with_its_task() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let value = Arc::new(());
        let _entered = runtime.enter();
        block_on(group(async |g| {
            let task = GUARD.sync_scope(Arc::clone(&value), || g.spawn(async { Ok(()) }));
            until(|| task.is_finished()).await;
            assert_eq!(Arc::strong_count(&value), 1);
        }));

        fn blow_up() {
            panic_any("a value's destructor")
        }
        static BOMB: TaskLocal<OnDrop<fn()>> = TaskLocal::new();
        let text = panic_of(|| {
            block_on(group(async |g| {
                let gone = g.keep(AtomicBool::new(false));
                BOMB.scope(on_drop(blow_up as fn()), async {
                    g.spawn(async { until(|| gone.load(SeqCst)).await });
                })
                .await;
                gone.store(true, SeqCst);
            }))
        });
        assert_eq!(text, "a value's destructor");
        runtime.shutdown(NOW).unwrap();
    });
}

/// The destructor of a future that is cut, or dropped early, sees its values.
#[test]
fn destructors_see_it() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let seen = Arc::new(AtomicUsize::new(0));
        let look = || {
            let seen = Arc::clone(&seen);
            on_drop(move || {
                assert_eq!(NUMBER.get(), Some(7));
                seen.fetch_add(1, SeqCst);
            })
        };
        let (cut, born_cut, dropped) = (look(), look(), look());
        runtime.block_on(async {
            let result = try_group(async |g: Group<'_, '_, &'static str>| {
                NUMBER
                    .scope(7, async {
                        g.spawn(async move {
                            let _cut = cut;
                            g.cancel("enough");
                            std::future::pending::<()>().await
                        });
                        until(|| g.is_stopping()).await;
                        g.spawn(async move {
                            let _never_polled = born_cut;
                        });
                    })
                    .await;
                Ok(())
            });
            result.await.unwrap_err();
        });
        drop(NUMBER.scope(7, async move {
            let _dropped = dropped;
        }));
        assert_eq!(seen.load(SeqCst), 3);
    });
}

/// A chain of children, each in one scope more than the one that spawned it: neither a look nor the
/// last drop recurses.
#[test]
fn long_lists_need_no_deep_stack() {
    const DEPTH: u32 = 100_000;

    static LINK: TaskLocal<u32> = TaskLocal::new();

    fn link<'s>(
        g: Group<'s, 'static>,
        left: u32,
        end: &'s AtomicUsize,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 's>> {
        Box::pin(async move {
            if left == 0 {
                assert_eq!(LINK.get(), Some(1));
                end.store(NUMBER.get().unwrap() as usize, SeqCst);
                return;
            }
            LINK.scope(left, async {
                g.spawn(link(g, left - 1, end));
            })
            .await;
        })
    }

    without_hanging(|| {
        let (runtime, _) = workers(2);
        let end = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&end);
        runtime.block_on(group(async move |g: Group<'_, 'static>| {
            let end = g.keep(seen);
            NUMBER
                .scope(8, async {
                    g.spawn(link(g, DEPTH, end));
                })
                .await;
        }));
        assert_eq!(end.load(SeqCst), 8);
    });
}

/// A value that another one hides is not kept by children that can never see it.
#[test]
fn a_value_that_is_hidden_is_not_kept_by_children() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(group(async |g| {
            let (first, second) = (Arc::new(()), Arc::new(()));
            let (go, goes) = async_channel::bounded::<()>(1);
            let seen = Arc::downgrade(&first);
            let child = GUARD.sync_scope(first, || {
                NUMBER.sync_scope(1, || {
                    let child = GUARD.sync_scope(second, || {
                        g.spawn(async move {
                            goes.recv().await.unwrap();
                            Ok((NUMBER.get(), GUARD.get().is_some()))
                        })
                    });
                    assert!(GUARD.get().is_some());
                    child
                })
            });
            assert!(seen.upgrade().is_none(), "the hidden value is kept");
            go.send(()).await.unwrap();
            assert_eq!(child.await, (Some(1), true));
        }));
    });
}
