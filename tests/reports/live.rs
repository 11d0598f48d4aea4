//! Live tasks, groups and timers are counted while they live, and not a moment longer for a caller
//! that learns of their end.

use crate::common::durations::{NEVER, NOW, SECOND};
use crate::common::hangs::without_hanging;
use crate::common::panics;
use crate::common::polls::{once, poll_alone, until};
use crate::common::runtimes::{
    self, FEW_SPARES, clocked, noting, one_by_one, without_spares, workers,
};
use spinney::runtime::Metrics;
use spinney::{
    Group, GroupBuilder, Runtime, Wait, group, race, scope, shield, sleep, timeout, try_group,
    yield_now,
};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// Tasks, groups, timers.
fn live(runtime: &Runtime) -> [u64; 3] {
    let Metrics {
        live_tasks,
        live_groups,
        live_timers,
        ..
    } = runtime.metrics();
    [live_tasks, live_groups, live_timers]
}

#[test]
fn what_is_open_is_counted() {
    without_hanging(|| {
        for workers in 1..=3 {
            let (runtime, _, _) = clocked(workers);
            assert_eq!(live(&runtime), [0, 0, 0]);
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
                assert_eq!(live(&runtime), [0, 1, 0]);
                for tasks in 1..=100 {
                    g.spawn(pending::<Result<(), _>>());
                    assert_eq!(live(&runtime), [tasks, 1, 0]);
                }
                g.service(pending::<Result<(), _>>());
                g.spawn(async { group(async |_| pending::<()>().await).await });
                until(|| live(&runtime) == [102, 2, 0]).await;
                let mut asleep = Box::pin(sleep(SECOND));
                assert_eq!(live(&runtime), [102, 2, 0], "it counts from its first poll");
                assert!(once(asleep.as_mut()).await.is_pending());
                g.deadline(SECOND, "late");
                assert_eq!(live(&runtime), [102, 2, 2]);
                drop(asleep);
                assert_eq!(live(&runtime), [102, 2, 1]);
                Err::<(), _>("enough")
            }));
            assert!(result.is_err());
            assert_eq!(live(&runtime), [0, 0, 0]);
        }
    });
}

/// A caller that has awaited something does not find it alive: no moment lies between.
#[test]
fn what_has_ended_is_counted_no_more() {
    without_hanging(|| {
        let (runtime, _) = workers(3);
        for _ in 0..1_000 {
            runtime.block_on(group(async |g| {
                g.spawn(async { yield_now().await }).await;
                assert_eq!(live(&runtime), [0, 1, 0]);
                g.group(async |inner| {
                    for _ in 0..3 {
                        inner.spawn(async { yield_now().await });
                    }
                    inner.service(pending::<Result<(), _>>());
                    inner.defer(yield_now());
                })
                .await;
                assert_eq!(live(&runtime), [0, 1, 0]);
                let won = race([1, 2, 3].map(|number| async move {
                    yield_now().await;
                    Ok::<_, ()>(number)
                }));
                assert!(won.await.is_ok());
                assert_eq!(live(&runtime), [0, 1, 0]);
                let task = g.spawn(pending::<Result<(), _>>());
                assert!(task.cancel().await.is_none());
                assert_eq!(live(&runtime), [0, 1, 0]);
            }));
            assert_eq!(live(&runtime), [0, 0, 0]);
        }
    });
}

/// A level is read while tasks begin on one seat and end on another: it never loses the ones that
/// stay.
#[test]
fn no_reading_is_too_low() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let (over, readings) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|threads| {
            threads.spawn(|| {
                while runtime.metrics().live_tasks < 10 {
                    thread::yield_now();
                }
                loop {
                    let now = live(&runtime);
                    if over.load(SeqCst) {
                        break;
                    }
                    assert!(now[0] >= 10 && now[1] >= 1, "{now:?}");
                    readings.fetch_add(1, SeqCst);
                }
            });
            let ended = runtime.block_on(try_group(async |g: Group<'_, '_, ()>| {
                for _ in 0..10 {
                    g.spawn(pending::<Result<(), _>>());
                }
                for _ in 0..20_000 {
                    g.spawn(async { Ok(()) });
                }
                g.group(async |h| {
                    for _ in 0..20_000 {
                        h.spawn(async {});
                    }
                })
                .await;
                // The reader may have been without a processor until now.
                until(|| readings.load(SeqCst) > 0).await;
                over.store(true, SeqCst);
                Err::<(), _>(())
            }));
            assert!(ended.is_err());
        });
        assert_eq!(live(&runtime), [0, 0, 0]);
    });
}

