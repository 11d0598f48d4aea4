//! Scopes on threads from outside: the caller has a place in the runtime, and runs children.

use crate::common::durations::NEVER;
use crate::common::hangs::without_hanging;
use crate::common::polls::wait_until;
use crate::common::runtimes::{noting, workers};
use spinney::{Runtime, Wait, current, scope, yield_now};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

fn here() -> ThreadId {
    thread::current().id()
}

/// Calls `f` while all threads of the runtime are in closures, and nothing stands in for them. There
/// is one seat for another caller.
fn where_all_are_busy(f: impl FnOnce(&Runtime)) {
    let builder = Runtime::builder().workers(1).max_spares(2);
    let (runtime, _) = noting(builder.replace_stalled(false));
    let (begun, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|threads| {
        threads.spawn(|| {
            let _entered = runtime.enter();
            // One is run by this thread, and one by the worker.
            scope(|s| {
                for _ in 0..2 {
                    s.compute(|| {
                        begun.fetch_add(1, SeqCst);
                        wait_until(|| over.load(SeqCst));
                    });
                }
            });
        });
        wait_until(|| begun.load(SeqCst) == 2);
        f(&runtime);
        over.store(true, SeqCst);
    });
}

/// No other thread is there to run them: few, which are new, and many, of which the older ones are
/// in the wake deque. Afterwards the place is free again.
#[test]
fn the_caller_runs_its_children() {
    without_hanging(|| {
        where_all_are_busy(|runtime| {
            let _entered = runtime.enter();
            for children in [1, 4, 1_000, 2, 0, 3] {
                let ran = AtomicUsize::new(0);
                let caller = here();
                scope(|s| {
                    for _ in 0..children {
                        s.compute(|| {
                            assert_eq!(here(), caller);
                            ran.fetch_add(1, SeqCst);
                        });
                    }
                });
                assert_eq!(ran.into_inner(), children);
            }
        });
    });
}

/// The place holds up no shutdown, and nothing is left of it.
#[test]
fn the_runtime_ends_after_scopes() {
    let (runtime, _) = workers(1);
    let entered = runtime.enter();
    for children in [0, 1, 100] {
        scope(|s| (0..children).for_each(|_| drop(s.spawn(async {}))));
    }
    drop(entered);
    let metrics = runtime.metrics();
    assert_eq!((metrics.live_tasks, metrics.live_groups), (0, 0));
    runtime.shutdown(NEVER).unwrap();
}

/// What the body starts in another group may want a lock that the caller holds.
#[test]
fn the_caller_runs_no_stranger() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let (lock, over) = (&Mutex::new(()), &AtomicBool::new(false));
        let _entered = runtime.enter();
        scope(|outer| {
            thread::scope(|threads| {
                threads.spawn(|| {
                    let _entered = runtime.enter();
                    let held = lock.lock().unwrap();
                    scope(|inner| {
                        for _ in 0..5 {
                            // For the inner scope a stranger, on the seat of its caller.
                            outer.compute(|| drop(lock.lock().unwrap()));
                            inner.compute(|| ());
                        }
                    });
                    drop(held);
                    over.store(true, SeqCst);
                });
                wait_until(|| over.load(SeqCst));
            });
        });
    });
}

/// A wait in the body runs the child that it waits for, also when the worker is busy.
#[test]
fn a_wait_in_the_body_runs_the_child() {
    without_hanging(|| {
        where_all_are_busy(|runtime| {
            let _entered = runtime.enter();
            let (sum, path) = scope(|s| {
                let sum = (0..100)
                    .map(|n| s.compute(move || Ok(n)).wait())
                    .sum::<u32>();
                (sum, current::group_path())
            });
            assert_eq!(sum, 4_950);
            assert!(path.is_some());
        });
    });
}

/// Scopes in children in scopes, with children that are suspended, on few threads.
#[test]
fn scopes_nest() {
    fn tree(levels: u32, count: &AtomicUsize) {
        count.fetch_add(1, SeqCst);
        if levels > 0 {
            scope(|s| {
                for _ in 0..3 {
                    s.spawn(async move {
                        if levels % 2 == 0 {
                            yield_now().await;
                        }
                        tree(levels - 1, count);
                    });
                }
            });
        }
    }
    without_hanging(|| {
        for workers_there in [1, 2] {
            let (runtime, _) = workers(workers_there);
            let _entered = runtime.enter();
            for _ in 0..10 {
                let count = AtomicUsize::new(0);
                tree(5, &count);
                assert_eq!(count.into_inner(), (3_usize.pow(6) - 1) / 2);
            }
        }
    });
}

/// A child that waits for a sibling on its thread finds that another thread runs the sibling.
#[test]
fn children_that_wait_for_each_other_run_at_once() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let _entered = runtime.enter();
        for _ in 0..20 {
            let begun = [AtomicBool::new(false), AtomicBool::new(false)];
            let [one, two] = &begun;
            scope(|s| {
                for (own, other) in [(one, two), (two, one)] {
                    s.compute(move || {
                        own.store(true, SeqCst);
                        wait_until(|| other.load(SeqCst));
                    });
                }
            });
        }
    });
}

/// What a service starts in a group of its own may wait for the stop of the service, which comes
/// after the join: the caller that waits for the join leaves it to workers, though it is below the
/// scope in the tree.
#[test]
fn a_caller_does_not_run_what_a_service_has_started() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let _entered = runtime.enter();
        let caller = here();
        for _ in 0..20 {
            let flags: Arc<[AtomicBool; 2]> = Arc::default();
            let ours = Arc::clone(&flags);
            scope(|s| {
                s.service(async move {
                    spinney::group(async move |g| {
                        let [served, begun] = &**g.keep(ours);
                        let helper = g.spawn(async move {
                            assert_ne!(here(), caller);
                            begun.store(true, SeqCst);
                            current::stopping().wait();
                        });
                        served.store(true, SeqCst);
                        // The worker keeps it on its seat, where the caller looks for children.
                        for _ in 0..1_000 {
                            if begun.load(SeqCst) {
                                break;
                            }
                            thread::yield_now();
                        }
                        helper.await;
                    })
                    .await
                });
                s.spawn(async { wait_until(|| flags[0].load(SeqCst)) });
            });
        }
    });
}
