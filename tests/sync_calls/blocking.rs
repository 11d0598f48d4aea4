//! Closures that block: they run on threads of their own, in the context of their group, and stall
//! no task.

mod ends;
mod line;

use crate::common::drops::on_drop;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{once, until, wait_until};
use crate::common::runtimes::{Seen, clocked, noting, one_by_one, workers};
use spinney::current::CancelKind;
use spinney::{Group, Runtime, TaskLocal, Wait, blocking, current, group, shield, try_group};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::thread;
use std::time::Duration;

/// A runtime with this many threads for blocking closures.
fn limited(workers: usize, blocking: usize) -> (Runtime, Seen) {
    noting(Runtime::builder().workers(workers).max_blocking(blocking))
}

/// The value and the panic of a closure come out, and it ran on no worker.
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

/// A cut waits for the closure, which sees it; its value is dropped.
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

/// Async code that a closure waits for belongs to the closure's group: cancel, deadline, task,
/// task-locals.
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

/// A wait that never sleeps counts as one after some polls. One inside it, which sleeps, begins no
/// second one, nor does it end the first.
#[test]
fn a_wait_inside_a_busy_wait_is_not_counted_apart() {
    without_hanging(|| {
        let (runtime, _) = limited(1, 1);
        runtime.block_on(group(async |g| {
            g.blocking(|| {
                let mut polls = 0;
                let busy = poll_fn(|cx| {
                    polls += 1;
                    if polls % 100 == 0 {
                        group(async |h| h.blocking(|| ()).await).wait();
                    }
                    cx.waker().wake_by_ref();
                    match polls {
                        300 => Poll::Ready(()),
                        _ => Poll::Pending,
                    }
                });
                busy.wait();
            })
            .await;
        }));
        assert_eq!(runtime.block_on(blocking(|| 1)), 1);
    });
}

/// A closure that computes is a task like any other: it runs on a worker, and a cut unwinds it
/// where it waits.
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
