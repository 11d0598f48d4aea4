//! Progress: no task waits for a thread that is there, for a stranger's task, or for a turn that
//! never comes.

use crate::common::durations::SECOND;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{until, wait_until};
use crate::common::runtimes::{FEW_SPARES, noting, one_by_one, without_spares, workers};
use spinney::time::ManualClock;
use spinney::{Group, Runtime, Wait, group, sleep, yield_now};
use std::cell::Cell;
use std::future::{Future, pending};
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

/// No wake-up is lost, so as many tasks as workers run at the same time, from inside and from
/// outside.
#[test]
fn as_many_tasks_as_workers_run_at_once() {
    without_hanging(|| {
        for inside in [false, true] {
            let (runtime, _) = noting(Runtime::builder().workers(3).callers_take_part(false));
            for _ in 0..1_000 {
                let barrier = Arc::new(Barrier::new(3));
                runtime.block_on(group(async |g| {
                    let meet = move |g: Group<'_, '_>, others: usize| {
                        for _ in 0..others {
                            let barrier = Arc::clone(&barrier);
                            g.spawn(async move {
                                barrier.wait();
                            });
                        }
                        barrier
                    };
                    if inside {
                        g.spawn(async move {
                            meet(g, 2).wait();
                        });
                    } else {
                        drop(meet(g, 3));
                    }
                }));
            }
        }
    });
}

/// The order in which four new children begin, and go on after they have given way.
fn order_of_four(runtime: &Runtime) -> ([usize; 4], [usize; 4]) {
    let order = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&order);
    runtime.block_on(group(async move |g| {
        g.spawn(async move {
            for number in 0..4 {
                let noted = Arc::clone(&noted);
                g.spawn(async move {
                    noted.lock().unwrap().push(number);
                    yield_now().await;
                    noted.lock().unwrap().push(10 + number);
                });
            }
        });
    }));
    let order = order.lock().unwrap();
    let (woken, new): (Vec<_>, Vec<_>) = order.iter().partition(|number| **number >= 10);
    (new.try_into().unwrap(), woken.try_into().unwrap())
}

/// New children run newest first, woken ones in the order of their wakes, and no task is lost in
/// the overflow.
#[test]
fn new_children_run_newest_first_and_woken_ones_in_order() {
    without_hanging(|| {
        let (runtime, _) = noting(Runtime::builder().workers(1).callers_take_part(false));
        // A beat of the sentinel, once a millisecond, puts the oldest child first.
        let in_order =
            (0..100).filter(|_| order_of_four(&runtime) == ([3, 2, 1, 0], [13, 12, 11, 10]));
        assert!(in_order.count() > 50);
        let ran = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ran);
        runtime.block_on(group(async move |g| {
            g.spawn(async move {
                for _ in 0..10_000 {
                    let count = Arc::clone(&count);
                    g.spawn(async move {
                        count.fetch_add(1, SeqCst);
                    });
                }
            });
        }));
        assert_eq!(ran.load(SeqCst), 10_000);
    });
}

/// A body in `block_on` awaits one child. The caller takes part, but does not run the sibling,
/// which ends only after the body has gone on.
#[test]
fn a_caller_runs_no_sibling_of_what_it_waits_for() {
    without_hanging(|| {
        let (runtime, _) = noting(Runtime::builder().workers(2));
        for _ in 0..200 {
            runtime.block_on(group(async |g| {
                let begun = g.keep(AtomicBool::new(false));
                let over = g.keep(AtomicBool::new(false));
                let quick = g.spawn(until(|| begun.load(SeqCst)));
                g.spawn(async {
                    begun.store(true, SeqCst);
                    wait_until(|| over.load(SeqCst));
                });
                quick.await;
                over.store(true, SeqCst);
            }));
        }
    });
}

