//! A panic ends its group, waits for all its tasks, and comes out where the group is awaited; what
//! it outranks is reported.

use crate::common::drops::never;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::until;
use crate::common::runtimes::workers;
use spinney::{Failure, Group, block_on, current, group, scope, shield, try_group};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;

/// Siblings and the body are cut and joined; then the owner gets the payload, as it was thrown.
#[test]
fn a_panic_resumes_in_the_owner_after_the_join() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(group(async |g| {
                    let (inside, begun) = async_channel::bounded::<()>(1);
                    for _ in 0..5 {
                        let (inside, sibling) = (inside.clone(), never(&alive));
                        g.spawn(async move {
                            drop(inside);
                            sibling.await
                        });
                    }
                    drop(inside);
                    begun.recv().await.unwrap_err();
                    g.spawn(async { panic_any(5_u8) });
                    never(&alive).await
                }))
            }));
            assert_eq!(*caught.unwrap_err().downcast::<u8>().unwrap(), 5);
            assert_eq!(alive.load(SeqCst), 0);
        }
        assert!(seen.texts().is_empty());
    });
}

/// The same in a blocking scope, whose children may still borrow the stack.
#[test]
fn a_panic_in_a_scope_comes_out_after_the_join() {
    without_hanging(|| {
        let alive = Arc::new(AtomicUsize::new(0));
        let text = panic_of(|| {
            let numbers = [1, 2, 3];
            scope(|s| {
                let (numbers, alive) = (&numbers, &alive);
                s.spawn(async move {
                    never(alive).await;
                    assert_eq!(numbers.len(), 3);
                });
                s.spawn(async { panic_any("child") });
            });
        });
        assert_eq!(text, "child");
        assert_eq!(alive.load(SeqCst), 0);
    });
}

/// A sibling in the middle of a poll finishes it, and its value counts as done.
#[test]
fn a_sibling_that_runs_finishes_its_poll() {
    without_hanging(|| {
        let (runtime, _) = workers(3);
        for _ in 0..50 {
            let finished = Arc::new(AtomicUsize::new(0));
            let text = panic_of(|| {
                runtime.block_on(group(async |g| {
                    let together = Arc::new(Barrier::new(3));
                    for _ in 0..2 {
                        let (together, finished) = (Arc::clone(&together), Arc::clone(&finished));
                        g.spawn(async move {
                            together.wait();
                            while !current::is_cancelled() {
                                thread::yield_now();
                            }
                            finished.fetch_add(1, SeqCst);
                        });
                    }
                    g.spawn(async move {
                        together.wait();
                        panic_any("child")
                    });
                    pending::<()>().await
                }))
            });
            assert_eq!(text, "child");
            assert_eq!(finished.load(SeqCst), 2);
        }
    });
}

/// The supervisor gets a panic as a value. The program's panic hook has told the place.
#[test]
fn a_supervised_panic_is_a_value_and_ends_nobody() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let payloads = runtime.block_on(group(async |g| {
            let children: Vec<_> = (0..10)
                .map(|n| g.supervise(async move { panic_any(n) as Result<(), _> }))
                .collect();
            let mut payloads = Vec::<i32>::new();
            for child in children {
                match child.await {
                    Err(Failure::Panic(payload)) => payloads.push(*payload.downcast().unwrap()),
                    other => panic!("{other:?}"),
                }
            }
            payloads
        }));
        assert_eq!(payloads, (0..10).collect::<Vec<_>>());
        assert!(seen.texts().is_empty());
    });
}

/// A panic ranks before errors, also before those that came first: the hook has them, and second
/// panics.
#[test]
fn what_a_panic_outranks_goes_to_the_hook() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let text = panic_of(|| {
            runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
                let (inside, begun) = async_channel::bounded::<()>(1);
                g.spawn(shield(async move {
                    drop(inside);
                    until(current::is_cancelled).await;
                    panic_any("second panic");
                    #[expect(unreachable_code, reason = "gives the child its type")]
                    Ok(())
                }));
                begun.recv().await.unwrap_err();
                g.cancel("error");
                panic_any("first panic");
                #[expect(unreachable_code, reason = "gives the body its type")]
                Ok(())
            }))
        });
        let mut all = seen.texts();
        all.push(text);
        all.sort();
        assert_eq!(all, ["error", "first panic", "second panic"]);
    });
}

/// Through nested groups a panic goes outward once, with every group joined on its way.
#[test]
fn a_panic_goes_outward_through_nested_groups() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let alive = Arc::new(AtomicUsize::new(0));
        let text = panic_of(|| {
            runtime.block_on(group(async |g| {
                g.spawn(never(&alive));
                let alive = &alive;
                g.group(async |h| {
                    h.spawn(never(alive));
                    h.group(async |i| {
                        i.spawn(never(alive));
                        i.spawn(async { panic_any("inside") });
                        pending::<()>().await
                    })
                    .await
                })
                .await
            }))
        });
        assert_eq!(text, "inside");
        assert_eq!(alive.load(SeqCst), 0);
        assert!(seen.texts().is_empty());
    });
}

/// A body that panics at once: its children may not have begun.
#[test]
fn a_body_that_panics_joins_its_children() {
    without_hanging(|| {
        let alive = Arc::new(AtomicUsize::new(0));
        let text = panic_of(|| {
            block_on(group(async |g| {
                g.spawn(never(&alive));
                panic_any("body")
            }))
        });
        assert_eq!(text, "body");
        assert_eq!(alive.load(SeqCst), 0);
    });
}
