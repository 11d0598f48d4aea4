//! Errors and cancels that meet in nested groups: each error comes out once, at its own group; a
//! cancel from outside is never taken for an error, and never hides one.

use crate::common::drops::never;
use crate::common::hangs::without_hanging;
use crate::common::log::Log;
use crate::common::polls::until;
use crate::common::runtimes::workers;
use spinney::{Errors, Group, GroupBuilder, current, group, shield, try_group, yield_now};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};

type Text = &'static str;

/// Two failures at the same moment.
async fn both_fail(h: Group<'_, '_, Text>) -> Result<(), Text> {
    let together = Arc::new(Barrier::new(2));
    for text in ["one", "two"] {
        let together = Arc::clone(&together);
        h.spawn(async move {
            together.wait();
            Err::<(), _>(text)
        });
    }
    pending::<Result<(), _>>().await
}

/// The inner group's errors are one error of the outer one, which tells which child it was.
#[test]
fn the_errors_of_a_nested_group_are_one_entry() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let outer = runtime.block_on(try_group(async |g: Group<'_, '_, Errors<Text>>| {
            g.spawn_named("inner", async { try_group(both_fail).await });
            pending::<Result<(), _>>().await
        }));
        let outer = outer.unwrap_err();
        assert_eq!(outer.len(), 1);
        let entry = outer.entries().next().unwrap();
        assert_eq!((entry.name, entry.error.len()), (Some("inner"), 2));
        let mut inside: Vec<_> = entry.error.iter().copied().collect();
        inside.sort_unstable();
        assert_eq!(inside, ["one", "two"]);
    });
}

/// The inner group is cancelled without a word; the code after it does not run.
#[test]
fn an_outer_failure_cancels_the_inner_group_silently() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        let log = Log::default();
        for _ in 0..50 {
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, Text>| {
                let (inside, begun) = async_channel::bounded::<()>(1);
                g.spawn(async move {
                    begun.recv().await.unwrap_err();
                    Err::<(), _>("outer")
                });
                let alive = &alive;
                let inner = g.try_group(async move |h: Group<'_, '_, Text>| {
                    h.spawn(never(alive));
                    let child = never(alive);
                    h.spawn(async move {
                        drop(inside);
                        child.await
                    });
                    never(alive).await;
                    Ok(())
                });
                let _ = inner.await;
                log.note("never reached");
                Ok(())
            }));
            let errors = result.unwrap_err();
            assert_eq!((*errors.first(), errors.len()), ("outer", 1));
            assert_eq!(alive.load(SeqCst), 0);
        }
        assert_eq!(log.take(), [""; 0]);
        assert!(seen.texts().is_empty());
    });
}

/// An error of the inner group and a cancel of the outer one at the same moment. The inner error
/// comes out of the inner group, and is handled; the next await is cut, and the outer error comes
/// out of the outer group.
#[test]
fn an_inner_error_and_an_outer_one_at_the_same_moment() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        for _ in 0..200 {
            let log = Log::default();
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, Text>| {
                let together = Arc::new(Barrier::new(2));
                let other = Arc::clone(&together);
                g.spawn(async move {
                    other.wait();
                    Err::<(), _>("outer")
                });
                let inner = g.try_group(async move |h: Group<'_, '_, Text>| {
                    h.spawn(async move {
                        together.wait();
                        Err::<(), _>("inner")
                    });
                    pending::<Result<(), _>>().await
                });
                let errors = inner.await.unwrap_err();
                assert_eq!((*errors.first(), errors.len()), ("inner", 1));
                log.note("handled");
                until(|| g.is_stopping()).await;
                yield_now().await;
                log.note("never reached");
                pending::<Result<(), _>>().await
            }));
            let errors = result.unwrap_err();
            assert_eq!((*errors.first(), errors.len()), ("outer", 1));
            assert_eq!(log.take(), ["handled"]);
        }
        assert!(seen.texts().is_empty());
    });
}

/// A body that handled the errors of a failed group is not cancelled itself.
#[test]
fn a_failed_group_that_was_handled_leaves_its_parent_alone() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let value = runtime.block_on(group(async |g| {
            for _ in 0..3 {
                assert!(try_group(both_fail).await.is_err());
                assert!(!current::is_cancelled() && !g.is_stopping());
                yield_now().await;
            }
            let child = g.spawn(async {
                yield_now().await;
                Ok(4)
            });
            child.await
        }));
        assert_eq!(value, 4);
    });
}

/// A cancel comes from outside, without any error inside: the cause is the canceller's, and the
/// group that was cut answers nothing.
#[test]
fn a_cancel_from_outside_is_no_error_of_the_inner_group() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        let log = Log::default();
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, Text>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            let (answered, alive) = (log.clone(), Arc::clone(&alive));
            g.spawn(async move {
                let cut = try_group(async move |h: Group<'_, '_, Text>| {
                    let child = never(&alive);
                    h.spawn(async move {
                        drop(inside);
                        child.await
                    });
                    h.spawn(never(&alive));
                    Ok(())
                });
                let _ = cut.await;
                answered.note("never reached");
            });
            begun.recv().await.unwrap_err();
            g.cancel("the disk is full");
            Ok(())
        }));
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), ("the disk is full", 1));
        assert_eq!(alive.load(SeqCst), 0);
        assert_eq!(log.take(), [""; 0]);
        assert!(seen.texts().is_empty());
    });
}