/// A caller takes part in what it waits for while a worker is idle. Where all are busy it is a thread
/// too many, and leaves the rest to them after some jobs.
#[test]
fn a_caller_leaves_what_it_waits_for_to_busy_workers() {
    without_hanging(|| {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let caller = thread::current().id();
        runtime.block_on(group(async |g| {
            let apart = g.keep(AtomicUsize::new(0));
            for _ in 0..8 {
                g.spawn(async move {
                    while apart.load(SeqCst) < 10_000 {
                        match thread::current().id() == caller {
                            true => apart.store(0, SeqCst),
                            false => _ = apart.fetch_add(1, SeqCst),
                        }
                        yield_now().await;
                    }
                });
            }
        }));
    });
}

/// A child that posts its successor again and again starves no other task, with one worker; the
/// order of posts is not promised (a channel keeps it).
#[test]
fn a_child_that_posts_itself_again_starves_nobody() {
    fn post(handle: spinney::GroupHandle<spinney::Never>, over: Arc<AtomicBool>) {
        if !over.load(SeqCst) {
            let next = (handle.clone(), Arc::clone(&over));
            let _ = handle.spawn(async move { post(next.0, next.1) });
        }
    }
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let over = Arc::new(AtomicBool::new(false));
        runtime.block_on(group(async |g| {
            post(g.handle(), Arc::clone(&over));
            let over = Arc::clone(&over);
            g.spawn(async move {
                for _ in 0..100 {
                    yield_now().await;
                }
                over.store(true, SeqCst);
            });
        }));
        let ran = Arc::new(AtomicUsize::new(0));
        runtime.block_on(group(async |g| {
            let (handle, count) = (g.handle(), Arc::clone(&ran));
            let poster = thread::spawn(move || {
                for _ in 0..1_000 {
                    let count = Arc::clone(&count);
                    handle
                        .spawn(async move {
                            count.fetch_add(1, SeqCst);
                        })
                        .unwrap_or_else(|_| unreachable!("the body is still there"));
                }
            });
            until(|| poster.is_finished()).await;
            poster.join().unwrap();
        }));
        assert_eq!(ran.load(SeqCst), 1_000);
    });
}

/// Tasks that block their worker in a wait leave the others running, with one worker.
#[test]
fn blocked_waits_leave_other_tasks_running() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let sum = runtime.block_on(group(async |g| {
            let (open, opened) = async_channel::bounded::<u32>(1);
            let mut waiting = Vec::new();
            for number in 0..20 {
                let opened = opened.clone();
                waiting.push(g.spawn(async move {
                    // Every second one blocks its thread.
                    if number % 2 == 0 {
                        Ok(opened.recv().wait().unwrap())
                    } else {
                        Ok(opened.recv().await.unwrap())
                    }
                }));
            }
            for number in 0..20 {
                open.send(number).await.unwrap();
                yield_now().await;
            }
            let mut sum = 0;
            for one in waiting {
                sum += one.await;
            }
            sum
        }));
        assert_eq!(sum, 190);
    });
}

/// One worker always finds something in its own queues, the other one is in a long job: what waits
/// behind that has every other turn.
#[test]
fn what_waits_behind_a_long_job_takes_turns_with_others() {
    const WAITING: usize = 1_000;
    without_hanging(|| {
        let builder = Runtime::builder().workers(2).callers_take_part(false);
        // Else a spare would stand in for the worker in the long job.
        let (runtime, _) = noting(builder.replace_stalled(false));
        let over = Arc::new(AtomicBool::new(false));
        let turns = Arc::new(AtomicUsize::new(0));
        runtime.block_on(group(async |g| {
            for _ in 0..8 {
                let (over, turns) = (Arc::clone(&over), Arc::clone(&turns));
                g.spawn(async move {
                    while !over.load(SeqCst) {
                        turns.fetch_add(1, SeqCst);
                        yield_now().await;
                    }
                });
            }
            g.spawn(async move {
                // Both workers are busy.
                until(|| turns.load(SeqCst) > 1_000).await;
                let ran = Arc::new(AtomicUsize::new(0));
                for _ in 0..WAITING {
                    let ran = Arc::clone(&ran);
                    g.spawn(async move {
                        ran.fetch_add(1, SeqCst);
                    });
                }
                let before = turns.load(SeqCst);
                while ran.load(SeqCst) < WAITING {
                    spin_loop();
                }
                let turns = turns.load(SeqCst) - before;
                // At one a beat, which is a millisecond, it would be thousands for each.
                assert!(turns < 100 * WAITING, "{turns} turns of others");
                over.store(true, SeqCst);
            });
        }));
    });
}

