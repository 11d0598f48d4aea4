//! No error vanishes: whichever task fails, and when, its error is there, in the order of failing,
//! or the hook has it.

use crate::common::drops::on_drop;
use crate::common::durations::SECOND;
use crate::common::hangs::without_hanging;
use crate::common::polls::{once, until};
use crate::common::process::alone_by;
use crate::common::runtimes::{noting, workers};
use spinney::time::ManualClock;
use spinney::{
    Errors, Failure, Group, Runtime, Wait, block_on, current, shield, try_group, try_scope,
    yield_now,
};
use std::fmt;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};

fn all<E: Copy>(errors: &Errors<E>) -> Vec<E> {
    errors.iter().copied().collect()
}

/// Which of them came after the group was cancelled.
fn late<E>(errors: &Errors<E>) -> Vec<bool> {
    errors.entries().map(|entry| entry.after_cancel).collect()
}

/// The group has exactly the error of its child, and the place where that was spawned.
#[test]
fn a_childs_error_is_the_groups() {
    let errors: Errors<&str> = block_on(try_group(async |g| {
        g.spawn_named("router", async { Err::<(), _>("no route") })
            .await;
        Ok(())
    }))
    .unwrap_err();
    assert_eq!((*errors.first(), errors.len()), ("no route", 1));
    let entry = errors.entries().next().unwrap();
    assert_eq!(entry.name, Some("router"));
    assert!(entry.location.file().ends_with("no_error_dropped.rs"));
    assert!(!entry.after_cancel);
}

/// Two children, or a child and the body, fail in polls that overlap. The first one is the cause.
#[test]
fn two_failures_at_the_same_moment_are_both_there() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        for round in 0..100 {
            let errors = runtime.block_on(try_group(async |g: Group<'_, '_, u32>| {
                let together = Arc::new(Barrier::new(2));
                let fails = |n| {
                    let together = Arc::clone(&together);
                    async move {
                        together.wait();
                        Err::<(), _>(n)
                    }
                };
                g.spawn(fails(1));
                if round % 2 == 0 {
                    return fails(2).await;
                }
                g.spawn(fails(2));
                pending().await
            }));
            let errors = errors.unwrap_err();
            assert_eq!(late(&errors), [false, true]);
            let mut both = all(&errors);
            assert_eq!(*errors.first(), both[0]);
            assert_eq!(errors.into_first(), both[0]);
            both.sort_unstable();
            assert_eq!(both, [1, 2]);
        }
        assert!(seen.texts().is_empty());
    });
}

/// Two children fail, then the body, which goes on in a shield: the errors are in that order.
#[test]
fn a_body_that_fails_while_it_is_cut_comes_after_its_children() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let errors = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            let second = g.spawn(shield(async move {
                drop(inside);
                until(current::is_cancelled).await;
                Err::<(), _>("second")
            }));
            shield(async {
                begun.recv().await.unwrap_err();
                g.spawn(async { Err::<(), _>("first") });
                until(|| second.is_finished()).await;
                Err::<(), _>("body")
            })
            .await
        }));
        let errors = errors.unwrap_err();
        assert_eq!(all(&errors), ["first", "second", "body"]);
        assert_eq!(late(&errors), [false, true, true]);
        let from_body = errors.entries().nth(2).unwrap();
        assert_eq!(from_body.task, None);
    });
}

/// The body fails, then children in their cleanup, one in a shield, one in a destructor: the errors
/// are in that order.
#[test]
fn children_that_fail_in_their_cleanup_come_after_the_body() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let errors = runtime.block_on(try_group(async |g: Group<'_, 'static, &str>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            let second = g.spawn(shield({
                let inside = inside.clone();
                async move {
                    drop(inside);
                    until(current::is_cancelled).await;
                    Err::<(), _>("second")
                }
            }));
            g.spawn(async move {
                let _third = on_drop(move || g.cancel("third"));
                shield(async move {
                    drop(inside);
                    until(|| second.is_finished()).await;
                })
                .await;
                pending::<()>().await
            });
            begun.recv().await.unwrap_err();
            Err::<(), _>("body")
        }));
        let errors = errors.unwrap_err();
        assert_eq!(all(&errors), ["body", "second", "third"]);
        assert_eq!(late(&errors), [false, true, true]);
    });
}

