//! A cut and a panic, where one half waits.

use super::apart;
use crate::common::drops::on_drop;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{until, wait_until};
use crate::common::runtimes::workers;
use spinney::{Group, Wait, current, group, shield, try_group};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

/// A future that is never ready, and says when it was polled first.
fn blocks(told: &AtomicBool) -> impl Future<Output = ()> + '_ {
    poll_fn(|_| {
        told.store(true, SeqCst);
        Poll::Pending
    })
}

/// A cut of the group unwinds the half that waits, on whatever thread, and the other one runs to
/// its end.
#[test]
fn a_cut_reaches_a_half_that_waits() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        for first in [true, false] {
            let ended = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&ended);
            let result =
                runtime.block_on(try_group(async move |g: Group<'_, '_, &'static str>| {
                    let (waits, told) = (g.keep(AtomicBool::new(false)), g.keep(told));
                    g.compute(move || {
                        let blocks = || blocks(waits).wait();
                        let works = || {
                            wait_until(current::is_cancelled);
                            told.store(true, SeqCst);
                        };
                        match first {
                            true => apart(blocks, works),
                            false => apart(works, blocks),
                        };
                    });
                    until(|| waits.load(SeqCst)).await;
                    Err::<(), _>("enough")
                }));
            assert_eq!(result.unwrap_err().into_first(), "enough");
            assert!(ended.load(SeqCst));
        }
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// A panic comes out rather than the private one of a cut.
#[test]
fn a_panic_outranks_a_cut() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let text = panic_of(|| {
            runtime.block_on(try_group(async |g: Group<'_, '_, ()>| {
                let waits = g.keep(AtomicBool::new(false));
                g.compute(|| {
                    apart(
                        || blocks(waits).wait(),
                        || {
                            wait_until(current::is_cancelled);
                            panic!("by a half");
                        },
                    );
                });
                until(|| waits.load(SeqCst)).await;
                Err::<(), _>(())
            }))
        });
        assert_eq!(text, "by a half");
        // The error that it outranks.
        assert_eq!(seen.texts(), ["?"]);
    });
}

/// A cut of the one task that forked does the same.
#[test]
fn a_cut_of_the_task_reaches_a_half_that_waits() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        runtime.block_on(group(async |g| {
            let waits = g.keep(AtomicBool::new(false));
            let victim = g.compute(|| {
                apart(|| (), || blocks(waits).wait());
            });
            until(|| waits.load(SeqCst)).await;
            assert!(victim.cancel().await.is_none());
            assert!(!current::is_cancelled());
        }));
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// Inside a shield nothing is unwound, on neither thread, also in the body of a group there.
#[test]
fn a_shield_covers_both_halves() {
    without_hanging(|| {
        for in_a_body in [true, false] {
            let (runtime, _) = workers(2);
            let both = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&both);
            runtime.block_on(group(async move |g| {
                let [begun, gate] = g.keep([const { AtomicBool::new(false) }; 2]);
                let count = g.keep(count);
                let victim = g.spawn(async move {
                    let half = || {
                        begun.store(true, SeqCst);
                        until(|| gate.load(SeqCst)).wait();
                        count.fetch_add(1, SeqCst)
                    };
                    let fork = || {
                        apart(half, half);
                    };
                    match in_a_body {
                        true => shield(g.group(async |_| fork())).await,
                        false => shield(async { fork() }).await,
                    }
                });
                until(|| begun.load(SeqCst)).await;
                let cut = victim.cancel();
                // Both look whether they are cut.
                for _ in 0..100 {
                    spinney::yield_now().await;
                }
                gate.store(true, SeqCst);
                cut.await;
            }));
            assert_eq!(both.load(SeqCst), 2);
        }
    });
}

/// A destructor that forks while its thread unwinds: where a wait on that thread would wait on, it
/// does in the half of another thread, too. A panic there would come out of the destructor and
/// abort the process.
#[test]
fn a_half_of_a_thread_that_unwinds_is_not_unwound() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let waited = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&waited);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, ()>| {
            let [begun, waits, half, gate] = g.keep([const { AtomicBool::new(false) }; 4]);
            let told = g.keep(told);
            g.blocking(|| {
                begun.store(true, SeqCst);
                wait_until(|| half.load(SeqCst));
                gate.store(true, SeqCst);
            });
            g.compute(|| {
                let _forks = on_drop(|| {
                    let waits_on = || {
                        half.store(true, SeqCst);
                        until(|| gate.load(SeqCst)).wait();
                        told.store(true, SeqCst);
                    };
                    apart(|| (), waits_on);
                });
                blocks(waits).wait();
            });
            until(|| begun.load(SeqCst) && waits.load(SeqCst)).await;
            Err::<(), _>(())
        }));
        assert!(result.is_err() && waited.load(SeqCst));
        assert_eq!(seen.texts(), [""; 0]);
    });
}