/// A caller that is never pending for long, while both workers are as busy: what it started runs
/// all the same.
#[test]
fn a_caller_that_gives_way_again_and_again_holds_up_nobody() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for _ in 0..20 {
            runtime.block_on(group(async |g| {
                let (begun, over) = g.keep((AtomicUsize::new(0), AtomicBool::new(false)));
                for _ in 0..8 {
                    g.spawn(async move {
                        begun.fetch_add(1, SeqCst);
                        until(|| over.load(SeqCst)).await;
                    });
                }
                until(|| begun.load(SeqCst) > 4).await;
                g.spawn(async move { over.store(true, SeqCst) });
                until(|| over.load(SeqCst)).await;
            }));
        }
    });
}

/// A child that waits, by polling, for what only its own worker can run.
fn wait_on(runtime: &Runtime) {
    runtime.block_on(group(async |g| {
        let over = g.keep(AtomicBool::new(false));
        g.spawn(async move {
            g.spawn(async move {
                yield_now().await;
                over.store(true, SeqCst);
            });
            until(|| over.load(SeqCst)).wait();
        });
    }));
}

/// The same in a blocking wait on the only worker, also when no spare can be had for it.
#[test]
fn a_blocking_wait_that_never_sleeps_holds_up_nobody() {
    without_hanging(|| {
        let (runtime, _) = one_by_one();
        wait_on(&runtime);
        assert!(runtime.metrics().spares > 0);
        let (runtime, _) = noting(Runtime::builder().workers(1).max_spares(FEW_SPARES));
        without_spares(&runtime, || {
            let before = runtime.metrics();
            wait_on(&runtime);
            let after = runtime.metrics();
            assert_eq!(after.spares, before.spares);
            assert!(after.last_resorts > before.last_resorts);
        });
    });
}

/// A spare that is not needed any more runs what was woken on its seat before it leaves: in the
/// queue for outsiders that would wait once more, behind all that waits there.
#[test]
fn a_spare_runs_what_it_woke_before_it_leaves() {
    without_hanging(|| {
        let (runtime, _) = one_by_one();
        runtime.block_on(group(async |g| {
            let (end, ended) = async_channel::bounded::<()>(1);
            let (wake, woken) = async_channel::bounded::<()>(1);
            let (tell_back, back) = mpsc::channel();
            let (tell, told) = mpsc::channel();
            g.spawn(async move {
                ended.recv().wait().unwrap();
                tell_back.send(()).unwrap();
                told.recv().unwrap(); // it keeps the worker until the other one has run
            });
            wait_until(|| runtime.metrics().spares == 1);
            g.spawn(async move {
                woken.recv().await.unwrap();
                tell.send(()).unwrap();
            });
            g.spawn(async move {
                end.try_send(()).unwrap();
                back.recv().unwrap(); // the worker waits no longer
                wake.try_send(()).unwrap();
            });
        }));
        assert_eq!(runtime.metrics().spares, 1);
    });
}

/// Whether the kernel has the thread of this number asleep.
#[cfg(target_os = "linux")]
fn sleeps(thread: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.starts_with('S')
}

