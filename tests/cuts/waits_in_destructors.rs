//! A `.wait()` in a destructor waits, as in a shield, whatever is being cut: the rest of the
//! destructor runs.

use crate::common::durations::NOW;
use crate::common::hangs::without_hanging;
use crate::common::polls::{self, once};
use crate::common::runtimes::workers;
use spinney::{Group, Runtime, Wait, group, scope, try_group, yield_now};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Waits in its destructor for a group, a scope and a suspension, and counts then.
struct Waits(Arc<AtomicUsize>);

impl Drop for Waits {
    fn drop(&mut self) {
        let value = group(async |g: Group<'_, '_>| {
            let child = g.spawn(async {
                yield_now().await;
                Ok(20)
            });
            child.await + 1
        })
        .wait();
        assert_eq!(value, 21);
        scope(|s| {
            s.spawn(yield_now());
        });
        yield_now().wait();
        self.0.fetch_add(1, SeqCst);
    }
}

type Open<'s> = Group<'s, 'static, &'static str>;

/// Runs `body` in a group that is cancelled when it pends; everything in it that waits in its
/// destructor did so to the end.
fn counts(expected: usize, body: impl AsyncFn(Open<'_>, &dyn Fn() -> Waits)) {
    for workers_ in [1, 2] {
        let (runtime, seen) = workers(workers_);
        let ended = Arc::new(AtomicUsize::new(0));
        let made = || Waits(Arc::clone(&ended));
        let result = runtime.block_on(try_group(async |g: Open<'_>| {
            body(g, &made).await;
            g.cancel("enough");
            pending::<Result<(), _>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), "enough");
        assert_eq!(ended.load(SeqCst), expected, "{workers_} workers");
        assert_eq!(seen.texts(), [""; 0]);
        runtime.shutdown(NOW).unwrap();
    }
}

/// Spawns a child, and returns when it waits.
async fn begun<F: Future<Output = ()> + Send + 'static>(g: Open<'_>, child: F) {
    let (inside, is_inside) = async_channel::bounded::<()>(1);
    g.spawn(async move {
        drop(inside);
        child.await;
    });
    is_inside.recv().await.unwrap_err();
}

#[test]
fn in_a_task_that_is_cut() {
    without_hanging(|| {
        counts(1, async |g, made| {
            let waits = made();
            begun(g, async move {
                let _waits = waits;
                pending::<()>().await
            })
            .await;
        });
    });
}

#[test]
fn in_the_body_of_a_group_that_is_cut() {
    without_hanging(|| {
        counts(2, async |g, made| {
            let (outer, inner) = (made(), made());
            begun(
                g,
                group(async move |g: Group<'_, '_>| {
                    let _outer = outer;
                    g.group(async move |_| {
                        let _inner = inner;
                        pending::<()>().await
                    })
                    .await
                }),
            )
            .await;
        });
    });
}

#[test]
fn in_a_future_that_is_dropped_early() {
    without_hanging(|| {
        counts(1, async |_, made| {
            let waits = made();
            let mut open = Box::pin(group(async move |_: Group<'_, '_>| {
                let _waits = waits;
                pending::<()>().await
            }));
            assert!(once(open.as_mut()).await.is_pending());
            drop(open);
        });
    });
}

#[test]
fn in_kept_values_and_what_a_group_was_lent() {
    without_hanging(|| {
        counts(2, async |g, made| {
            g.keep(made());
            let lent = spinney::group_with(made(), async |_, _| pending::<()>().await);
            begun(g, async move { drop(lent.await) }).await;
        });
    });
}

#[test]
fn in_what_a_child_born_cancelled_would_have_used() {
    without_hanging(|| {
        counts(2, async |g, made| {
            let (first, second) = (made(), made());
            g.cancel("enough");
            g.spawn(async move { drop(first) });
            drop(g.compute(move || drop(second)));
        });
    });
}

#[test]
fn in_defers_and_services() {
    without_hanging(|| {
        counts(2, async |g, made| {
            let (defer, service) = (made(), made());
            g.defer(async move {
                let _defer = defer;
            });
            let (inside, is_inside) = async_channel::bounded::<()>(1);
            g.service(async move {
                let _service = service;
                drop(inside);
                pending::<()>().await
            });
            is_inside.recv().await.unwrap_err();
        });
    });
}

#[test]
fn in_a_frame_that_is_unwound() {
    without_hanging(|| {
        counts(2, async |g, made| {
            let (frame, awaited) = (made(), made());
            let (inside, is_inside) = async_channel::bounded::<()>(1);
            g.compute(move || {
                let _frame = frame;
                async move {
                    let _awaited = awaited;
                    drop(inside);
                    pending::<()>().await
                }
                .wait();
            });
            is_inside.recv().await.unwrap_err();
        });
    });
}

/// A future that ends by itself while it is being cut is dropped by the engine, too.
struct Ready(#[expect(dead_code, reason = "it is dropped")] Waits, bool);

impl Future for Ready {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        match std::mem::replace(&mut self.1, true) {
            true => std::task::Poll::Ready(()),
            false => {
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            }
        }
    }
}

#[test]
fn in_a_future_that_has_ended() {
    without_hanging(|| {
        counts(1, async |g, made| {
            let ready = Ready(made(), false);
            g.spawn(ready);
        });
    });
}

/// A shutdown, too, lets it wait.
#[test]
fn in_a_task_that_a_shutdown_ends() {
    without_hanging(|| {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let ended = Arc::new(AtomicUsize::new(0));
        let waits = Waits(Arc::clone(&ended));
        let (inside, is_inside) = async_channel::bounded::<()>(1);
        let entered = runtime.enter();
        let mut open = Box::pin(group(async move |g: Group<'_, '_>| {
            g.spawn(async move {
                let _waits = waits;
                drop(inside);
                pending::<()>().await
            });
            pending::<()>().await
        }));
        assert!(polls::poll_alone(open.as_mut()).is_pending());
        drop(entered);
        is_inside.recv_blocking().unwrap_err();
        runtime.shutdown(NOW).unwrap();
        assert_eq!(ended.load(SeqCst), 1);
        drop(open);
    });
}

/// One half of a `join` panics, and a destructor waits while it unwinds, which hands the other half
/// to another thread: that one can be cut all the same.
#[test]
fn in_a_half_that_unwinds_while_the_other_one_is_cut() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let ended = Arc::new(AtomicUsize::new(0));
        let waits = Waits(Arc::clone(&ended));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(try_group(async |g: Open<'_>| {
                let (inside, is_inside) = async_channel::bounded::<()>(1);
                let seen = Arc::clone(&ended);
                g.compute(move || {
                    spinney::join(
                        move || {
                            let _waits = waits;
                            std::panic::panic_any("half");
                        },
                        move || {
                            drop(inside);
                            pending::<()>().wait();
                        },
                    );
                });
                is_inside.recv().await.unwrap_err();
                polls::until(|| seen.load(SeqCst) == 1).await;
                g.cancel("enough");
                pending::<Result<(), _>>().await
            }))
        }));
        assert_eq!(
            result.unwrap_err().downcast_ref::<&str>(),
            Some(&"half"),
            "the panic outranks the cut"
        );
        assert_eq!(ended.load(SeqCst), 1);
    });
}
