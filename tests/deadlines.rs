//! Deadlines: never early, the tightest wins, one error for each, and none that comes too late changes what was decided.

mod common;
mod support;

use common::{Count, NEVER, SECOND, clocked, on_drop, once, workers};
use spinney::{
    Builder, Errors, Group, Wait, block_on, current, shield, sleep, time, timeout, try_group,
    yield_now,
};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use support::without_hanging;

/// Cases 111, 129 and 130: body and children are cut and joined; there is one error, that of the deadline.
#[test]
fn a_deadline_cuts_body_and_children_and_is_one_error() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(2);
        let alive = Arc::new(());
        let children = Arc::clone(&alive);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, &str>| {
            g.deadline(SECOND, "too late");
            for _ in 0..10 {
                let child = Arc::clone(&children);
                g.spawn(async move {
                    let _child = child;
                    pending::<()>().await
                });
            }
            clock.advance(SECOND);
            let () = pending().await;
            drop(children);
            Ok(())
        }));
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), ("too late", 1));
        assert_eq!(Arc::strong_count(&alive), 1);
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// Case 111, the quiet form.
#[test]
fn a_timeout_is_a_value() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        runtime.block_on(async {
            let mut late = pin!(timeout(SECOND, pending::<()>()));
            assert!(once(late.as_mut()).await.is_pending());
            clock.advance(SECOND);
            assert_eq!(late.await.unwrap_err().to_string(), "the time is over");
        });
    });
}

/// Case 112: a value before the deadline, and nothing comes of the deadline later.
#[test]
fn a_value_before_the_deadline_is_all() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(2);
        let error = Arc::new(());
        let held = Arc::clone(&error);
        let value = runtime.block_on(Builder::new().deadline(SECOND, held).run(async |g| {
            clock.advance(SECOND / 2);
            Ok(g.spawn(async { Ok(1) }).await)
        }));
        assert_eq!(value.unwrap(), 1);
        // The timer went with the group, and its error with it.
        assert_eq!(Arc::strong_count(&error), 1);
        clock.advance(SECOND);
        runtime.block_on(yield_now());
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// Runs an inner group in an outer one, with these deadlines in seconds; the body sees the clock pass second by second.
/// What the outer one gives, and whether the code between them ran on.
fn nested(outer: u32, inner: u32) -> (Result<u8, Vec<&'static str>>, usize) {
    let (runtime, clock, seen) = clocked(2);
    let between = AtomicUsize::new(0);
    let result = runtime.block_on(Builder::new().deadline(outer * SECOND, "outer").run(
        async |_| {
            let group = Builder::new()
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

/// Cases 115 and 116.
#[test]
fn of_nested_deadlines_the_earlier_one_reports() {
    without_hanging(|| {
        for _ in 0..20 {
            assert_eq!(nested(1, 2), (Err(vec!["outer"]), 0));
            assert_eq!(nested(2, 1), (Err(vec!["outer"]), 1));
        }
    });
}

/// Case 117: a poll that took longer than both.
#[test]
fn a_busy_body_meets_the_inner_deadline_then_the_outer_one() {
    without_hanging(|| {
        for _ in 0..20 {
            let (runtime, clock, seen) = clocked(2);
            let between = AtomicUsize::new(0);
            let result =
                runtime.block_on(Builder::new().deadline(2 * SECOND, "outer").run(async |_| {
                    let group = Builder::new().deadline(SECOND, "inner").run(async |_| {
                        clock.advance(3 * SECOND);
                        pending::<Result<(), &str>>().await
                    });
                    let failed = group.await.unwrap_err();
                    assert_eq!(*failed.first(), "inner");
                    between.fetch_add(1, SeqCst);
                    pending::<()>().await;
                    between.fetch_add(100, SeqCst);
                    Ok(())
                }));
            assert_eq!(result.unwrap_err().into_first(), "outer");
            assert_eq!((between.load(SeqCst), seen.texts()), (1, Vec::new()));
        }
    });
}

/// The deadline of a builder does not wait for a first poll that blocks: the blocked frame is unwound.
#[test]
fn a_deadline_ends_a_body_that_blocks_in_its_first_poll() {
    without_hanging(|| {
        for after in [1, 0] {
            let (runtime, clock, seen) = clocked(1);
            let result = runtime.block_on(Builder::new().deadline(after * SECOND, "late").run(
                async |g: Group<'_, '_, &str>| {
                    let inner = g.group(async |_| {
                        clock.advance(SECOND);
                        pending::<()>().await
                    });
                    inner.wait();
                    unreachable!("it is unwound")
                },
            ));
            let result: Result<(), _> = result;
            assert_eq!(result.unwrap_err().into_first(), "late");
            assert_eq!(seen.texts(), [""; 0]);
        }
    });
}

/// Case 119.
#[test]
fn a_failure_before_the_deadline_is_all() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(2);
        let result = runtime.block_on(Builder::new().deadline(SECOND, "late").run(async |g| {
            g.spawn(async { Err::<(), _>("child") });
            pending::<Result<(), &str>>().await
        }));
        clock.advance(SECOND);
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), ("child", 1));
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// Case 120.
#[test]
fn an_outer_cancel_before_the_deadline_is_no_timeout() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            g.spawn(async move {
                let inner = Builder::<&str>::new().deadline(SECOND, "late");
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

/// Case 121.
#[test]
fn a_deadline_after_the_cancel_is_not_the_cause() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, &str>| {
            g.deadline(SECOND, "late");
            g.cancel("explicit");
            clock.advance(SECOND);
            Ok(())
        }));
        let errors = result.unwrap_err();
        assert_eq!(*errors.first(), "explicit");
        assert!(!errors.entries().next().unwrap().after_cancel);
        assert!(errors.entries().skip(1).all(|entry| entry.after_cancel));
    });
}

