//! Turns: whatever else runs, and however long it takes, the oldest child begins, a timer is seen,
//! and a job from outside, or of a seat whose thread is busy, is run.

use crate::common::hangs::without_hanging;
use crate::common::polls::{until, wait_until};
use crate::common::runtimes::{noting, workers};
use spinney::{Group, Never, Runtime, group, sleep, yield_now};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Keeps a processor busy.
fn burn(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// A task starts a child in each of its turns: the newest always comes next, and the oldest begins
/// all the same.
#[test]
fn the_oldest_child_begins_under_a_load_of_newer_ones() {
    without_hanging(|| {
        for count in [1, 2] {
            let (runtime, _) = workers(count);
            let runtime = &runtime;
            runtime.block_on(group(async |g| {
                let over = g.keep(AtomicBool::new(false));
                let begun = g.keep(AtomicUsize::new(0));
                for _ in 0..count {
                    g.spawn(async move {
                        // The first one is the oldest all the time.
                        g.spawn(async move {
                            begun.fetch_add(1, SeqCst);
                        });
                        while !over.load(SeqCst) {
                            g.spawn(async {});
                            yield_now().await;
                        }
                    });
                }
                until(|| begun.load(SeqCst) == count).await;
                over.store(true, SeqCst);
            }));
        }
    });
}

/// Groups that are open, and the most that were.
#[derive(Default)]
struct Open(AtomicUsize, AtomicUsize);

fn tree(levels: u32, open: Arc<Open>) -> Pin<Box<dyn Future<Output = Result<(), Never>> + Send>> {
    Box::pin(async move {
        let now = open.0.fetch_add(1, SeqCst) + 1;
        open.1.fetch_max(now, SeqCst);
        if levels > 0 {
            group(async |g| {
                for _ in 0..10 {
                    g.spawn(tree(levels - 1, Arc::clone(&open)));
                }
            })
            .await;
        }
        open.0.fetch_sub(1, SeqCst);
        Ok(())
    })
}

/// A tree is walked in depth also above as many older children as one job may leave newest first:
/// few of its groups are open at a time.
#[test]
fn a_tree_is_walked_in_depth_above_older_children() {
    without_hanging(|| {
        let (runtime, _) = noting(Runtime::builder().workers(1).callers_take_part(false));
        let most = runtime.block_on(group(async |g| {
            let open = Arc::new(Open::default());
            let below = Arc::clone(&open);
            let walk = g.spawn(async move {
                // What beats of the sentinel start out of turn are these.
                for _ in 0..64 {
                    g.spawn(async {});
                }
                g.spawn(tree(3, below)).await;
                Ok(())
            });
            walk.await;
            open.1.load(SeqCst)
        }));
        assert!(most < 40, "{most} of 1,111 were open at a time");
    });
}

/// Children that start one after the other, and ten at a time, wake no other worker, but for a beat
/// of the sentinel now and then; many at once do.
#[test]
fn a_worker_calls_for_help_when_there_is_a_crowd() {
    fn link(g: Group<'_, '_>, left: u32) {
        g.spawn(async move {
            if left > 0 {
                link(g, left - 1);
            }
        });
    }
    without_hanging(|| {
        let (runtime, _) = noting(Runtime::builder().workers(2).callers_take_part(false));
        let wakes = || runtime.metrics().wakes;
        let inside = |many: u32, each: u32| {
            let before = wakes();
            runtime.block_on(group(async move |g| {
                let all = g.spawn(async move {
                    for _ in 0..many {
                        group(async |g| {
                            for _ in 0..each {
                                g.spawn(async {});
                            }
                        })
                        .await;
                    }
                    Ok(())
                });
                all.await;
            }));
            wakes() - before
        };
        // A job in which the worker lost its processor counts as a long one, and long ones are a
        // crowd: so there are some, and more on a busy machine.
        let before = wakes();
        runtime.block_on(group(async |g| link(g, 10_000)));
        let chain = wakes() - before;
        assert!(chain < 5_000, "{chain} wakes for 10,000 links");
        let (one, ten) = (inside(10_000, 1), inside(10_000, 10));
        assert!(one < 5_000, "{one} wakes for 10,000 groups of one child");
        assert!(ten < 5_000, "{ten} wakes for 10,000 groups of ten children");
        // A push that finds a crowd wakes the worker that sleeps.
        assert!((0..100).any(|_| inside(1, 10_000) > 1));
    });
}

/// New children that are too many for newest first are in order, but not in front of woken tasks:
/// one that a timer or a socket wakes would wait for all of them. Nor do they starve.
#[test]
fn woken_tasks_do_not_wait_for_a_flood_of_new_children() {
    const CHILDREN: usize = 1_000;
    without_hanging(|| {
        let (runtime, _) = noting(Runtime::builder().workers(1).callers_take_part(false));
        let turns = runtime.block_on(group(async |g| {
            let ran = g.keep(AtomicUsize::new(0));
            let woken = g.spawn(async move {
                for _ in 0..CHILDREN {
                    g.spawn(async move {
                        ran.fetch_add(1, SeqCst);
                    });
                }
                let mut turns = 0;
                while ran.load(SeqCst) < CHILDREN {
                    yield_now().await;
                    turns += 1;
                }
                Ok(turns)
            });
            woken.await
        }));
        assert!(
            turns > CHILDREN / 2,
            "{turns} turns beside {CHILDREN} children"
        );
    });
}

/// Jobs of milliseconds, of which there are always more: a timer that is due is seen after a few of
/// them, and not after a number that is right for short jobs.
#[test]
fn a_timer_is_seen_after_a_few_long_jobs() {
    without_hanging(|| {
        let (runtime, _) = noting(Runtime::builder().workers(1).callers_take_part(false));
        let jobs = runtime.block_on(group(async |g| {
            let (due, set) = (
                g.keep(AtomicBool::new(false)),
                g.keep(AtomicBool::new(false)),
            );
            g.spawn(async {
                let nap = sleep(Duration::from_millis(1));
                set.store(true, SeqCst);
                nap.await;
                due.store(true, SeqCst);
            });
            let mut loads = Vec::new();
            for _ in 0..4 {
                loads.push(g.spawn(async {
                    let mut jobs = 0;
                    while !due.load(SeqCst) {
                        burn(Duration::from_millis(3));
                        jobs += usize::from(set.load(SeqCst));
                        yield_now().await;
                    }
                    Ok(jobs)
                }));
            }
            let mut jobs = 0;
            for load in loads {
                jobs += load.await;
            }
            jobs
        }));
        assert!(jobs < 30, "{jobs} jobs of 3 ms ran before a timer of 1 ms");
    });
}

/// Closures from outside, more than a worker runs in a while: what a timer wakes is not behind all
/// that it took along.
#[test]
fn a_woken_task_does_not_wait_for_a_queue_of_long_closures() {
    without_hanging(|| {
        let (runtime, _) = noting(Runtime::builder().workers(1).callers_take_part(false));
        let ran = runtime.block_on(group(async |g| {
            let ran = g.keep(AtomicUsize::new(0));
            let sleeper = g.spawn(async {
                for _ in 0..5 {
                    sleep(Duration::from_millis(1)).await;
                }
                Ok(ran.load(SeqCst))
            });
            for _ in 0..100 {
                g.compute(|| {
                    burn(Duration::from_millis(2));
                    ran.fetch_add(1, SeqCst);
                });
            }
            sleeper.await
        }));
        assert!(
            ran < 50,
            "{ran} closures of 2 ms ran during five sleeps of 1 ms"
        );
    });
}

/// A worker does not return from a task that waits for its own child, which is on its seat. The
/// other worker has always something to do, and takes the child all the same.
#[test]
fn a_job_of_a_busy_seat_is_taken_by_a_busy_worker() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let loaded = g.keep(AtomicBool::new(false));
            let ran = g.keep(AtomicBool::new(false));
            g.spawn(async move {
                g.spawn(async {
                    while !ran.load(SeqCst) {
                        loaded.store(true, SeqCst);
                        yield_now().await;
                    }
                });
                // The other worker has stolen it.
                wait_until(|| loaded.load(SeqCst));
                g.spawn(async { ran.store(true, SeqCst) });
                wait_until(|| ran.load(SeqCst));
            });
        }));
    });
}