/// A body that is cut fails in its cleanup: that error comes out of its group.
#[test]
fn an_error_in_the_cleanup_of_a_cut_body_comes_out() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let log = Log::default();
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, Text>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            let inner = log.clone();
            g.spawn(async move {
                let cut = try_group(async move |_: Group<'_, '_, Text>| {
                    shield(async {
                        drop(inside);
                        current::stopping().await;
                        Err::<(), _>("cleanup")
                    })
                    .await
                });
                let errors = cut.await.unwrap_err();
                assert!(current::is_cancelled());
                inner.note(errors.into_first());
                yield_now().await;
                inner.note("never reached");
            });
            begun.recv().await.unwrap_err();
            Err::<(), _>("cause")
        }));
        assert_eq!(result.unwrap_err().into_first(), "cause");
        assert_eq!(log.take(), ["cleanup"]);
    });
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An error from four levels down comes to the root once, and nothing else holds it.
#[test]
fn an_error_goes_up_once() {
    fn level(depth: u32, error: Arc<Text>) -> Boxed<Result<(), Arc<Text>>> {
        Box::pin(async move {
            let failed = try_group(async move |g: Group<'_, '_, Arc<Text>>| {
                g.spawn(async move {
                    match depth {
                        0 => Err(error),
                        _ => level(depth - 1, error).await,
                    }
                });
                pending::<Result<(), _>>().await
            });
            failed.await.map_err(|errors| {
                assert_eq!((errors.len(), errors.omitted()), (1, 0));
                errors.into_first()
            })
        })
    }
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let error = Arc::new("deep");
        let result = runtime.block_on(level(3, Arc::clone(&error)));
        assert_eq!(result, Err(Arc::clone(&error)));
        drop(result);
        assert_eq!(Arc::strong_count(&error), 1);
        assert!(seen.texts().is_empty());
    });
}

/// Three children fail while a grandchild is in a cleanup, which fails, too.
#[test]
fn the_cleanup_error_of_a_grandchild_is_there() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let errors = runtime.block_on(try_group(async |g: Group<'_, '_, Text>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            g.spawn(async move {
                let inner = try_group(async move |h: Group<'_, '_, Text>| {
                    h.spawn(shield(async move {
                        drop(inside);
                        until(current::is_cancelled).await;
                        for _ in 0..10 {
                            yield_now().await;
                        }
                        Err::<(), _>("grandchild")
                    }));
                    pending::<Result<(), _>>().await
                });
                inner.await.map_err(Errors::into_first)
            });
            begun.recv().await.unwrap_err();
            let together = Arc::new(Barrier::new(2));
            let first = Arc::clone(&together);
            g.spawn(async move {
                first.wait();
                Err::<(), _>("child")
            });
            together.wait();
            g.cancel("cancel");
            Err::<(), _>("body")
        }));
        let errors = errors.unwrap_err();
        let mut all: Vec<_> = errors.iter().copied().collect();
        all.sort_unstable();
        assert_eq!(all, ["body", "cancel", "child", "grandchild"]);
        assert!(seen.texts().is_empty());
    });
}

/// Sixty-four groups of many children fail, each with an error of its own, for the task that waits
/// for it. The errors that two of these tasks pass on end the outer group, with one cause.
#[test]
fn each_group_gives_its_error_to_its_own_waiter() {
    async fn fails(own: usize, alive: Arc<AtomicUsize>) -> usize {
        let failed = try_group(async move |h: Group<'_, '_, usize>| {
            for _ in 0..511 {
                h.spawn(never(&alive));
            }
            h.spawn(async move { Err::<(), _>(own) });
            pending::<Result<(), _>>().await
        });
        let errors = failed.await.unwrap_err();
        assert_eq!(errors.len(), 1);
        errors.into_first()
    }
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        for escape in [false, true] {
            let opened = GroupBuilder::<usize>::new().name("all").run(async |g| {
                let (right, ended) = (Arc::new(AtomicUsize::new(0)), g.keep(Barrier::new(2)));
                for own in 0..64 {
                    let (alive, right) = (Arc::clone(&alive), Arc::clone(&right));
                    g.spawn(async move {
                        assert_eq!(fails(own, alive).await, own);
                        right.fetch_add(1, SeqCst);
                        if escape && own < 2 {
                            ended.wait();
                            return Err(own);
                        }
                        Ok(())
                    });
                }
                until(|| right.load(SeqCst) == 64).await;
                Ok(())
            });
            match (escape, runtime.block_on(opened)) {
                (false, result) => result.unwrap(),
                (true, result) => {
                    let errors = result.unwrap_err();
                    let causes = errors.entries().filter(|entry| !entry.after_cancel);
                    assert_eq!((causes.count(), errors.len()), (1, 2));
                }
            }
            assert_eq!(alive.load(SeqCst), 0);
        }
        assert!(seen.texts().is_empty());
    });
}