/// Children that are only cut add nothing, suspended or blocked.
#[test]
fn children_that_were_cut_are_no_errors() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let errors = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            for n in 0..20 {
                let inside = inside.clone();
                g.spawn(async move {
                    let forever = async {
                        drop(inside);
                        pending::<()>().await
                    };
                    match n % 10 {
                        0 => forever.wait(),
                        _ => forever.await,
                    }
                });
            }
            drop(inside);
            begun.recv().await.unwrap_err();
            g.spawn(async { Err::<(), _>(1) });
            pending::<Result<(), _>>().await
        }));
        let errors = errors.unwrap_err();
        assert_eq!((all(&errors), errors.omitted()), (vec![1], 0));
        assert!(seen.texts().is_empty());
        assert_eq!(runtime.metrics().cut_tasks, 20, "they are counted");
    });
}

/// Tasks that were cut are counted, each once, by the time at which their group has joined: one by
/// its handle, one that had not begun, one that is born in a cancelled group, a service. A task
/// that has returned, failed or panicked is not among them.
#[test]
fn who_was_cut_is_counted() {
    without_hanging(|| {
        let builder = Runtime::builder().workers(1).callers_take_part(false);
        let (runtime, _) = noting(builder.max_spares(0));
        let cut = || runtime.metrics().cut_tasks;
        runtime
            .block_on(try_group(async |g: Group<'_, '_, u8>| {
                let child = g.spawn(pending::<()>());
                yield_now().await;
                child.cancel().await;
                assert_eq!(cut(), 1);
                g.spawn(async {}).await;
                g.supervise(async { Err::<(), _>(1) }).await.unwrap_err();
                let thrown = g.supervise(async { resume_unwind(Box::new("thrown")) });
                let thrown: Result<(), Failure<u8>> = thrown.await;
                thrown.unwrap_err();
                assert_eq!(cut(), 1);
                g.service(pending::<()>());
                yield_now().await;
                Ok(())
            }))
            .unwrap();
        assert_eq!(cut(), 2);
        let failed = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            // It keeps the only worker until the others are there.
            let (tell, told) = mpsc::channel::<()>();
            let (begin, begun) = mpsc::channel();
            g.spawn(async move {
                begin.send(()).unwrap();
                told.recv().unwrap_err();
            });
            begun.recv().unwrap();
            g.spawn(async {});
            g.cancel(1);
            g.spawn(async {});
            drop(tell);
            Ok(())
        }));
        assert_eq!((all(&failed.unwrap_err()), cut()), (vec![1], 4));
    });
}

/// An error right after the cancel, before any await, is not hidden by it: of the group, both are
/// there; of a task that is cancelled in its poll, the error is all.
#[test]
fn an_error_after_the_cancel_is_not_hidden_by_it() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let errors = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            g.cancel("cancelled");
            Err::<(), _>("failed")
        }));
        assert_eq!(all(&errors.unwrap_err()), ["cancelled", "failed"]);
        let errors = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            let (started, has_started) = async_channel::bounded::<()>(1);
            let (go, gone) = mpsc::channel::<()>();
            let failing = g.spawn(async move {
                started.try_send(()).unwrap();
                gone.recv().unwrap_err();
                Err::<(), _>("failed")
            });
            has_started.recv().await.unwrap();
            let cancelled = failing.cancel();
            drop(go);
            // It has no value; the body is cut here, or goes on to its next suspension.
            assert!(cancelled.await.is_none());
            Ok(())
        }));
        let errors = errors.unwrap_err();
        assert_eq!((all(&errors), late(&errors)), (vec!["failed"], vec![false]));
    });
}

/// An error that must not be looked at.
struct Hostile(Arc<AtomicUsize>);

impl fmt::Debug for Hostile {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("debug")
    }
}

impl fmt::Display for Hostile {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("display")
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Errors are moved and counted, never printed or compared.
#[test]
fn errors_that_panic_when_they_are_printed_are_kept() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let dropped = Arc::new(AtomicUsize::new(0));
        let errors = runtime.block_on(try_group(async |g: Group<'_, '_, Hostile>| {
            for _ in 0..40 {
                g.cancel(Hostile(Arc::clone(&dropped)));
            }
            Err::<(), _>(Hostile(Arc::clone(&dropped)))
        }));
        let Err(errors) = errors else {
            panic!("it was cancelled")
        };
        assert_eq!((errors.len(), errors.omitted()), (32, 9));
        // The hook was given those that were one too many, as what they are.
        assert_eq!((seen.texts().len(), dropped.load(SeqCst)), (9, 9));
        drop(errors);
        assert_eq!(dropped.load(SeqCst), 41);
    });
}

