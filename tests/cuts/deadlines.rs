//! Deadlines: never early, the tightest wins, one error for each, and none that comes too late
//! changes the outcome.

mod instants;
mod nested;

use crate::common::drops::on_drop;
use crate::common::durations::{NEVER, SECOND};
use crate::common::hangs::without_hanging;
use crate::common::polls::{once, until};
use crate::common::runtimes::{clocked, workers};
use spinney::{
    Errors, Group, GroupBuilder, Wait, block_on, current, shield, timeout, try_group, yield_now,
};
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A deadline cuts body and children, which are joined; there is one error, that of the deadline.
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

/// A timeout is a value, not an error of a group.
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

/// A value comes before the deadline, and nothing comes of the deadline later.
#[test]
fn a_value_before_the_deadline_is_all() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(2);
        let error = Arc::new(());
        let held = Arc::clone(&error);
        let value = runtime.block_on(GroupBuilder::new().deadline(SECOND, held).run(async |g| {
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

/// The deadline of a builder does not wait for a first poll that blocks: the blocked frame is
/// unwound.
#[test]
fn a_deadline_ends_a_body_that_blocks_in_its_first_poll() {
    without_hanging(|| {
        for after in [1, 0] {
            let (runtime, clock, seen) = clocked(1);
            let result =
                runtime.block_on(GroupBuilder::new().deadline(after * SECOND, "late").run(
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

/// A child fails before the deadline: there is its error alone, and nothing comes of the deadline
/// later.
#[test]
fn a_failure_before_the_deadline_is_all() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(2);
        let result =
            runtime.block_on(GroupBuilder::new().deadline(SECOND, "late").run(async |g| {
                g.spawn(async { Err::<(), _>("child") });
                pending::<Result<(), &str>>().await
            }));
        clock.advance(SECOND);
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), ("child", 1));
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// A deadline that passes after an explicit cancel is not the cause.
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

/// Deadlines of a group only get tighter; what has expired stays so.
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
            // Not `stopping`: a worker may fire the deadline before this poll comes to it.
            pending::<Result<(), &str>>().await
        }));
        let errors: Errors<&str> = Result::<(), _>::unwrap_err(result);
        assert_eq!((*errors.first(), errors.len()), ("second", 1));

        let time = clock.clone();
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, &str>| {
            g.deadline(SECOND, "expired");
            g.spawn(shield(async move {
                time.advance(SECOND);
                until(|| g.is_stopping()).await;
                g.deadline(10 * SECOND, "later");
                assert!(g.is_stopping() && current::is_cancelled());
                Ok(())
            }));
            pending::<Result<(), &str>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), "expired");
    });
}

/// The error of a deadline is the caller's own; its entry says where the deadline was set.
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

/// `stop_within`: soft first; a child that stops in time is not cut.
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
        let result = runtime.block_on(
            GroupBuilder::new()
                .deadline(2 * SECOND / 1_000, "late")
                .run(async |g| {
                    g.spawn(async {
                        block_on(pending::<()>());
                    });
                    pending::<Result<(), &str>>().await
                }),
        );
        assert_eq!(result.unwrap_err().into_first(), "late");
    });
}
