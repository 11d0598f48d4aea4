//! Of the deadlines of groups within groups each reports for its own group, and the outermost that
//! is due decides.

use crate::common::drops::on_drop;
use crate::common::durations::SECOND;
use crate::common::hangs::without_hanging;
use crate::common::polls::{Count, once, wait_until};
use crate::common::runtimes::clocked;
use spinney::{Errors, Group, GroupBuilder, current, shield, sleep, try_group, yield_now};
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Waker};

/// Runs an inner group in an outer one, with these deadlines in seconds; the body sees the clock
/// pass second by second. What the outer one gives, and whether the code between them ran on.
fn nested(outer: u32, inner: u32) -> (Result<u8, Vec<&'static str>>, usize) {
    let (runtime, clock, seen) = clocked(2);
    let between = AtomicUsize::new(0);
    let result = runtime.block_on(GroupBuilder::new().deadline(outer * SECOND, "outer").run(
        async |_| {
            let group = GroupBuilder::new()
                .deadline(inner * SECOND, "inner")
                .run(async |h| {
                    let nearest = outer.min(inner) * SECOND;
                    assert_eq!(current::deadline(), Some(clock.now() + nearest));
                    let ticks = clock.clone();
                    h.spawn(async move {
                        ticks.advance(nearest);
                        pending::<()>().await
                    });
                    pending::<Result<(), &str>>().await
                });
            let failed = group.await.unwrap_err();
            assert_eq!((*failed.first(), failed.len()), ("inner", 1));
            between.fetch_add(1, SeqCst);
            clock.advance((outer - inner) * SECOND);
            yield_now().await;
            pending::<()>().await;
            between.fetch_add(100, SeqCst);
            Ok(1)
        },
    ));
    assert_eq!(seen.texts(), [""; 0]);
    let result = result.map_err(|errors: Errors<&str>| errors.iter().copied().collect());
    (result, between.load(SeqCst))
}

/// Of nested deadlines the earlier one reports: the outer one alone, or the inner one, after which
/// the outer body goes on until its own.
#[test]
fn of_nested_deadlines_the_earlier_one_reports() {
    without_hanging(|| {
        for _ in 0..20 {
            assert_eq!(nested(1, 2), (Err(vec!["outer"]), 0));
            assert_eq!(nested(2, 1), (Err(vec!["outer"]), 1));
        }
    });
}

/// A poll takes longer than both deadlines: the inner one comes first, and the outer one cuts the
/// next await.
#[test]
fn a_busy_body_meets_the_inner_deadline_then_the_outer_one() {
    without_hanging(|| {
        for _ in 0..20 {
            let (runtime, clock, seen) = clocked(2);
            let between = AtomicUsize::new(0);
            let result = runtime.block_on(GroupBuilder::new().deadline(2 * SECOND, "outer").run(
                async |_| {
                    let group = GroupBuilder::new()
                        .deadline(SECOND, "inner")
                        .run(async |_| {
                            clock.advance(3 * SECOND);
                            pending::<Result<(), &str>>().await
                        });
                    let failed = group.await.unwrap_err();
                    assert_eq!(*failed.first(), "inner");
                    between.fetch_add(1, SeqCst);
                    pending::<()>().await;
                    between.fetch_add(100, SeqCst);
                    Ok(())
                },
            ));
            assert_eq!(result.unwrap_err().into_first(), "outer");
            // None, if the outer deadline fired before the body went on.
            assert!(between.load(SeqCst) <= 1);
            assert_eq!(seen.texts(), [""; 0]);
        }
    });
}

/// Of deadlines at the same instant the outer one reports, whichever was set first.
#[test]
fn of_deadlines_at_one_instant_the_outer_one_reports() {
    without_hanging(|| {
        for outer_first in [true, false] {
            let (runtime, clock, seen) = clocked(2);
            let result: Result<(), _> =
                runtime.block_on(try_group(async |outer: Group<'_, '_, &str>| {
                    let set = || outer.deadline(SECOND, "outer");
                    if outer_first {
                        set();
                    }
                    let inner = outer.try_group(async |inner: Group<'_, '_, &str>| {
                        inner.deadline(SECOND, "inner");
                        if !outer_first {
                            set();
                        }
                        clock.advance(SECOND);
                        pending::<Result<(), &str>>().await
                    });
                    let _: Result<(), _> = inner.await;
                    unreachable!("the inner group resolved")
                }));
            let errors: Errors<&str> = result.unwrap_err();
            assert_eq!(errors.iter().collect::<Vec<_>>(), [&"outer"]);
            assert_eq!(seen.texts(), [""; 0]);
        }
    });
}

/// Inside a shield the outer deadline does not come: the inner one reports itself.
#[test]
fn a_deadline_in_a_shield_reports_though_the_outer_one_is_due() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        let result = runtime.block_on(try_group(async |outer: Group<'_, '_, &str>| {
            outer.deadline(SECOND, "outer");
            let inner = outer.try_group(async |inner: Group<'_, '_, &str>| {
                inner.deadline(SECOND, "inner");
                clock.advance(SECOND);
                pending::<Result<(), &str>>().await
            });
            let inner = shield(inner).await;
            assert_eq!(inner.unwrap_err().into_first(), "inner");
            pending::<Result<(), &str>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), "outer");
    });
}

/// A cancel from outside, before the inner group's deadline, is no timeout.
#[test]
fn an_outer_cancel_before_the_deadline_is_no_timeout() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            g.spawn(async move {
                let inner = GroupBuilder::<&str>::new().deadline(SECOND, "late");
                let _: Result<(), _> = inner
                    .run(async |_| {
                        begun.send(()).await.unwrap();
                        pending().await
                    })
                    .await;
                unreachable!("cut from outside, it does not resolve")
            });
            has_begun.recv().await.unwrap();
            Err::<(), _>("cancel")
        }));
        clock.advance(SECOND);
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), ("cancel", 1));
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// A group whose parent is just ending, with its deadline due while what the parent keeps is
/// dropped, is not spared.
#[test]
fn a_deadline_that_is_due_while_the_parent_ends_still_comes() {
    type Opened = std::pin::Pin<Box<dyn Future<Output = Result<(), Errors<&'static str>>> + Send>>;
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let (out, taken) = async_channel::bounded::<Opened>(1);
        let advance = clock.clone();
        runtime
            .block_on(try_group(async move |g: Group<'_, '_, &'static str>| {
                // At the same instant, so it would speak for the inner group, too; but it ends
                // before.
                g.deadline(2 * SECOND, "outer");
                g.keep(on_drop(move || {
                    let fired = Arc::new(Count::default());
                    let waker = Waker::from(Arc::clone(&fired));
                    let mut later = pin!(sleep(3 * SECOND));
                    let mut cx = Context::from_waker(&waker);
                    assert!(later.as_mut().poll(&mut cx).is_pending());
                    advance.advance(3 * SECOND);
                    // Timers fire in order: that of the inner group has been called then.
                    wait_until(|| fired.0.load(SeqCst) > 0);
                }));
                let inner = GroupBuilder::<&'static str>::new().deadline(2 * SECOND, "inner");
                let body = async |_: Group<'_, '_, &'static str>| {
                    pending::<()>().await;
                    Ok(())
                };
                let mut inner: Opened = Box::pin(inner.run(body));
                assert!(once(inner.as_mut()).await.is_pending());
                out.send(inner).await.unwrap();
                Ok(())
            }))
            .unwrap();
        let inner = taken.try_recv().unwrap();
        assert_eq!(runtime.block_on(inner).unwrap_err().into_first(), "inner");
    });
}
