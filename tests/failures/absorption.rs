//! A group answers for the cancels that were its own; one that comes from outside passes through
//! it, and is met at the next await.

use crate::common::drops::never;
use crate::common::hangs::without_hanging;
use crate::common::log::Log;
use crate::common::polls::until;
use crate::common::runtimes::workers;
use spinney::{Group, current, shield, try_group, yield_now};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

type Text = &'static str;

/// Inner and outer group are cancelled together. The inner one has an error of its own, which is
/// not swallowed: the code after it runs to its next await; there the outer cancel lands.
#[test]
fn an_inner_cancel_is_answered_before_the_outer_one_lands() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        for outer_first in [false, true] {
            for _ in 0..50 {
                let log = Log::default();
                let result = runtime.block_on(try_group(async |g: Group<'_, '_, Text>| {
                    let inner = g.try_group(async |h: Group<'_, '_, Text>| {
                        match outer_first {
                            false => h.cancel("inner"),
                            true => g.cancel("outer"),
                        }
                        match outer_first {
                            false => g.cancel("outer"),
                            true => h.cancel("inner"),
                        }
                        yield_now().await;
                        log.note("never reached");
                        Ok(())
                    });
                    log.note(inner.await.unwrap_err().into_first());
                    yield_now().await;
                    log.note("never reached");
                    Ok(())
                }));
                let errors = result.unwrap_err();
                assert_eq!((*errors.first(), errors.len()), ("outer", 1));
                assert_eq!(log.take(), ["inner"]);
            }
        }
        assert!(seen.texts().is_empty());
    });
}

/// Outer and middle group are cancelled from a shield in the innermost one. Code in the shield
/// succeeds; the cut lands after it.
#[test]
fn a_cut_from_two_groups_up_lands_after_the_shield() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let log = Log::default();
        let result = runtime.block_on(try_group(async |outer: Group<'_, '_, Text>| {
            let middle = outer.try_group(async |middle: Group<'_, '_, Text>| {
                let inner = middle.group(async |inner| {
                    shield(async {
                        middle.cancel("middle");
                        outer.cancel("outer");
                        yield_now().await;
                        assert!(current::is_cancelled());
                        log.note("in the shield");
                    })
                    .await;
                    log.note("after the shield");
                    yield_now().await;
                    log.note("never reached");
                    inner.stop();
                });
                inner.await;
                log.note("never reached");
                Ok(())
            });
            log.note(middle.await.unwrap_err().into_first());
            yield_now().await;
            log.note("never reached");
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), "outer");
        assert_eq!(log.take(), ["in the shield", "after the shield", "middle"]);
    });
}

/// A task that waits, in a shield, for a child that was cut is no failure: it ends at the edge of
/// its shield, and there is no error but the cancel's.
#[test]
fn who_waits_for_a_child_that_was_cut_is_no_failure() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let log = Log::default();
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, Text>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            let child = g.spawn(async {
                pending::<()>().await;
                Ok(())
            });
            let waits = log.clone();
            g.spawn(async move {
                shield(async {
                    drop(inside);
                    child.await;
                    waits.note("never reached");
                })
                .await;
                waits.note("never reached");
            });
            begun.recv().await.unwrap_err();
            g.cancel("cancel");
            Ok(())
        }));
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), ("cancel", 1));
        assert_eq!(log.take(), [""; 0]);
        assert!(seen.texts().is_empty());
    });
}

/// Two cancels come from outside while the inner group joins a child in a shield. Both are kept, in
/// their order; the inner group answers for neither.
#[test]
fn cancels_from_outside_are_kept_while_an_inner_group_joins() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let log = Log::default();
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, Text>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            let (release, released) = async_channel::bounded::<()>(1);
            let inner = log.clone();
            g.spawn(async move {
                let note = inner.clone();
                let joins = try_group(async move |h: Group<'_, '_, Text>| {
                    h.spawn(shield(async move {
                        drop(inside);
                        released.recv().await.unwrap_err();
                        note.note("joined");
                    }));
                    Ok(())
                });
                let _ = joins.await;
                inner.note("never reached");
            });
            begun.recv().await.unwrap_err();
            shield(async {
                g.cancel("one");
                yield_now().await;
                g.cancel("two");
                assert_eq!(log.take(), [""; 0]);
                drop(release);
            })
            .await;
            Ok(())
        }));
        let errors = result.unwrap_err();
        let all: Vec<_> = errors.iter().copied().collect();
        assert_eq!(all, ["one", "two"]);
        assert_eq!(log.take(), ["joined"]);
        assert!(seen.texts().is_empty());
    });
}

/// A group that is ending by a cancel of its own is met by one from outside. It answers for its
/// own, and the other one lands after it.
#[test]
fn a_foreign_cancel_in_the_middle_comes_out_after_the_own_one() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        let log = Log::default();
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, Text>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            let (release, released) = async_channel::bounded::<()>(1);
            let (inner, child) = (log.clone(), never(&alive));
            g.spawn(async move {
                let ends = try_group(async move |h: Group<'_, '_, Text>| {
                    let (running, runs) = async_channel::bounded::<()>(1);
                    h.spawn(child);
                    h.spawn(shield(async move {
                        drop(running);
                        until(current::is_cancelled).await;
                        drop(inside);
                        released.recv().await.unwrap_err();
                    }));
                    runs.recv().await.unwrap_err();
                    h.cancel("own");
                    pending::<Result<(), _>>().await
                });
                let errors = ends.await.unwrap_err();
                assert_eq!(errors.len(), 1);
                inner.note(errors.into_first());
                yield_now().await;
                inner.note("never reached");
            });
            begun.recv().await.unwrap_err();
            g.cancel("foreign");
            shield(async { drop(release) }).await;
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), "foreign");
        assert_eq!(log.take(), ["own"]);
        assert_eq!(alive.load(SeqCst), 0);
    });
}