/// A blocking call returns the error, whether it waits for a future or is a scope.
#[test]
fn a_blocking_call_returns_the_error() {
    without_hanging(|| {
        let waited = try_group(async |g: Group<'_, '_, u8>| {
            g.spawn(async { Err::<(), _>(1) });
            Ok(())
        });
        assert_eq!(waited.wait().unwrap_err().into_first(), 1);
        let numbers = [1, 2, 3];
        let scoped = try_scope(|s| {
            for number in &numbers {
                s.spawn(async move { if *number == 2 { Err(*number) } else { Ok(()) } });
            }
            Ok(())
        });
        assert_eq!(scoped.unwrap_err().into_first(), 2);
        let body = try_scope(|_| Err::<(), _>("body"));
        assert_eq!(body.unwrap_err().into_first(), "body");
    });
}

/// The errors of a group whose future was dropped go to the hook: no owner can be given them.
#[test]
fn failures_of_a_dropped_group_go_to_the_hook() {
    without_hanging(|| {
        let (runtime, seen) = noting(Runtime::builder().workers(2));
        runtime
            .block_on(try_group(async |_: Group<'_, '_, u8>| {
                let (inside, cancelled) = async_channel::bounded::<()>(1);
                let mut inner = Box::pin(try_group(async move |h: Group<'_, '_, &'static str>| {
                    let (begun, has_begun) = async_channel::bounded::<()>(1);
                    h.spawn(shield(async move {
                        drop(begun);
                        until(current::is_cancelled).await;
                        drop(inside);
                        yield_now().await;
                        Err::<(), _>("in its cleanup")
                    }));
                    h.spawn(async move {
                        has_begun.recv().await.unwrap_err();
                        Err::<(), _>("cause")
                    });
                    shield(pending::<Result<(), _>>()).await
                }));
                assert!(once(inner.as_mut()).await.is_pending());
                cancelled.recv().await.unwrap_err();
                drop(inner);
                Ok(())
            }))
            .unwrap();
        assert_eq!(seen.texts(), ["cause", "in its cleanup"]);
    });
}

#[test]
fn a_supervised_failure_is_its_handles_or_the_groups() {
    let read = block_on(try_group(async |g: Group<'_, '_, u8>| {
        let failed = g.supervise(async { Err::<(), _>(9) }).await;
        assert!(matches!(failed, Err(Failure::Error(9))));
        yield_now().await;
        Ok(1)
    }));
    assert_eq!(read.unwrap(), 1);
    let unread = block_on(try_group(async |g: Group<'_, '_, u8>| {
        drop(g.supervise(async { Err::<(), _>(9) }));
        pending::<Result<(), u8>>().await
    }));
    assert_eq!(unread.unwrap_err().into_first(), 9);
}

/// Without a hook a burst of failures of one kind makes ten lines, and a count of the rest.
#[test]
fn a_burst_without_a_hook_is_counted() {
    let burst = || {
        let clock = ManualClock::new();
        let runtime = Runtime::builder().workers(1).clock(&clock).build().unwrap();
        let fail = |times: u32| {
            let group = try_group(async |g: Group<'_, '_, u32>| {
                // 32 of them are kept for the owner.
                (0..32 + times).for_each(|number| g.cancel(number));
                Ok(())
            });
            let result: Result<(), _> = runtime.block_on(group);
            assert_eq!(result.unwrap_err().omitted(), times as usize);
        };
        fail(100);
        clock.advance(SECOND);
        fail(5);
        assert_eq!(runtime.metrics().unobserved, 105);
        drop(runtime);
    };
    let Some(output) = alone_by("exec \"$0\" \"$@\"", burst) else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("spinney: "));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 13, "{text}");
    let begins = |at: usize, text: &str| lines[at].starts_with(text);
    assert!(
        (0..10).all(|at| begins(at, "unobserved error in ")),
        "{text}"
    );
    // A second later there is one line more, and before it the number of those left out.
    assert!(
        begins(10, "90 more unobserved failures of tasks spawned at "),
        "{text}"
    );
    assert!(begins(11, "unobserved error in "), "{text}");
    assert!(begins(12, "4 more "), "{text}");
}