/// Case 122: nothing can swallow a cut, but what is ready in the same poll wins over a timeout.
#[test]
fn a_value_that_is_ready_in_the_poll_of_the_timeout_is_kept() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let value = runtime.block_on(timeout(
            SECOND,
            poll_fn(|_| {
                clock.advance(2 * SECOND);
                Poll::Ready(3)
            }),
        ));
        assert_eq!(value, Ok(3));
    });
}

/// Cases 124 and 125: deadlines of a group only get tighter; what has expired stays so.
#[test]
fn a_group_deadline_only_gets_tighter() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        let time = clock.clone();
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, &str>| {
            let start = time.now();
            g.deadline(3 * SECOND, "third");
            g.deadline(9 * SECOND, "ninth");
            assert_eq!(current::deadline(), Some(start + 3 * SECOND));
            g.deadline(2 * SECOND, "second");
            assert_eq!(current::deadline(), Some(start + 2 * SECOND));
            g.deadline(NEVER, "never");
            assert_eq!(current::deadline(), Some(start + 2 * SECOND));
            time.advance(2 * SECOND);
            g.stopping().await;
            unreachable!("a cut body is not polled any more")
        }));
        let errors: Errors<&str> = Result::<(), _>::unwrap_err(result);
        assert_eq!((*errors.first(), errors.len()), ("second", 1));

        let time = clock.clone();
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, &str>| {
            g.deadline(SECOND, "expired");
            g.spawn(shield(async move {
                time.advance(SECOND);
                common::until(|| g.is_stopping()).await;
                g.deadline(10 * SECOND, "later");
                assert!(g.is_stopping() && current::is_cancelled());
                Ok(())
            }));
            pending::<Result<(), &str>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), "expired");
    });
}

/// Cases 124 and 126: a sleep can be moved, both ways and often; the last instant counts, and it wakes once.
#[test]
fn a_sleep_that_is_moved_often_wakes_once() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        runtime.block_on(async {
            let counter = Arc::new(Count::default());
            let waker = Waker::from(Arc::clone(&counter));
            let mut cx = Context::from_waker(&waker);
            let start = clock.now();
            let mut nap = pin!(sleep(SECOND));
            for moves in 0..2_000_u32 {
                nap.reset(start + (moves % 100 + 2) * SECOND);
                assert!(nap.as_mut().poll(&mut cx).is_pending());
            }
            // The instants before the last one pass unnoticed.
            assert_eq!(nap.deadline(), Some(start + 101 * SECOND));
            clock.advance(100 * SECOND);
            sleep(Duration::ZERO).await;
            assert!(nap.as_mut().poll(&mut cx).is_pending());
            // One timer is left, so one more waker is called than this one, which marks the end.
            let marker = sleep(SECOND);
            clock.advance(SECOND);
            marker.await;
            common::until(|| counter.0.load(SeqCst) > 0).await;
            assert!(nap.as_mut().poll(&mut cx).is_ready());
            assert_eq!(counter.0.load(SeqCst), 1);
            // Into the past.
            nap.reset(start);
            assert!(nap.as_mut().poll(&mut cx).is_ready());
        });
    });
}

/// Case 127: the deadline of a group counts from its first poll; sleeps and timeouts count from their making.
#[test]
fn a_deadline_counts_from_the_first_poll() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let entered = runtime.enter();
        let group = Builder::new().deadline(SECOND, "late").run(async |_| {
            clock.advance(SECOND - Duration::from_nanos(1));
            yield_now().await;
            Ok(1)
        });
        let late = timeout(SECOND, pending::<()>());
        clock.advance(10 * SECOND);
        drop(entered);
        assert_eq!(runtime.block_on(group).unwrap(), 1);
        assert!(runtime.block_on(late).is_err());
    });
}

