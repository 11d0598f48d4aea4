//! A cut of one task reaches it where it is blocked: in a wait, in nested waits, in a group's body,
//! in a scope.

use crate::common::drops::on_drop;
use crate::common::hangs::without_hanging;
use crate::common::polls::{until, wait_until};
use crate::common::runtimes::{Seen, one_by_one, workers};
use spinney::current::CancelKind;
use spinney::{Group, Runtime, Wait, block_on, current, group, scope, shield};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

/// What a blocked child tells the test.
#[derive(Clone, Default)]
struct Told {
    blocked: Arc<AtomicBool>,
    unwound: Arc<AtomicBool>,
}

impl Told {
    /// A future that is never ready and says when it was polled first.
    fn never(&self) -> impl Future<Output = ()> + Send + 'static {
        let blocked = Arc::clone(&self.blocked);
        poll_fn(move |_| {
            blocked.store(true, SeqCst);
            Poll::Pending
        })
    }

    /// Dropped by the unwinding of the child's frame.
    fn guard(&self) -> impl Drop + Send + 'static {
        let unwound = Arc::clone(&self.unwound);
        on_drop(move || unwound.store(true, SeqCst))
    }
}

/// Starts the child, cancels it alone once it is blocked, and joins it. Its sibling and its group
/// must not notice.
fn cut_alone<F>(child: impl FnOnce(Told) -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    cut_alone_on(|| workers(2), child);
}

/// The same where only the worker of the child runs what it spawns, until that blocks.
fn cut_alone_below<F>(child: impl FnOnce(Told) -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    cut_alone_on(one_by_one, child);
}

fn cut_alone_on<F>(
    build: impl FnOnce() -> (Runtime, Seen) + Send + 'static,
    child: impl FnOnce(Told) -> F + Send + Sync + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    without_hanging(move || {
        let (runtime, seen) = build();
        let told = Told::default();
        let sibling = runtime.block_on(group(async |g| {
            let over = g.keep(AtomicBool::new(false));
            let sibling = g.spawn(async {
                until(|| over.load(SeqCst)).await;
                Ok(current::is_cancelled())
            });
            let victim = g.spawn(child(told.clone()));
            until(|| told.blocked.load(SeqCst)).await;
            assert!(victim.cancel().await.is_none());
            assert!(told.unwound.load(SeqCst));
            over.store(true, SeqCst);
            sibling.await
        }));
        assert!(!sibling);
        assert_eq!(seen.texts(), [""; 0]);
    });
}

#[test]
fn a_wait() {
    cut_alone(|told| async move {
        let _guard = told.guard();
        told.never().wait();
    });
}

#[test]
fn nested_waits() {
    cut_alone(|told| async move {
        let _guard = told.guard();
        async { async { told.never().wait() }.wait() }.wait();
    });
}

/// On the way the unwinding passes a group, whose children are cut and joined first.
#[test]
fn a_wait_in_the_body_of_a_group() {
    cut_alone(|told| async move {
        let inner = told.clone();
        let joined = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&joined);
        let _guard = (
            told.guard(),
            on_drop(move || assert!(seen.load(SeqCst), "the child was not joined")),
        );
        group(async move |g| {
            let joined = on_drop(move || joined.store(true, SeqCst));
            g.spawn(async move {
                let _joined = joined;
                pending::<Result<(), _>>().await
            });
            inner.never().wait();
        })
        .await;
    });
}

/// A future that is waited for opens a group: it is cut and joined before the wait unwinds.
#[test]
fn a_wait_for_a_group() {
    cut_alone(|told| async move {
        let _guard = told.guard();
        group(async move |g| {
            g.spawn(async { pending::<Result<(), _>>().await });
            told.never().await;
        })
        .wait();
    });
}

/// A scope cannot be cut in its body, but it is while it joins.
#[test]
fn a_scope() {
    cut_alone(|told| async move {
        let _guard = told.guard();
        scope(|s| {
            s.spawn(told.never());
        });
    });
}

/// The thread that joins a scope runs a child, which blocks until it is cut: the cut does not wait
/// for the join to be polled.
#[test]
fn a_scope_whose_thread_runs_a_child() {
    cut_alone_below(|told| async move {
        let _guard = told.guard();
        scope(|s| {
            s.spawn(async move { told.never().wait() });
        });
    });
}

/// The same in a wait for a group, whose future has been polled before the thread runs its child.
#[test]
fn a_wait_for_a_group_whose_thread_runs_a_child() {
    cut_alone_below(|told| async move {
        let _guard = told.guard();
        group(async move |g| {
            g.spawn(async move { told.never().wait() });
        })
        .wait();
    });
}

/// A child computes on the thread of the scope, and looks now and then whether it is to end.
#[test]
fn a_scope_whose_child_computes_until_it_is_cut() {
    cut_alone(|told| async move {
        let _guard = told.guard();
        scope(|s| {
            s.spawn(async move {
                told.blocked.store(true, SeqCst);
                wait_until(current::is_cancelled);
            });
        });
    });
}

