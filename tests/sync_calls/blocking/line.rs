//! The line for threads: limits, cuts in it, closures that wait for closures.

use super::limited;
use crate::common::drops::on_drop;
use crate::common::durations::NOW;
use crate::common::hangs::without_hanging;
use crate::common::polls::{until, wait_until};
use crate::common::process::{alone, resident};
use crate::common::runtimes::noting;
use spinney::{Group, Runtime, Wait, blocking, group, sleep, try_group};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;

/// There are never more closures at once than there may be threads.
#[test]
fn never_more_at_once_than_threads_are_allowed() {
    let (runtime, _) = limited(2, 3);
    let most = runtime.block_on(group(async |g| {
        let running = g.keep(AtomicUsize::new(0));
        let most = g.keep(AtomicUsize::new(0));
        g.group(async |h| {
            for _ in 0..200 {
                h.blocking(|| {
                    most.fetch_max(1 + running.fetch_add(1, SeqCst), SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, SeqCst);
                });
            }
        })
        .await;
        most.load(SeqCst)
    }));
    assert!((1..=3).contains(&most), "{most} at once");
}

/// As many as there may be do run at once.
#[test]
fn as_many_at_once_as_threads_are_allowed() {
    without_hanging(|| {
        let (runtime, _) = limited(1, 5);
        runtime.block_on(group(async |g| {
            let all = g.keep(Barrier::new(5));
            for _ in 0..5 {
                g.blocking(|| {
                    all.wait();
                });
            }
        }));
    });
}

/// A closure that waits in line when it is cut is dropped uncalled, without waiting for those
/// before it.
#[test]
fn a_closure_that_is_cut_in_line_is_dropped_uncalled() {
    without_hanging(|| {
        let (runtime, _) = limited(2, 1);
        let (called, dropped) = (AtomicBool::new(false), AtomicUsize::new(0));
        runtime.block_on(spinney::group_with(
            (called, dropped),
            async |g, (called, dropped)| {
                let (called, dropped) = (&*called, &*dropped);
                let gate = g.keep(AtomicBool::new(false));
                let begun = g.keep(AtomicBool::new(false));
                let first = g.blocking(|| {
                    begun.store(true, SeqCst);
                    wait_until(|| gate.load(SeqCst));
                });
                until(|| begun.load(SeqCst)).await;
                // A single child, and a whole group, behind the one that holds the only thread.
                let guard = on_drop(|| {
                    dropped.fetch_add(1, SeqCst);
                });
                let alone = g.blocking(move || {
                    let _guard = guard;
                    called.store(true, SeqCst);
                });
                assert!(alone.cancel().await.is_none());
                assert_eq!(dropped.load(SeqCst), 1);
                let whole = g.try_group(async |h: Group<'_, '_, ()>| {
                    let guard = on_drop(|| {
                        dropped.fetch_add(1, SeqCst);
                    });
                    h.blocking(move || {
                        let _guard = guard;
                        called.store(true, SeqCst);
                    });
                    Err::<(), _>(())
                });
                assert!(whole.await.is_err());
                assert_eq!(dropped.load(SeqCst), 2);
                assert!(!first.is_finished());
                gate.store(true, SeqCst);
                first.await;
                assert!(!called.load(SeqCst));
            },
        ))
    });
}

/// Children that are cut while all threads are stuck leave the line at once: their memory is given
/// back, not only their captures.
#[test]
fn what_was_cut_in_line_does_not_pile_up() {
    alone(|| {
        let (runtime, _) = limited(1, 1);
        runtime.block_on(group(async |g| {
            let (begun, gate) = (
                g.keep(AtomicBool::new(false)),
                g.keep(AtomicBool::new(false)),
            );
            g.blocking(|| {
                begun.store(true, SeqCst);
                wait_until(|| gate.load(SeqCst));
            });
            until(|| begun.load(SeqCst)).await;
            // 16 KB each.
            let before = resident();
            for _ in 0..20_000 {
                let load = [7_u8; 1 << 14];
                let victim = g.blocking(move || {
                    std::hint::black_box(load);
                });
                victim.cancel().await;
            }
            let grown = resident().saturating_sub(before);
            gate.store(true, SeqCst);
            assert!(grown < 4 << 20, "{} MB more", grown >> 20);
        }));
    });
}

fn turns(levels: u32) -> u32 {
    match levels {
        0 => 0,
        _ => blocking(move || async move { blocking(move || turns(levels - 1)).await }.wait() + 1)
            .wait(),
    }
}

/// Async code, closures that block, async code ... nest, and four of these at once never deadlock,
/// although there may be one thread only.
#[test]
fn closures_that_wait_for_closures_do_not_deadlock() {
    without_hanging(|| {
        let (runtime, _) = limited(2, 1);
        let sum = runtime.block_on(group(async |g| {
            let all: Vec<_> = (0..4).map(|_| g.blocking(|| Ok(turns(3)))).collect();
            let mut sum = 0;
            for one in all {
                sum += one.await;
            }
            sum
        }));
        assert_eq!(sum, 12);
    });
}

/// A closure that waits without ever sleeping, because what it waits for wakes itself, does not
/// count either.
#[test]
fn a_closure_that_waits_busily_does_not_keep_its_thread_from_others() {
    without_hanging(|| {
        let (runtime, _) = limited(2, 1);
        runtime.block_on(group(async |g| {
            let done = g.keep(AtomicBool::new(false));
            g.blocking(move || {
                g.blocking(|| done.store(true, SeqCst));
                until(|| done.load(SeqCst)).wait();
            });
        }));
    });
}

/// A hundred closures that block leave tasks running, on as many threads and no more.
#[test]
fn many_blocked_closures_stall_no_task() {
    without_hanging(|| {
        let threads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&threads);
        let builder = Runtime::builder().workers(2).on_thread_start(move || {
            counted.fetch_add(1, SeqCst);
        });
        let (runtime, _) = noting(builder);
        runtime.block_on(group(async |g| {
            let all = g.keep(Barrier::new(101));
            for _ in 0..100 {
                g.blocking(|| {
                    all.wait();
                });
            }
            for _ in 0..1_000 {
                g.spawn(sleep(NOW)).await;
            }
            g.blocking(|| {
                all.wait();
            });
        }));
        assert!(threads.load(SeqCst) <= 101 + 2, "{threads:?} threads");
    });
}

/// Cancels that race with the line neither lose a closure nor call one twice.
#[test]
fn cancels_race_with_the_line() {
    without_hanging(|| {
        for round in 0..300 {
            let (runtime, _) = limited(2, 1 + round % 3);
            let dropped = Arc::new(AtomicUsize::new(0));
            let theirs = Arc::clone(&dropped);
            let result = runtime.block_on(try_group(async move |g: Group<'_, '_, ()>| {
                let mut cuts = Vec::new();
                for at in 0..30 {
                    let dropped = Arc::clone(&theirs);
                    let guard = on_drop(move || {
                        dropped.fetch_add(1, SeqCst);
                    });
                    let task = g.blocking(move || drop(guard));
                    if at % 3 == 0 {
                        cuts.push(task.cancel());
                    }
                }
                for cut in cuts {
                    cut.await;
                }
                if round % 2 == 0 { Err(()) } else { Ok(()) }
            }));
            assert_eq!(result.is_err(), round % 2 == 0);
            assert_eq!(dropped.load(SeqCst), 30);
        }
    });
}