/// Case 134: never early, to the nanosecond.
#[test]
fn nothing_fires_early() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let nano = Duration::from_nanos(1);
        for span in [
            SECOND,
            Duration::from_micros(1_500),
            Duration::from_millis(3) + nano,
            400 * SECOND,
        ] {
            let time = clock.clone();
            runtime.block_on(async move {
                let mut nap = pin!(sleep(span));
                let mut ticks = time::interval(span);
                ticks.tick().await;
                time.advance(span - nano);
                for _ in 0..10 {
                    assert!(once(nap.as_mut()).await.is_pending());
                    assert!(once(pin!(ticks.tick())).await.is_pending());
                    yield_now().await;
                }
                time.advance(nano);
                nap.await;
                ticks.tick().await;
            });
        }
        let begun = Instant::now();
        block_on(sleep(Duration::from_micros(2_300)));
        assert!(begun.elapsed() >= Duration::from_micros(2_300));
    });
}

/// Case 135: the error is the caller's own; its entry says where the deadline was set.
#[test]
fn the_entry_of_a_deadline_names_its_place() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, String>| {
            g.deadline(SECOND, format!("import took more than {SECOND:?}"));
            clock.advance(SECOND);
            pending::<Result<(), String>>().await
        }));
        let errors = result.unwrap_err();
        let entry = errors.entries().next().unwrap();
        assert_eq!(entry.error, "import took more than 1s");
        assert!(entry.task.is_none() && entry.location.file().ends_with("deadlines.rs"));
    });
}

/// `stop_within`: soft first; who stops in time is not cut.
#[test]
fn a_grace_is_soft_then_hard() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        let cut = Arc::new(AtomicUsize::new(0));
        for stops in [true, false] {
            let (count, time) = (Arc::clone(&cut), clock.clone());
            let result = runtime.block_on(try_group(async move |g: Group<'_, '_, &str>| {
                let told = on_drop(move || {
                    count.fetch_add(1, SeqCst);
                });
                g.spawn(async move {
                    g.stopping().await;
                    if !stops {
                        time.advance(SECOND);
                        let _told = told;
                        pending::<()>().await;
                    } else {
                        std::mem::forget(told);
                    }
                });
                g.stop_within(SECOND, "grace");
                Ok(())
            }));
            assert_eq!(result.is_ok(), stops);
        }
        assert_eq!(cut.load(SeqCst), 1);
    });
}

/// Deadlines reach through a blocking wait.
#[test]
fn a_deadline_cuts_a_blocked_caller() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let result = runtime.block_on(Builder::new().deadline(2 * SECOND / 1_000, "late").run(
            async |g| {
                g.spawn(async {
                    block_on(pending::<()>());
                });
                pending::<Result<(), &str>>().await
            },
        ));
        assert_eq!(result.unwrap_err().into_first(), "late");
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

/// A deadline goes by the clock of the group's own runtime, whichever is entered where it is set.
#[test]
fn a_deadline_goes_by_the_clock_of_its_group() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let (other, _, _) = clocked(1);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            {
                let _entered = other.enter();
                g.deadline(SECOND, "late");
            }
            clock.advance(SECOND);
            pending::<Result<(), &str>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), "late");
    });
}

/// A group whose parent is just ending, with its deadline due while what the parent keeps is dropped, is not spared.
#[test]
fn a_deadline_that_is_due_while_the_parent_ends_still_comes() {
    type Opened = std::pin::Pin<Box<dyn Future<Output = Result<(), Errors<&'static str>>> + Send>>;
    struct Fired(AtomicUsize);
    impl std::task::Wake for Fired {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let (out, taken) = async_channel::bounded::<Opened>(1);
        let advance = clock.clone();
        runtime
            .block_on(try_group(async move |g: Group<'_, '_, &'static str>| {
                // At the same instant, so it would speak for the inner group, too; but it ends before.
                g.deadline(2 * SECOND, "outer");
                g.keep(on_drop(move || {
                    let fired = Arc::new(Fired(AtomicUsize::new(0)));
                    let waker = Waker::from(Arc::clone(&fired));
                    let mut later = pin!(sleep(3 * SECOND));
                    let mut cx = Context::from_waker(&waker);
                    assert!(later.as_mut().poll(&mut cx).is_pending());
                    advance.advance(3 * SECOND);
                    // Timers fire in order: that of the inner group has been called then.
                    while fired.0.load(SeqCst) == 0 {
                        std::thread::yield_now();
                    }
                }));
                let inner = Builder::<&'static str>::new().deadline(2 * SECOND, "inner");
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
