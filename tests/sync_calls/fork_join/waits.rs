//! What a thread does that waits for a half.

use super::{apart, fib, here};
use crate::common::hangs::without_hanging;
use crate::common::polls::{until, wait_until};
use crate::common::runtimes::{self, FEW_SPARES, noting, without_spares, workers};
use spinney::{Runtime, Wait, blocking, group, group_with, join, scope};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self};

/// Children that a half starts are run, although the forker does not run them on its stack.
#[test]
fn children_that_a_half_starts_are_run() {
    without_hanging(|| {
        for workers in 1..4 {
            let (runtime, _) = runtimes::workers(workers);
            for _ in 0..50 {
                let count = runtime.block_on(group(async |g| {
                    let count = g.keep(AtomicUsize::new(0));
                    g.group(async |h| {
                        let spawn = move || {
                            for _ in 0..5 {
                                h.spawn(async {
                                    count.fetch_add(1, SeqCst);
                                });
                            }
                        };
                        h.compute(move || {
                            join(|| join(spawn, spawn), || join(spawn, spawn));
                        });
                    })
                    .await;
                    count.load(SeqCst)
                }));
                assert_eq!(count, 20);
            }
        }
    });
}

/// A thread that waits for a half under a lock runs nothing that wants that lock. A pool whose
/// waits run whatever there is deadlocks here.
#[test]
fn a_wait_under_a_lock_runs_no_stranger() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let total = Arc::new(Mutex::new(0));
        runtime.block_on(group(async |g| {
            for _ in 0..200 {
                let total = Arc::clone(&total);
                g.compute(move || {
                    let mut total = total.lock().unwrap();
                    let (a, b) = join(|| fib(8), || fib(8));
                    *total += a + b;
                });
            }
        }));
        assert_eq!(*total.lock().unwrap(), 200 * 42);
    });
}

/// It does not run what its halves have spawned either: that is left to other threads, which may
/// wait for the lock.
#[test]
fn a_wait_under_a_lock_does_not_run_what_its_halves_spawned() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for _ in 0..20 {
            runtime.block_on(group(async |g| {
                let lock = g.keep(Mutex::new(()));
                g.compute(move || {
                    let _held = lock.lock().unwrap();
                    let spawned = AtomicBool::new(false);
                    let spawn = || {
                        g.compute(|| drop(lock.lock().unwrap()));
                    };
                    let spawns = || {
                        spawn();
                        spawned.store(true, SeqCst);
                        // The forker looks for something to help with.
                        (0..100).for_each(|_| thread::yield_now());
                    };
                    let waits = || {
                        spawn();
                        wait_until(|| spawned.load(SeqCst));
                    };
                    apart(waits, spawns);
                });
            }));
        }
    });
}

/// Sums of random trees, in which halves wait for tasks, tasks fork, and closures block, on few
/// threads and on many.
#[test]
fn trees_of_everything_add_up() {
    fn tree(seed: u64, depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let next =
            |n: u64| seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n) ^ (seed >> 29);
        let (left, right) = (next(1), next(2));
        match seed >> 33 & 7 {
            0 => {
                let child = async |seed| {
                    group(async |g| g.spawn(async move { Ok(tree(seed, depth - 1)) }).await).await
                };
                let (a, b) = join(|| child(left).wait(), || child(right).wait());
                a + b
            }
            1 => {
                let (mut a, mut b) = (0, 0);
                scope(|s| {
                    s.compute(|| a = tree(left, depth - 1));
                    b = tree(right, depth - 1);
                });
                a + b
            }
            2 => {
                let far = move || blocking(move || tree(left, depth - 1)).wait();
                let (a, b) = join(far, || tree(right, depth - 1));
                a + b
            }
            _ => {
                let (a, b) = join(|| tree(left, depth - 1), || tree(right, depth - 1));
                a + b
            }
        }
    }
    without_hanging(|| {
        for workers in [1, 2, 5] {
            let (runtime, _) = runtimes::workers(workers);
            for seed in 0..4 {
                let seed = u64::wrapping_mul(seed + 1, 0x9E37_79B9_7F4A_7C15);
                let sum =
                    runtime.block_on(group(async |g| g.compute(move || Ok(tree(seed, 8))).await));
                assert_eq!(sum, 1 << 8);
                let _entered = runtime.enter();
                assert_eq!(tree(seed, 8), 1 << 8);
            }
        }
    });
}

/// A thread that blocks for another runtime offers its halves first.
#[test]
fn halves_are_offered_before_a_wait_for_another_runtime() {
    without_hanging(|| {
        let ((outer, _), (inner, _)) = (workers(2), workers(1));
        let (begun, is_begun) = async_channel::bounded(1);
        outer.block_on(group(async move |g| {
            g.compute(move || {
                join(
                    || inner.block_on(is_begun.recv()).unwrap(),
                    || begun.try_send(()).unwrap(),
                );
            })
            .await;
        }));
    });
}

/// Where no thread can be had, a worker that waits for another runtime runs what there is as the
/// worker that it is.
#[test]
fn a_half_is_run_by_a_worker_that_waits_for_another_runtime() {
    without_hanging(|| {
        let named = |name: &str, workers| Runtime::builder().workers(workers).thread_name(name);
        let (outer, _) = noting(named("outer", 2).max_spares(FEW_SPARES));
        // The seat of a caller there is beyond all those of `outer`.
        let (inner, _) = noting(named("inner", 40));
        without_spares(&outer, || {
            let (gate, is_open) = async_channel::bounded::<()>(1);
            let flags: [AtomicBool; 3] = Default::default();
            let lent = (inner, flags, gate, is_open);
            outer.block_on(group_with(lent, async |g, lent| {
                let (inner, [begun, blocks, run], gate, is_open) = &*lent;
                g.compute(move || {
                    begun.store(true, SeqCst);
                    wait_until(|| blocks.load(SeqCst));
                    let forker = here();
                    let far = || {
                        run.store(true, SeqCst);
                        // The forker looks for something to help with.
                        (0..1_000).for_each(|_| thread::yield_now());
                        let name = thread::current().name().map(str::to_owned);
                        (here() != forker, name)
                    };
                    while {
                        run.store(false, SeqCst);
                        let (_, (far, name)) = join(|| until(|| run.load(SeqCst)).wait(), far);
                        assert!(name.is_some_and(|name| name.starts_with("outer-")));
                        !far
                    } {}
                    gate.try_send(()).unwrap();
                });
                until(|| begun.load(SeqCst)).await;
                g.compute(move || {
                    inner.block_on(group(async |h| {
                        // Takes a seat there.
                        h.spawn(async {});
                        blocks.store(true, SeqCst);
                        let _ = is_open.recv().await;
                    }));
                });
            }));
        });
    });
}
