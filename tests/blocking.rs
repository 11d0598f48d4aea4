//! Closures that block: they run on threads of their own, in the context of their group, and stall nobody.

mod common;
mod support;

use common::{
    NEVER, NOW, Seen, clocked, noting, on_drop, once, one_by_one, panic_of, until, wait_until,
    workers,
};
use spinney::{
    CancelKind, Group, Runtime, TaskLocal, Wait, blocking, current, group, shield, sleep, try_group,
};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;
use support::without_hanging;

/// A runtime with this many threads for blocking closures.
fn limited(workers: usize, blocking: usize) -> (Runtime, Seen) {
    noting(Runtime::builder().workers(workers).max_blocking(blocking))
}

/// Case 184: the value and the panic of a closure come out, and it ran on no worker.
#[test]
fn a_closure_runs_on_a_thread_of_its_own() {
    let (runtime, _) = workers(1);
    let name = runtime.block_on(blocking(|| thread::current().name().map(str::to_owned)));
    assert_eq!(name.as_deref(), Some("spinney-blocking"));
    let text = panic_of(|| runtime.block_on(blocking(|| panic!("by the closure"))));
    assert_eq!(text, "by the closure");
}

#[test]
fn a_closure_that_fails_ends_its_group() {
    let (runtime, _) = workers(1);
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, String>| {
        g.blocking(|| Err::<(), _>("no".to_owned()));
        pending::<()>().await;
        Ok(())
    }));
    let errors = result.unwrap_err();
    let entry = errors.entries().next().unwrap();
    assert_eq!(
        (entry.error.as_str(), entry.location.file()),
        ("no", file!())
    );
}

#[test]
fn closures_borrow_what_their_group_keeps() {
    let (runtime, _) = workers(1);
    let both = runtime.block_on(group(async |g| {
        let numbers = g.keep(vec![1, 2, 3]);
        let sum = g.blocking(|| Ok(numbers.iter().sum::<i32>()));
        let count = g.compute(|| Ok(numbers.len()));
        (sum.await, count.await)
    }));
    assert_eq!(both, (6, 3));
}

/// Case 180: never more closures at once than there may be threads.
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

/// Case 187: what waits in line when it is cut is dropped uncalled, without waiting for those before it.
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

/// Children that were cut while all threads are stuck do not pile up: their memory is given back, not only their captures.
#[test]
fn what_was_cut_in_line_does_not_pile_up() {
    without_hanging(|| {
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
                let victim = g.blocking(move || drop(std::hint::black_box(load)));
                victim.cancel().await;
            }
            let grown = resident().saturating_sub(before);
            gate.store(true, SeqCst);
            assert!(grown < 100 << 20, "{} MB more", grown >> 20);
        }));
    });
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn a_closure_in_a_cancelled_group_is_born_cancelled() {
    let (runtime, _) = workers(1);
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
        g.cancel("over");
        let dropped = g.keep(AtomicBool::new(false));
        let guard = on_drop(|| dropped.store(true, SeqCst));
        g.blocking(move || drop(guard));
        assert!(dropped.load(SeqCst));
        Ok(())
    }));
    assert_eq!(result.unwrap_err().into_first(), "over");
}

/// Case 185: a cut waits for the closure, which sees it; its value is dropped.
#[test]
fn a_cut_waits_for_the_closure_and_the_closure_sees_it() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
            let begun = g.keep(AtomicBool::new(false));
            let over = g.keep(AtomicBool::new(false));
            g.defer(async { assert!(over.load(SeqCst), "the group waited for the closure") });
            g.blocking(|| {
                begun.store(true, SeqCst);
                wait_until(current::is_cancelled);
                let reason = current::cancel_reason().unwrap();
                assert_eq!(reason.kind(), CancelKind::BodyFailed);
                over.store(true, SeqCst);
            });
            until(|| begun.load(SeqCst)).await;
            Err::<(), _>("enough")
        }));
        assert_eq!(result.unwrap_err().into_first(), "enough");
    });
}

/// A future that is dropped early, by a `select!` say, leaves the closure to the group around it.
#[test]
fn a_future_that_is_dropped_early_leaves_its_closure_to_the_group_around() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let over = Arc::new(AtomicBool::new(false));
        let (gate, begun) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        runtime.block_on(group(async |_| {
            let mut call = Box::pin({
                let (over, gate, begun) =
                    (Arc::clone(&over), Arc::clone(&gate), Arc::clone(&begun));
                blocking(move || {
                    begun.store(true, SeqCst);
                    wait_until(|| gate.load(SeqCst));
                    over.store(true, SeqCst);
                })
            });
            assert!(once(call.as_mut()).await.is_pending());
            until(|| begun.load(SeqCst)).await;
            drop(call);
            assert!(!over.load(SeqCst));
            gate.store(true, SeqCst);
        }));
        assert!(over.load(SeqCst));
    });
}

