//! `join`: both halves run to their end, wherever they run, in the context of the caller.

#![expect(unsafe_code, reason = "an allocator that counts")]

mod common;
mod support;

use common::{NEVER, NOW, noting, on_drop, panic_of, until, wait_until, without_spares, workers};
use spinney::{
    Group, Runtime, TaskLocal, Wait, blocking, current, group, group_with, join, scope, shield,
    try_group,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread::{self, ThreadId};
use support::without_hanging;

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls `join` until the second half is begun by another thread, which runs it beside `a`.
fn apart<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    let begun = AtomicBool::new(false);
    join(
        || {
            while !begun.load(SeqCst) {
                // Looks whether somebody is idle by now.
                join(|| (), thread::yield_now);
            }
            a()
        },
        || {
            begun.store(true, SeqCst);
            b()
        },
    )
}

fn here() -> ThreadId {
    thread::current().id()
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = join(|| fib(n - 1), || fib(n - 2));
    a + b
}

#[test]
fn it_works_on_any_thread() {
    let (runtime, _) = workers(2);
    assert_eq!(fib(15), 610);
    let fibs = runtime.block_on(group(async |g| {
        let on_a_worker = g.compute(|| Ok(fib(15)));
        let on_a_blocking_thread = g.blocking(|| Ok(fib(15)));
        let in_a_body = fib(15);
        let in_a_scope = scope(|s| s.compute(|| Ok(fib(15))).wait());
        [
            on_a_worker.await,
            on_a_blocking_thread.await,
            in_a_body,
            in_a_scope,
        ]
    }));
    assert_eq!(fibs, [610; 4]);
}

#[test]
fn halves_run_at_once_where_there_is_an_idle_worker() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let _entered = runtime.enter();
        let (a, b) = apart(here, here);
        assert_ne!(a, b);
        assert!(runtime.metrics().forks > 0);
        let (a, b) = runtime.block_on(group(async |g| g.compute(|| Ok(apart(here, here))).await));
        assert_ne!(a, b);
    });
}

/// Where nobody is idle nothing is published, and nothing is allocated.
#[test]
fn a_half_that_nobody_wants_costs_no_allocation() {
    let runtime = Runtime::builder()
        .workers(1)
        .callers_take_part(false)
        .build()
        .unwrap();
    let (sum, allocations) = runtime.block_on(group(async |g| {
        let count = || {
            let before = ALLOCATIONS.get();
            let sum = fib(12);
            Ok((sum, ALLOCATIONS.get() - before))
        };
        g.compute(count).await
    }));
    assert_eq!((sum, allocations), (144, 0));
    assert_eq!(runtime.metrics().forks, 0);
}

/// The panic of the first half comes out, that of the second goes to the hook; both halves were run.
#[test]
fn one_panic_comes_out_and_the_other_is_reported() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let _entered = runtime.enter();
        let ended = AtomicUsize::new(0);
        let text = panic_of(|| join(|| panic!("a"), || ended.fetch_add(1, SeqCst)));
        assert_eq!(text, "a");
        let text = panic_of(|| join(|| ended.fetch_add(1, SeqCst), || panic!("b")));
        assert_eq!(text, "b");
        assert_eq!((ended.load(SeqCst), seen.texts()), (2, vec![]));
        let text = panic_of(|| join(|| panic!("a"), || panic!("b")));
        assert_eq!((text.as_str(), seen.texts()), ("a", vec!["b".to_owned()]));
        let text = panic_of(|| apart(|| panic!("c"), || panic!("d")));
        assert_eq!((text.as_str(), seen.texts().len()), ("c", 2));
    });
}

/// A value that cannot be given to anybody is dropped, and a panic of its destructor is reported.
#[test]
fn the_value_beside_a_panic_is_dropped() {
    let (runtime, seen) = workers(1);
    let _entered = runtime.enter();
    let text = panic_of(|| join(|| on_drop(|| panic!("drop")), || panic!("b")));
    assert_eq!(
        (text.as_str(), seen.texts()),
        ("b", vec!["drop".to_owned()])
    );
}

static REQUEST: TaskLocal<u32> = TaskLocal::new();

#[derive(Debug, PartialEq)]
struct Context {
    task: Option<spinney::TaskId>,
    group: Option<String>,
    deadline: Option<std::time::Instant>,
    request: Option<u32>,
    is_cancelled: bool,
}

fn context() -> Context {
    Context {
        task: current::task_id(),
        group: current::group_path().map(|path| path.to_string()),
        deadline: current::deadline(),
        request: REQUEST.get(),
        is_cancelled: current::is_cancelled(),
    }
}

#[test]
fn both_halves_are_in_the_context_of_the_caller() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let checked = runtime.block_on(REQUEST.scope(
            7,
            try_group(async |g: Group<'_, '_, ()>| {
                g.deadline(common::SECOND * 1000, ());
                let child = g.compute(|| {
                    let caller = context();
                    // What the first half changes for itself is none of the second one's business.
                    let (a, b) = REQUEST.sync_scope(8, || {
                        let inner = context();
                        assert_eq!(apart(context, context), (inner, context()));
                        apart(|| REQUEST.sync_scope(9, context), context)
                    });
                    assert_eq!((a.request, b.request), (Some(9), Some(8)));
                    assert_eq!(apart(context, context), (context(), caller));
                    Ok(())
                });
                let caller = context();
                assert_eq!(apart(context, context), (context(), caller));
                child.await;
                Ok(())
            }),
        ));
        assert!(checked.is_ok());
        // Outside every group.
        let _entered = runtime.enter();
        assert_eq!(apart(context, context), (context(), context()));
        REQUEST.sync_scope(7, || {
            assert_eq!(apart(context, context), (context(), context()))
        });
    });
}