#[test]
fn threads_without_a_seat_count_too() {
    without_hanging(|| {
        let (runtime, _) = one_by_one();
        runtime.block_on(group(async |g| {
            // The caller does not take part, and has no seat.
            g.spawn(async { yield_now().await });
            let (release, released) = async_channel::bounded::<()>(1);
            let handle = g.handle();
            let outsider = thread::spawn(move || {
                for _ in 0..10 {
                    let released = released.clone();
                    let child = async move { _ = released.recv().await };
                    assert!(handle.spawn(child).is_ok());
                }
            });
            outsider.join().unwrap();
            until(|| live(&runtime) == [10, 1, 0]).await;
            drop(release);
        }));
        assert_eq!(live(&runtime), [0, 0, 0]);
    });
}

#[test]
fn what_is_born_cancelled_is_never_alive() {
    without_hanging(|| {
        let (runtime, _) = one_by_one();
        let ended = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            g.cancel("over");
            for _ in 0..10 {
                g.spawn(pending::<Result<(), _>>());
            }
            assert_eq!(live(&runtime), [0, 1, 0]);
            Ok(())
        }));
        assert!(ended.is_err());
        assert_eq!(live(&runtime), [0, 0, 0]);
    });
}

/// A group is polled in one that ends, and goes on elsewhere.
#[test]
fn a_group_that_is_adopted_is_counted_once() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let mut open = Box::pin(group(async |h| {
                yield_now().await;
                h.spawn(async { yield_now().await }).await;
            }));
            g.group(async |_| assert!(once(open.as_mut()).await.is_pending()))
                .await;
            assert_eq!(live(&runtime), [0, 2, 0]);
            open.await;
            assert_eq!(live(&runtime), [0, 1, 0]);
        }));
        assert_eq!(live(&runtime), [0, 0, 0]);
    });
}

/// A group whose future is dropped lives until its last child and its defers have ended.
#[test]
fn a_group_that_is_dropped_lives_until_its_defers_have_run() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let (release, released) = async_channel::bounded::<()>(2);
        runtime.block_on(group(async |g| {
            let entered = g.keep(AtomicBool::new(false));
            let cleans = g.keep(AtomicBool::new(false));
            let mut open = Box::pin(g.group(async |h| {
                let (child, cleanup) = (released.clone(), released.clone());
                h.defer(async move {
                    cleans.store(true, SeqCst);
                    cleanup.recv().await.unwrap();
                });
                h.spawn(shield(async move {
                    entered.store(true, SeqCst);
                    child.recv().await.unwrap();
                }));
                pending::<()>().await;
            }));
            assert!(once(open.as_mut()).await.is_pending());
            until(|| entered.load(SeqCst)).await;
            drop(open);
            // The child; the closer, which runs the defer, comes after it.
            assert_eq!(live(&runtime), [1, 2, 0]);
            release.send(()).await.unwrap();
            until(|| cleans.load(SeqCst)).await;
            until(|| live(&runtime) == [1, 2, 0]).await;
            release.send(()).await.unwrap();
        }));
        assert_eq!(live(&runtime), [0, 0, 0]);
    });
}