/// A shield holds the cut back until the closure has answered.
#[test]
fn a_shielded_closure_is_awaited() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let answer = Arc::new(AtomicUsize::new(0));
        runtime.block_on(group(async |g| {
            let (begun, gate) = (
                Arc::new(AtomicBool::new(false)),
                Arc::new(AtomicBool::new(false)),
            );
            let (told, held, into) = (Arc::clone(&begun), Arc::clone(&gate), Arc::clone(&answer));
            let victim = g.spawn(async move {
                let call = blocking(move || {
                    told.store(true, SeqCst);
                    wait_until(|| held.load(SeqCst));
                    assert!(!current::is_cancelled());
                    7
                });
                into.store(shield(call).await, SeqCst);
                pending::<()>().await;
            });
            until(|| begun.load(SeqCst)).await;
            let mut cut = pin!(victim.cancel());
            assert!(once(cut.as_mut()).await.is_pending());
            gate.store(true, SeqCst);
            assert!(cut.await.is_none());
        }));
        assert_eq!(answer.load(SeqCst), 7);
    });
}

static REQUEST: TaskLocal<u32> = TaskLocal::new();

/// Case 189: async code that a closure waits for belongs to the closure's group: cancel, deadline, task, task-locals.
#[test]
fn async_code_that_a_closure_waits_for_is_in_its_group() {
    let (runtime, _, _) = clocked(1);
    runtime
        .block_on(REQUEST.scope(
            7,
            try_group(async |g: Group<'_, '_, ()>| {
                g.deadline(Duration::from_secs(5), ());
                let (deadline, path) = (current::deadline(), current::group_path());
                let closure = g.blocking(move || {
                    let (task, path_here) = (current::task_id(), current::group_path());
                    async {
                        assert_eq!(current::task_id(), task);
                        assert_eq!(current::group_path(), path_here);
                        assert_eq!(current::deadline(), deadline);
                        assert_eq!(REQUEST.get(), Some(7));
                    }
                    .wait();
                    Ok((task, path_here))
                });
                let id = closure.id();
                assert_eq!(closure.await, (Some(id), path));
                Ok(())
            }),
        ))
        .unwrap();
}

/// What a closure waits for is cut with its group, and the wait is unwound.
#[test]
fn a_cut_unwinds_a_closure_that_waits() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(1);
        let unwound = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&unwound);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, &'static str>| {
            let waits = g.keep(AtomicBool::new(false));
            let told = g.keep(told);
            g.deadline(Duration::from_secs(1), "late");
            g.blocking(|| {
                let _guard = on_drop(|| told.store(true, SeqCst));
                poll_fn(|_| {
                    waits.store(true, SeqCst);
                    Poll::<()>::Pending
                })
                .wait();
            });
            until(|| waits.load(SeqCst)).await;
            clock.advance(Duration::from_secs(1));
            pending::<Result<(), _>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), "late");
        assert!(unwound.load(SeqCst));
        assert_eq!(seen.texts(), [""; 0]);
    });
}

fn turns(levels: u32) -> u32 {
    match levels {
        0 => 0,
        _ => blocking(move || async move { blocking(move || turns(levels - 1)).await }.wait() + 1)
            .wait(),
    }
}

/// Case 190: async, blocking, async, blocking ... nests, and four of these at once never deadlock, although there may be one
/// thread only.
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

/// A closure that waits without ever sleeping, because what it waits for wakes itself, does not count either.
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

/// Case 211: a hundred closures that block leave tasks running, on as many threads and no more.
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

/// A closure that does not return is a straggler, by name and place; when it does return, the runtime ends.
#[test]
fn a_closure_that_does_not_return_is_a_straggler() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let gate = Arc::new(Barrier::new(2));
        let (begun, is_begun) = std::sync::mpsc::channel();
        let held = Arc::clone(&gate);
        let mut call = Box::pin({
            let _in_it = runtime.enter();
            blocking(move || {
                begun.send(()).unwrap();
                held.wait();
            })
        });
        {
            let _in_it = runtime.enter();
            assert!(common::poll_alone(call.as_mut()).is_pending());
        }
        is_begun.recv().unwrap();
        let stragglers = runtime.shutdown(NOW).unwrap_err();
        let places: Vec<_> = stragglers.iter().map(|one| one.location.file()).collect();
        assert_eq!(places, [file!()]);
        gate.wait();
        drop(call);
        runtime.shutdown(NEVER).unwrap();
    });
}