/// The cut goes through several blocked frames of the task, and of the child that it waits for.
#[test]
fn scopes_in_a_wait_whose_threads_run_children() {
    cut_alone_below(|told| async move {
        let _guard = told.guard();
        async {
            scope(|s| {
                s.spawn(async {
                    scope(|s| {
                        s.spawn(async move { told.never().wait() });
                    });
                });
            });
        }
        .wait();
    });
}

/// A shield around the scope keeps the cut from its children, whose thread runs one of them.
#[test]
fn a_shielded_scope_whose_thread_runs_a_child() {
    let (over, saw) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(true)),
    );
    let (is_over, sees) = (Arc::clone(&over), Arc::clone(&saw));
    without_hanging(move || {
        let (runtime, _) = workers(2);
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        runtime.block_on(group(async |g| {
            let victim = g.spawn(shield(async move {
                scope(|s| {
                    s.spawn(async move {
                        begins.store(true, SeqCst);
                        wait_until(|| is_over.load(SeqCst));
                        sees.store(current::is_cancelled(), SeqCst);
                    });
                });
            }));
            until(|| begun.load(SeqCst)).await;
            let cancelled = victim.cancel();
            over.store(true, SeqCst);
            cancelled.await;
        }));
    });
    assert!(!saw.load(SeqCst));
}

/// A wait on another runtime belongs to the same task.
#[test]
fn a_wait_on_another_runtime() {
    cut_alone(|told| async move {
        let (other, _) = workers(1);
        let _guard = told.guard();
        let other = &other;
        other.block_on(async { block_on(told.never()) });
    });
}

/// A shield is waited for; the cut lands after it.
#[test]
fn a_shielded_wait_is_not_unwound() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let finished = runtime.block_on(group(async |g| {
            let [blocked, open, finished] = g.keep([(); 3].map(|()| AtomicBool::new(false)));
            let victim = g.spawn(async {
                shield(async {
                    until(|| {
                        blocked.store(true, SeqCst);
                        open.load(SeqCst)
                    })
                    .wait();
                    finished.store(true, SeqCst);
                })
                .await;
                pending::<Result<(), _>>().await
            });
            until(|| blocked.load(SeqCst)).await;
            let join = victim.cancel();
            open.store(true, SeqCst);
            assert!(join.await.is_none());
            finished.load(SeqCst)
        }));
        assert!(finished);
    });
}

/// The end of a service is the cut of one task as well.
#[test]
fn a_service_that_waits() {
    without_hanging(|| {
        let (runtime, seen): (_, Seen) = workers(2);
        let told = Told::default();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            let service = told.clone();
            g.service(async move {
                let _guard = service.guard();
                service.never().wait();
            });
            until(|| told.blocked.load(SeqCst)).await;
        }));
        assert!(told.unwound.load(SeqCst));
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// A task that is marked before it begins to wait does not begin.
#[test]
fn a_mark_that_comes_before_the_wait() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let told = Told::default();
        runtime.block_on(group(async |g| {
            let [running, marked] = g.keep([(); 2].map(|()| AtomicBool::new(false)));
            let (guard, never) = (told.guard(), told.never());
            let victim = g.spawn(async {
                let _guard = guard;
                running.store(true, SeqCst);
                while !marked.load(SeqCst) {
                    std::thread::yield_now();
                }
                never.wait();
            });
            until(|| running.load(SeqCst)).await;
            let join = victim.cancel();
            marked.store(true, SeqCst);
            assert!(join.await.is_none());
        }));
        assert!(told.unwound.load(SeqCst));
    });
}

/// A waker that notes that it was called.
struct Noted(AtomicBool, Waker);

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
        self.1.wake_by_ref();
    }
}

/// Polls the future only when its own waker was called, like a set of futures that is polled as a
/// whole.
async fn only_when_woken<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut noted: Option<Arc<Noted>> = None;
    poll_fn(move |cx| {
        let noted = noted.get_or_insert_with(|| Arc::new(Noted(true.into(), cx.waker().clone())));
        if !noted.0.swap(false, SeqCst) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(noted));
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}

/// In a shield the cut of one task can be seen and waited for, also where only its own waker
/// reaches the waiter.
#[test]
fn a_shield_sees_the_cut_of_its_task() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let seen = runtime.block_on(group(async |g| {
            let [blocked, seen] = g.keep([(); 2].map(|()| AtomicBool::new(false)));
            let victim = g.spawn(shield(async {
                assert!(!current::is_cancelled() && !current::is_stopping());
                let stopping = async {
                    blocked.store(true, SeqCst);
                    current::stopping().await;
                };
                only_when_woken(stopping).await;
                assert!(current::is_cancelled() && current::is_stopping());
                let reason = current::cancel_reason().unwrap();
                assert_eq!(reason.kind(), CancelKind::TaskCancelled);
                seen.store(true, SeqCst);
            }));
            until(|| blocked.load(SeqCst)).await;
            let _ = victim.cancel().await;
            seen.load(SeqCst)
        }));
        assert!(seen);
    });
}

/// A service that cleans up in a shield learns of its end.
#[test]
fn a_shielded_service_learns_of_its_end() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            g.service(shield(current::stopping()));
            g.service(shield(async { block_on(current::stopping()) }));
        }));
    });
}