/// A worker that waits, and for which no spare can be had, sleeps when there is nothing to run. A
/// new job, a timer and the end of its wait all wake it.
#[cfg(target_os = "linux")]
#[test]
fn a_blocked_worker_without_a_spare_sleeps() {
    without_hanging(|| {
        let clock = ManualClock::new();
        let builder = Runtime::builder().workers(1).max_spares(0).clock(&clock);
        let (runtime, _) = noting(builder.callers_take_part(false));
        let (tell, told) = mpsc::channel();
        let (end, ended) = async_channel::bounded::<()>(1);
        let caller = thread::current().id();
        runtime.block_on(group(async |g| {
            let waits = g.spawn(async move {
                let link = std::fs::read_link("/proc/thread-self").unwrap();
                tell.send(link.file_name().unwrap().to_str().unwrap().to_owned())
                    .unwrap();
                ended.recv().wait().unwrap();
                Ok(thread::current().id())
            });
            let thread = told.recv().unwrap();
            wait_until(|| sleeps(&thread));
            let other = g.spawn(async { Ok(thread::current().id()) }).await;
            wait_until(|| sleeps(&thread));
            let timed = g.spawn(async {
                sleep(SECOND).await;
                Ok(thread::current().id())
            });
            wait_until(|| runtime.metrics().live_timers == 1 && sleeps(&thread));
            clock.advance(SECOND);
            assert_eq!(timed.await, other);
            wait_until(|| sleeps(&thread));
            end.try_send(()).unwrap();
            assert_eq!(waits.await, other, "on the stack of the worker that waits");
            assert_ne!(other, caller);
        }));
        assert_eq!(runtime.metrics().last_resorts, 1);
        assert_eq!(runtime.metrics().spares, 0);
    });
}

/// However a wait on a worker ended, its spare leaves: the worker is counted as blocked no longer
/// than it is.
#[test]
fn spares_leave_when_nobody_is_blocked() {
    without_hanging(|| {
        let left = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&left);
        let count = move || {
            counter.fetch_add(1, SeqCst);
        };
        let builder = Runtime::builder().workers(1).callers_take_part(false);
        let builder = builder.max_spares(FEW_SPARES);
        let (runtime, _) = noting(builder.on_thread_stop(count));
        let sleeps = || {
            runtime.block_on(group(async |g| {
                g.spawn(async move {
                    let (sender, receiver) = async_channel::bounded::<()>(1);
                    g.spawn(async move {
                        yield_now().await;
                        sender.send(()).await.unwrap();
                    });
                    receiver.recv().wait().unwrap();
                });
            }));
        };
        let panics = || {
            let wait = group(async |g| {
                g.spawn(async {
                    let mut polls = 0;
                    let spins = std::future::poll_fn(|cx| {
                        polls += 1;
                        assert!(polls < 100, "enough");
                        cx.waker().wake_by_ref();
                        std::task::Poll::<()>::Pending
                    });
                    spins.wait();
                });
            });
            assert_eq!(panic_of(|| runtime.block_on(wait)), "enough");
        };
        let finds_none = || without_spares(&runtime, || wait_on(&runtime));
        for wait in [&sleeps as &dyn Fn(), &panics, &finds_none, &|| {
            wait_on(&runtime)
        }] {
            for _ in 0..3 {
                wait();
            }
            // A spare that sleeps leaves when it is woken next.
            while (left.load(SeqCst) as u64) < runtime.metrics().spares {
                runtime.block_on(group(async |g| {
                    g.spawn(yield_now());
                    g.spawn(yield_now());
                }));
            }
        }
        assert!(runtime.metrics().spares > 0);
    });
}

fn fib(n: u32) -> Pin<Box<dyn Future<Output = Result<u64, spinney::Never>> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return Ok(u64::from(n));
        }
        Ok(group(async move |g| {
            let left = g.spawn(fib(n - 1));
            let right = fib(n - 2).await.unwrap_or(0);
            left.await + right
        })
        .await)
    })
}

/// A recursion in which each call opens a group gives the exact sum, on one to four workers.
#[test]
fn recursive_groups_give_the_exact_sum_on_any_number_of_workers() {
    without_hanging(|| {
        for count in 1..=4 {
            let (runtime, _) = workers(count);
            assert_eq!(runtime.block_on(fib(16)), Ok(987));
        }
    });
}