/// A host polls a group again after it was ended from outside, and then drops it, which ends it
/// again: it counts once.
#[test]
fn a_group_ends_once() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let ended = runtime.block_on(try_group(async |outer: Group<'_, '_, &str>| {
            outer.spawn(async move {
                let mut open = Box::pin(outer.group(async |_| pending::<()>().await));
                assert!(once(open.as_mut()).await.is_pending());
                outer.cancel("over");
                for _ in 0..3 {
                    // It has joined, and pends: this task is being cut.
                    assert!(once(open.as_mut()).await.is_pending());
                }
                open.await;
                Ok(())
            });
            pending::<Result<(), _>>().await
        }));
        assert!(ended.is_err());
        runtime.block_on(group(async |_| assert_eq!(live(&runtime), [0, 1, 0])));
    });
}

#[test]
fn timers_that_have_fired_are_not_set() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        runtime.block_on(group(async |g| {
            let slept = g.spawn(async { sleep(SECOND).await });
            let timed = g.spawn(async { Ok(timeout(SECOND, pending::<()>()).await.is_err()) });
            until(|| live(&runtime) == [2, 1, 2]).await;
            clock.advance(SECOND);
            slept.await;
            assert!(timed.await);
            assert_eq!(live(&runtime), [0, 1, 0]);
            // In time, and never.
            assert!(timeout(SECOND, yield_now()).await.is_ok());
            let mut never = Box::pin(sleep(NEVER));
            assert!(once(never.as_mut()).await.is_pending());
            assert_eq!(live(&runtime), [0, 1, 0]);
            let inner = GroupBuilder::<&str>::new().deadline(SECOND, "late");
            let inner = inner.run_in(g, async |_| {
                assert_eq!(live(&runtime), [0, 2, 1]);
                Ok(())
            });
            assert!(inner.await.is_ok());
            assert_eq!(live(&runtime), [0, 1, 0]);
        }));
    });
}

/// Blocking scopes on a worker, whose children run on the stack of the scope.
#[test]
fn scopes_are_groups() {
    without_hanging(|| {
        fn tree(runtime: &Runtime, depth: u32) {
            assert!(runtime.metrics().live_groups > 1);
            if depth > 0 {
                scope(|s| {
                    for _ in 0..2 {
                        s.spawn(async move { tree(runtime, depth - 1) });
                    }
                });
            }
        }
        for workers in 1..=2 {
            let (runtime, _) = runtimes::workers(workers);
            let runtime = Arc::new(runtime);
            runtime.block_on(group(async |g| {
                let theirs = Arc::clone(&runtime);
                g.spawn(async move { scope(|_| tree(&theirs, 6)) }).await;
                assert_eq!(live(&runtime), [0, 1, 0]);
            }));
            assert_eq!(live(&runtime), [0, 0, 0]);
        }
    });
}

/// A closure counts also while it waits in the line for a thread, and no more once it was cut
/// there.
#[test]
fn closures_are_tasks() {
    without_hanging(|| {
        let builder = Runtime::builder().workers(2).max_blocking(1);
        let (runtime, _) = noting(builder);
        runtime.block_on(group(async |g| {
            let (release, released) = mpsc::channel::<()>();
            let running = g.blocking(move || _ = released.recv());
            let queued = g.blocking(|| ());
            assert_eq!(live(&runtime), [2, 1, 0]);
            queued.cancel().await;
            assert_eq!(live(&runtime), [1, 1, 0]);
            g.compute(|| ()).await;
            assert_eq!(live(&runtime), [1, 1, 0]);
            drop(release);
            running.await;
            assert_eq!(live(&runtime), [0, 1, 0]);
        }));
        assert_eq!(live(&runtime), [0, 0, 0]);
    });
}

/// A task of one runtime blocks in a group of another: each counts its own.
#[test]
fn two_runtimes_count_their_own() {
    without_hanging(|| {
        let [(one, _), (other, _)] = [workers(1), workers(1)];
        let other = Arc::new(other);
        one.block_on(group(async |g| {
            let theirs = Arc::clone(&other);
            g.spawn(async move {
                theirs.block_on(group(async |h| {
                    h.spawn(async { yield_now().await }).await;
                    assert_eq!(live(&theirs), [0, 1, 0]);
                }));
            })
            .await;
            assert_eq!(live(&one), [0, 1, 0]);
            assert_eq!(live(&other), [0, 0, 0]);
        }));
        assert_eq!(live(&one), [0, 0, 0]);
    });
}