/// An orderly shutdown returns after the last of these threads has left.
#[test]
fn threads_have_left_after_a_shutdown() {
    let count = Arc::new(AtomicUsize::new(0));
    let (up, down) = (Arc::clone(&count), Arc::clone(&count));
    let builder = Runtime::builder()
        .workers(1)
        .on_thread_start(move || {
            up.fetch_add(1, SeqCst);
        })
        .on_thread_stop(move || {
            down.fetch_sub(1, SeqCst);
        });
    let (runtime, _) = noting(builder);
    runtime.block_on(group(async |g| {
        let all = g.keep(Barrier::new(4));
        for _ in 0..4 {
            g.blocking(|| {
                all.wait();
            });
        }
    }));
    // Perhaps not the worker yet.
    assert!(count.load(SeqCst) >= 4);
    runtime.shutdown(NEVER).unwrap();
    assert_eq!(count.load(SeqCst), 0);
}

/// Ends its runtime when it is woken.
struct Ends(Arc<Runtime>, Mutex<Option<usize>>);

impl Wake for Ends {
    fn wake(self: Arc<Self>) {
        let stragglers = self
            .0
            .shutdown(NEVER)
            .map_or_else(|named| named.len(), |()| 0);
        *self.1.lock().unwrap() = Some(stragglers);
    }
}

/// A foreign waker that is called on such a thread is inside the runtime: to end it from there only requests that.
#[test]
fn a_waker_ends_the_runtime_on_whose_thread_it_is_called() {
    without_hanging(|| {
        let runtime = Arc::new(workers(1).0);
        let ends = Arc::new(Ends(Arc::clone(&runtime), Mutex::default()));
        let gate = Arc::new(Barrier::new(2));
        let held = Arc::clone(&gate);
        let mut call = pin!(blocking(move || {
            held.wait();
        }));
        let waker = Waker::from(Arc::clone(&ends));
        {
            let _in_it = runtime.enter();
            let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        gate.wait();
        wait_until(|| ends.1.lock().unwrap().is_some());
        assert_eq!(*ends.1.lock().unwrap(), Some(1));
        runtime.shutdown(NEVER).unwrap();
    });
}

/// The same goes for the hooks of such a thread.
#[test]
fn a_hook_ends_the_runtime_whose_thread_begins_or_ends() {
    without_hanging(|| {
        for at_start in [true, false] {
            let slot = Arc::new(Mutex::new(None::<Arc<Runtime>>));
            let asked = Arc::new(AtomicUsize::new(0));
            let (theirs, count) = (Arc::clone(&slot), Arc::clone(&asked));
            let hook = move || {
                if thread::current().name() != Some("spinney-blocking") {
                    return;
                }
                let runtime = theirs.lock().unwrap().take();
                if let Some(runtime) = runtime {
                    // From inside: what is there is named, or it had ended.
                    drop(runtime.shutdown(NEVER));
                    count.fetch_add(1, SeqCst);
                }
            };
            let builder = Runtime::builder().workers(1);
            let builder = match at_start {
                true => builder.on_thread_start(hook),
                false => builder.on_thread_stop(hook),
            };
            let runtime = Arc::new(noting(builder).0);
            *slot.lock().unwrap() = Some(Arc::clone(&runtime));
            let call = std::panic::AssertUnwindSafe(|| runtime.block_on(blocking(|| ())));
            let ended = std::panic::catch_unwind(call);
            assert_eq!(ended.is_err(), at_start);
            runtime.shutdown(NEVER).unwrap();
            assert_eq!(asked.load(SeqCst), 1);
        }
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

/// A closure that computes is a task like any other: it runs on a worker, and a cut unwinds it where it waits.
#[test]
fn a_closure_that_computes_runs_on_a_worker() {
    without_hanging(|| {
        let (runtime, _) = one_by_one();
        let name = runtime.block_on(group(async |g| {
            g.compute(|| Ok(thread::current().name().map(str::to_owned)))
                .await
        }));
        assert!(
            name.is_some_and(|name| name.starts_with("spinney-") && !name.contains("blocking"))
        );
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u32>| {
            let waits = g.keep(AtomicBool::new(false));
            g.compute(|| {
                poll_fn(|_| {
                    waits.store(true, SeqCst);
                    Poll::<()>::Pending
                })
                .wait();
            });
            until(|| waits.load(SeqCst)).await;
            Err::<(), _>(5)
        }));
        assert_eq!(result.unwrap_err().into_first(), 5);
    });
}