/// Blocking waits that nest a few hundred deep, each on the worker of the one before.
#[test]
fn nested_blocking_waits_do_not_overflow_the_stack() {
    fn deep(left: usize) -> usize {
        if left == 0 {
            return 0;
        }
        group(async move |g| g.spawn(async move { Ok(deep(left - 1) + 1) }).await).wait()
    }
    without_hanging(|| {
        // A level takes 10 KiB if nothing is optimized, and all may be on one thread.
        let builder = Runtime::builder().workers(2).callers_take_part(false);
        let (runtime, _) = noting(builder.stack_size(4 << 20));
        let value = runtime.block_on(group(async |g| g.spawn(async { Ok(deep(300)) }).await));
        assert_eq!(value, 300);
    });
}

/// A task that waits for a group runs no stranger in between, so a thread local stays as it was.
#[test]
fn a_blocking_wait_runs_no_stranger() {
    thread_local! {
        static WAITS: Cell<bool> = const { Cell::new(false) };
    }
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for _ in 0..50 {
            let met = Arc::new(AtomicUsize::new(0));
            runtime.block_on(group(async |g| {
                let met = Arc::clone(&met);
                g.spawn(async move {
                    for _ in 0..20 {
                        let met = Arc::clone(&met);
                        g.spawn(async move {
                            if WAITS.get() {
                                met.fetch_add(1, SeqCst);
                            }
                        });
                    }
                    WAITS.set(true);
                    group(async |h| {
                        for _ in 0..20 {
                            h.spawn(yield_now());
                        }
                    })
                    .wait();
                    WAITS.set(false);
                });
            }));
            assert_eq!(met.load(SeqCst), 0);
        }
        assert_eq!(runtime.metrics().last_resorts, 0);
    });
}

/// A wait for one group is not held up by a long task of another one.
#[test]
fn a_wait_is_not_held_up_by_a_task_of_another_group() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let (release, released) = mpsc::channel::<()>();
        runtime.block_on(group(async |g| {
            g.spawn(async move {
                // Newest first: it is next on this worker, and ends only when the wait has.
                g.spawn(async move {
                    released.recv().unwrap();
                });
                group(async |h| {
                    for _ in 0..10 {
                        h.spawn(yield_now());
                    }
                })
                .wait();
                release.send(()).unwrap();
            });
        }));
    });
}

/// Eight threads spawn into two groups and wait for groups of their own, many times, and none
/// hangs.
#[test]
fn spawns_and_waits_from_many_threads_do_not_hang() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let ran = Arc::new(AtomicUsize::new(0));
        runtime.block_on(group(async |g| {
            let (first, second) = (g.handle(), g.handle());
            let inner = g.group(async |h| {
                let third = h.handle();
                thread::scope(|threads| {
                    for _ in 0..8 {
                        let handles = [first.clone(), second.clone(), third.clone()];
                        let (runtime, ran) = (&runtime, Arc::clone(&ran));
                        threads.spawn(move || {
                            for round in 0..500 {
                                let count = Arc::clone(&ran);
                                let posted = handles[round % 3].spawn(async move {
                                    count.fetch_add(1, SeqCst);
                                });
                                assert!(posted.is_ok());
                                let count = Arc::clone(&ran);
                                runtime.block_on(group(async move |k| {
                                    k.spawn(async move {
                                        count.fetch_add(1, SeqCst);
                                    });
                                }));
                            }
                        });
                    }
                });
            });
            inner.await;
        }));
        assert_eq!(ran.load(SeqCst), 8_000);
    });
}

/// A blocked caller runs children in place, but no service: one that blocks there would keep the
/// body from ending, and ends after it.
#[test]
fn a_service_that_blocks_does_not_stand_on_the_stack_of_its_body() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        async fn with_service() {
            group(async |g| {
                let child = g.spawn(async {});
                // The newest, so it is next on the caller's own queue.
                g.service(async { pending::<()>().wait() });
                child.await;
            })
            .await;
        }
        for _ in 0..50 {
            runtime.block_on(with_service());
            runtime.block_on(group(async |g| {
                g.spawn(async { with_service().wait() });
            }));
        }
    });
}
