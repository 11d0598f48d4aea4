//! A cut swallows neither a failure nor a value, and touches no task but the one that it is for.

use super::cut;
use crate::common::hangs::without_hanging;
use crate::common::log::Log;
use crate::common::polls::until;
use futures_lite::future::or;
use spinney::{Group, Runtime, block_on, current, group, shield, try_group, yield_now};
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

/// A child fails its group from a destructor while the group is being cut: the error comes out of
/// the group, and its owner runs on to its next await.
#[test]
fn an_error_that_is_recorded_while_being_cut_comes_out() {
    /// Fails its group when it is dropped.
    struct Fails<'s>(Group<'s, 'static, &'static str>);
    impl Drop for Fails<'_> {
        fn drop(&mut self) {
            self.0.cancel("while being cut");
        }
    }
    for _ in 0..50 {
        let order = cut(|log| {
            Box::pin(async move {
                let result = try_group(async |g: Group<'_, 'static, &'static str>| {
                    let open = log.clone();
                    g.spawn(async move {
                        let _fails = Fails(g);
                        open.note("open");
                        pending::<()>().await
                    });
                    pending::<Result<(), _>>().await
                })
                .await;
                // The owner runs on to its next suspension.
                assert_eq!(result.unwrap_err().into_first(), "while being cut");
                log.note("error seen");
                pending::<()>().await;
                log.note("never reached");
            })
        });
        assert_eq!(order, ["error seen", "frame"]);
    }
}

/// A failure after the last poll of its group, two groups deep in a task that is being cut: it
/// still comes out.
#[test]
fn a_failure_at_the_last_moment_comes_out_of_the_inner_group() {
    without_hanging(|| {
        let log = Log::default();
        let runtime = Runtime::builder().workers(2).build().unwrap();
        runtime.block_on(group(async |g| {
            let note = log.clone();
            let task = g.spawn(async move {
                let (fail, failing) = async_channel::bounded::<()>(1);
                let (left, has_left) = std::sync::mpsc::sync_channel(1);
                let fails = note.clone();
                let inner = try_group(async move |h: Group<'_, '_, u8>| {
                    let mut child = h.spawn(shield(async move {
                        fails.note("open");
                        let _ = failing.recv().await;
                        Err::<(), _>(1)
                    }));
                    // Called when the child counts no more. Its group does not keep its body for
                    // that.
                    let waker = Waker::from(Arc::new(Left(left)));
                    let _ = Pin::new(&mut child).poll(&mut Context::from_waker(&waker));
                    std::mem::forget(child);
                    pending::<Result<(), u8>>().await
                });
                let heard = note.clone();
                let inner = async move {
                    assert!(inner.await.is_err());
                    heard.note("heard");
                    pending::<()>().await
                };
                // Polled after the group, in the same poll.
                let last = poll_fn(move |_| {
                    if current::is_cancelled() && fail.close() {
                        has_left.recv().unwrap();
                    }
                    Poll::<()>::Pending
                });
                group(async move |_| or(inner, last).await).await
            });
            until(|| log.has("open")).await;
            task.cancel().await;
        }));
        assert_eq!(log.take(), ["open", "heard"]);
    });
}

/// Tells a thread that it was woken.
struct Left(std::sync::mpsc::SyncSender<()>);

impl Wake for Left {
    fn wake(self: Arc<Self>) {
        self.0.send(()).unwrap();
    }
}

#[test]
fn done_beats_cancelled() {
    without_hanging(|| {
        block_on(group(async |g| {
            for _ in 0..200 {
                let (started, has_started) = async_channel::bounded::<()>(1);
                let (go, gone) = std::sync::mpsc::channel::<()>();
                let running = g.spawn(async move {
                    started.try_send(()).unwrap();
                    // One poll, in the middle of which it is cancelled.
                    let _ = gone.recv();
                    Ok(5)
                });
                has_started.recv().await.unwrap();
                let cancelled = running.cancel();
                drop(go);
                assert_eq!(cancelled.await, Some(5));
            }
            let finished = g.spawn(async { Ok(6) });
            until(|| finished.is_finished()).await;
            assert_eq!(finished.cancel().await, Some(6));
            let failed = g.supervise(async { Err::<(), _>(unreachable()) }.and_pend());
            assert!(failed.cancel().await.is_none());
            assert_eq!(g.spawn(pending::<Result<u8, _>>()).cancel().await, None);
        }));
    });
}

fn unreachable() -> spinney::Never {
    unreachable!("cut before")
}

trait AndPend: Future + Sized {
    /// Pends for ever before it begins.
    fn and_pend(self) -> impl Future<Output = Self::Output> {
        async {
            pending::<()>().await;
            self.await
        }
    }
}

impl<F: Future> AndPend for F {}

/// A child that is cut by its handle disturbs none of its siblings.
#[test]
fn a_cut_of_one_child_disturbs_nobody_else() {
    without_hanging(|| {
        let log = Log::default();
        let sum = block_on(group(async |g| {
            let ran = g.keep(AtomicUsize::new(0));
            let siblings: Vec<_> = (0..10)
                .map(|n| {
                    g.spawn(async move {
                        for _ in 0..10 {
                            yield_now().await;
                        }
                        ran.fetch_add(1, SeqCst);
                        Ok(n)
                    })
                })
                .collect();
            let inner = log.clone();
            let cut = g.spawn(async move {
                let _frame = inner.local("frame");
                group(async |h| {
                    h.spawn(inner.never("child"));
                    inner.note("open");
                    pending::<()>().await
                })
                .await
            });
            until(|| log.has("open")).await;
            assert!(cut.cancel().await.is_none());
            assert_eq!(log.take(), ["open", "child", "frame"]);
            let mut sum = 0;
            for sibling in siblings {
                sum += sibling.await;
            }
            assert_eq!(ran.load(SeqCst), 10);
            sum
        }));
        assert_eq!(sum, 45);
    });
}