/// A future that is never ready, and says when it was polled first.
fn blocks(told: &AtomicBool) -> impl Future<Output = ()> + '_ {
    poll_fn(|_| {
        told.store(true, SeqCst);
        Poll::Pending
    })
}

/// A cut of the group unwinds the half that waits, on whatever thread, and the other one runs to its end.
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

/// Children that a half starts are run, although the forker does not run them on its stack.
#[test]
fn children_that_a_half_starts_are_run() {
    without_hanging(|| {
        for workers in 1..4 {
            let (runtime, _) = common::workers(workers);
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

/// A thread that waits for a half under a lock runs nothing that wants that lock. A pool whose waits run whatever there is
/// deadlocks here.
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

/// It does not run what its halves have spawned either: that is the business of others, who may wait for the lock.
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

/// Sums of random trees, in which halves wait for tasks, tasks fork, and closures block, on few threads and on many.
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
            let (runtime, _) = common::workers(workers);
            for seed in 0..6 {
                let seed = u64::wrapping_mul(seed + 1, 0x9E37_79B9_7F4A_7C15);
                let sum =
                    runtime.block_on(group(async |g| g.compute(move || Ok(tree(seed, 9))).await));
                assert_eq!(sum, 1 << 9);
                let _entered = runtime.enter();
                assert_eq!(tree(seed, 9), 1 << 9);
            }
        }
    });
}

/// Many threads from outside at once.
#[test]
fn callers_from_many_threads() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    let _entered = runtime.enter();
                    for _ in 0..200 {
                        assert_eq!(fib(11), 89);
                    }
                });
            }
        });
        runtime.shutdown(NEVER).unwrap();
    });
}

/// A runtime that ends while a caller from outside is in a `join` gives it its grace; without one the halves are run all the
/// same.
#[test]
fn a_join_outlives_its_runtime() {
    without_hanging(|| {
        for round in 0..100 {
            let (runtime, _) = workers(2);
            let begun = &AtomicBool::new(false);
            thread::scope(|threads| {
                let runtime = &runtime;
                threads.spawn(move || {
                    let _entered = runtime.enter();
                    let half = || {
                        begun.store(true, SeqCst);
                        fib(14)
                    };
                    assert_eq!(join(half, half), (377, 377));
                });
                wait_until(|| begun.load(SeqCst));
                let grace = if round % 2 == 0 { NOW } else { NEVER };
                runtime.shutdown(grace).unwrap();
            });
        }
    });
}

/// Halves belong to the runtime of free functions at the caller.
#[test]
fn halves_run_on_the_entered_runtime() {
    without_hanging(|| {
        let named = |name: &str| {
            Runtime::builder()
                .workers(2)
                .thread_name(name)
                .build()
                .unwrap()
        };
        let (outer, inner) = (named("outer"), named("inner"));
        let name = || thread::current().name().unwrap_or_default().to_owned();
        let (first, second) = outer.block_on(async {
            let first = apart(|| (), name).1;
            let _entered = inner.enter();
            (first, apart(|| (), name).1)
        });
        assert!(
            first.starts_with("outer-") && second.starts_with("inner-"),
            "{first}, {second}"
        );
    });
}

/// A half of a caller from outside that does not return is a straggler: the end of the worker that runs it is not waited for.
#[test]
fn a_half_that_does_not_return_is_a_straggler() {
    without_hanging(|| {
        for in_a_body in [true, false] {
            let (runtime, _) = workers(2);
            let (begun, gate) = (&AtomicBool::new(false), &AtomicBool::new(false));
            thread::scope(|threads| {
                let runtime = &runtime;
                threads.spawn(move || {
                    let both = || {
                        let waits = || {
                            begun.store(true, SeqCst);
                            wait_until(|| gate.load(SeqCst));
                        };
                        apart(|| (), waits);
                    };
                    match in_a_body {
                        true => runtime.block_on(async { both() }),
                        false => {
                            let _entered = runtime.enter();
                            both();
                        }
                    }
                });
                wait_until(|| begun.load(SeqCst));
                let stragglers = runtime.shutdown(NOW).unwrap_err();
                let names: Vec<_> = stragglers.iter().map(|one| one.name.as_deref()).collect();
                assert_eq!(names, [Some("a half of a `join` outside every task")]);
                gate.store(true, SeqCst);
            });
            runtime.shutdown(NEVER).unwrap();
        }
    });
}

/// A half may end the runtime, on whatever thread, also while the other one runs.
#[test]
fn a_half_ends_its_runtime() {
    without_hanging(|| {
        for first in [true, false] {
            let (runtime, _) = workers(2);
            let _entered = runtime.enter();
            let ends = || drop(runtime.shutdown(NEVER));
            let ((), ()) = match first {
                true => apart(ends, || assert_eq!(fib(10), 55)),
                false => apart(|| assert_eq!(fib(10), 55), ends),
            };
            runtime.shutdown(NEVER).unwrap();
        }
    });
}

/// A destructor that forks while its thread unwinds: where a wait on that thread would wait on, it does in the half of
/// another thread, too. A panic there would come out of the destructor and abort the process.
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

/// Where no thread can be had, a worker that waits for another runtime runs what there is as the worker that it is.
#[test]
fn a_half_is_run_by_a_worker_that_waits_for_another_runtime() {
    without_hanging(|| {
        let named = |name: &str, workers| Runtime::builder().workers(workers).thread_name(name);
        let (outer, _) = noting(named("outer", 2));
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