/// Calls a closure, once.
struct Call<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> Wake for Call<F> {
    fn wake(self: Arc<Self>) {
        let call = self.0.lock().unwrap().take();
        if let Some(call) = call {
            call();
        }
    }
}

/// The only worker of one runtime runs, in a waker between two tasks, a task of another one, which
/// blocks; and there, because no spare can replace it, a task of its own.
#[test]
fn a_task_on_the_stack_of_a_stranger_counts_in_its_own_runtime() {
    without_hanging(|| {
        let (one, _) = noting(Runtime::builder().workers(1).max_spares(FEW_SPARES));
        let (other, _) = workers(1);
        let other = Arc::new(other);
        let (busy, is_busy) = mpsc::channel();
        let (free, is_free) = mpsc::channel::<()>();
        let (send, sent) = async_channel::bounded::<()>(1);
        let theirs = Arc::clone(&other);
        thread::scope(|threads| {
            // The only worker of the other runtime has something to do.
            let keeper = threads.spawn(move || {
                theirs.block_on(group(async |g| {
                    g.spawn(async move {
                        busy.send(()).unwrap();
                        let _ = is_free.recv();
                    });
                    // It is no child of this caller's to run.
                    pending_once().await;
                }));
            });
            is_busy.recv().unwrap();
            without_spares(&one, || {
                let entered = one.enter();
                let theirs = Arc::clone(&other);
                let (done, is_done) = mpsc::channel();
                let call = move || {
                    theirs.block_on(group(async |g| {
                        g.spawn(async move { sent.recv().wait().unwrap() }).await
                    }));
                    done.send(()).unwrap();
                };
                let waker = Waker::from(Arc::new(Call(Mutex::new(Some(call)))));
                // Its last child calls the waker.
                let polled_once = Arc::new(AtomicBool::new(false));
                let may_end = Arc::clone(&polled_once);
                let mut open = pin!(group(async move |g| {
                    g.spawn(until(move || may_end.load(SeqCst)));
                }));
                let polled = open.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(polled.is_pending());
                polled_once.store(true, SeqCst);
                let mut helper = pin!(group(async move |g| {
                    g.spawn(async move { send.send(()).await.unwrap() });
                }));
                let _ = poll_alone(helper.as_mut());
                is_done.recv().unwrap();
                assert!(poll_alone(open.as_mut()).is_ready());
                while poll_alone(helper.as_mut()).is_pending() {}
                drop(entered);
            });
            drop(free);
            keeper.join().unwrap();
        });
        assert_eq!(live(&one), [0, 0, 0]);
        assert_eq!(live(&other), [0, 0, 0]);
    });
}

/// Pending at its first poll; so a caller that waits for it runs no children before.
async fn pending_once() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A body outlives its runtime, which looks after what it still does.
#[test]
fn what_outlives_its_runtime_is_counted_by_it() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let runtime = Arc::new(runtime);
        let (release, released) = async_channel::bounded::<()>(1);
        let seen = Arc::new(Mutex::new(None));
        let (theirs, noted) = (Arc::clone(&runtime), Arc::clone(&seen));
        let mut open = Box::pin(group(async move |g| {
            g.defer(async move {
                *noted.lock().unwrap() = Some(live(&theirs));
            });
            let _ = shield(released.recv()).await;
        }));
        {
            let _entered = runtime.enter();
            assert!(poll_alone(open.as_mut()).is_pending());
        }
        assert_eq!(live(&runtime), [0, 1, 0]);
        runtime.shutdown(NOW).unwrap();
        assert_eq!(live(&runtime), [0, 1, 0], "its body is there");
        drop(release);
        let ended = panics::panic_of(|| futures_lite::future::block_on(open));
        drop(ended);
        assert_eq!(*seen.lock().unwrap(), Some([1, 1, 0]), "the defer runs");
        assert_eq!(live(&runtime), [0, 0, 0]);
    });
}
