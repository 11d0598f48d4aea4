//! A cut goes from the inside out: inner bodies, their children, their defers, what they keep, then the frame around
//! them. It waits for joins, never for polls, and it swallows neither a failure nor a value.

mod support;

use futures_lite::future::or;
use spinney::{
    Failure, Group, Runtime, Wait, block_on, current, group, scope, shield, try_group, yield_now,
};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use support::without_hanging;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What was dropped, or done, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn local(&self, what: &'static str) -> Local {
        Local(self.clone(), what)
    }

    fn has(&self, what: &'static str) -> bool {
        self.0.lock().unwrap().contains(&what)
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// A future that never ends, and notes its drop.
    fn never(&self, what: &'static str) -> impl Future<Output = ()> + Send + use<> {
        let local = self.local(what);
        async move {
            let _local = local;
            pending().await
        }
    }
}

/// Notes its drop.
struct Local(Log, &'static str);

impl Drop for Local {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

async fn once(mut future: Pin<&mut (impl Future + ?Sized)>) {
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// Runs `task` as a child with a local in its frame, fails the group when `open` was noted, and returns the log.
fn cut(task: impl FnOnce(Log) -> Boxed<'static, ()> + Send + 'static) -> Vec<&'static str> {
    without_hanging(move || {
        let log = Log::default();
        let mut task = Some(task);
        let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
            let inner = log.clone();
            let task = task.take().unwrap();
            g.spawn(async move {
                let _frame = inner.local("frame");
                task(inner.clone()).await;
            });
            until(|| log.has("open")).await;
            Err::<(), _>(1)
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        let mut log = log.take();
        log.retain(|what| *what != "open");
        log
    })
}

#[test]
fn bodies_children_defers_kept_values_frame() {
    for _ in 0..50 {
        let order = cut(|log| {
            Box::pin(async move {
                group(async |outer| {
                    outer.keep(log.local("outer kept"));
                    let note = log.clone();
                    outer.defer(async move {
                        yield_now().await;
                        note.note("outer defer");
                    });
                    let _body = log.local("outer body");
                    outer
                        .group(async |inner| {
                            inner.keep(log.local("inner kept"));
                            let note = log.clone();
                            inner.defer(async move {
                                yield_now().await;
                                note.note("inner defer");
                            });
                            let _body = log.local("inner body");
                            inner.spawn(log.never("inner child"));
                            log.note("open");
                            pending::<()>().await
                        })
                        .await
                })
                .await
            })
        });
        let at = |what| order.iter().position(|noted| *noted == what).unwrap();
        assert_eq!(order.len(), 8, "{order:?}");
        // A child may go before or after the body of its group, never after the defers.
        assert!(at("inner child") < at("inner defer"), "{order:?}");
        assert!(at("inner body") < at("inner defer"), "{order:?}");
        let rest = [
            "inner defer",
            "inner kept",
            "outer body",
            "outer defer",
            "outer kept",
            "frame",
        ];
        assert_eq!(
            order
                .iter()
                .copied()
                .filter(|what| rest.contains(what))
                .collect::<Vec<_>>(),
            rest
        );
    }
}

#[test]
fn kept_values_are_gone_when_the_await_returns_and_the_newest_goes_first() {
    let log = Log::default();
    block_on(group(async |_| {
        group(async |g| {
            g.keep(log.local("first"));
            g.keep(log.local("second"));
            let child = log.local("child");
            g.spawn(async move {
                let _child = child;
                yield_now().await;
            });
        })
        .await;
        log.note("returned");
    }));
    assert_eq!(log.take(), ["child", "second", "first", "returned"]);
}

#[test]
fn defers_run_newest_first_and_what_they_start_is_joined_before_the_next() {
    let log = Log::default();
    let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
        let log = g.keep(log.clone());
        g.defer(async move { log.note("oldest") });
        g.defer(async move {
            g.spawn(async { unreachable!("the group is cancelled: born cancelled") });
            let inner = group(async |h| {
                let log = h.keep(log.clone());
                let log: &Log = log;
                let log = log.clone();
                h.spawn(async move {
                    yield_now().await;
                    log.note("child of a defer");
                });
            });
            inner.await;
        });
        g.defer(async move {
            yield_now().await;
            log.note("newest");
        });
        Err::<(), _>(1)
    }));
    assert!(result.is_err());
    assert_eq!(log.take(), ["newest", "child of a defer", "oldest"]);
}

#[test]
fn a_group_that_is_held_but_not_polled_again_is_joined() {
    for _ in 0..50 {
        let order = cut(|log| {
            Box::pin(async move {
                let mut held = pin!(group(async |g| {
                    let _body = log.local("body");
                    g.spawn(log.never("child"));
                    pending::<()>().await
                }));
                once(held.as_mut()).await;
                log.note("open");
                pending::<()>().await
            })
        });
        assert_eq!(order, ["child", "body", "frame"]);
    }
}

#[test]
fn two_groups_in_one_task_are_both_joined_before_its_frame() {
    for _ in 0..50 {
        let mut order = cut(|log| {
            Box::pin(async move {
                let one = async |last: bool| {
                    group(async |g| {
                        let _body = log.local("body");
                        g.spawn(log.never("child"));
                        if last {
                            log.note("open");
                        }
                        pending::<()>().await
                    })
                    .await
                };
                futures_lite::future::zip(one(false), one(true)).await;
            })
        });
        assert_eq!(order.pop(), Some("frame"));
        order.sort_unstable();
        assert_eq!(order, ["body", "body", "child", "child"]);
    }
}

/// Polls each future only after its own waker was called, and again at once while one is: `FuturesUnordered`.
struct Unordered<'a> {
    futures: Vec<(Boxed<'a, ()>, Arc<Flag>)>,
}

struct Flag {
    woken: Mutex<(bool, Option<Waker>)>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        let outer = {
            let mut woken = self.woken.lock().unwrap();
            woken.0 = true;
            woken.1.take()
        };
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

impl<'a> Unordered<'a> {
    fn new(futures: Vec<Boxed<'a, ()>>) -> Self {
        let flagged = |future| {
            let woken = Mutex::new((true, None));
            (future, Arc::new(Flag { woken }))
        };
        Self {
            futures: futures.into_iter().map(flagged).collect(),
        }
    }
}

impl Future for Unordered<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..3 {
            for (future, flag) in &mut self.futures {
                let woken = {
                    let mut woken = flag.woken.lock().unwrap();
                    woken.1 = Some(cx.waker().clone());
                    std::mem::take(&mut woken.0)
                };
                if woken {
                    let waker = Waker::from(Arc::clone(flag));
                    let _ = future.as_mut().poll(&mut Context::from_waker(&waker));
                }
            }
        }
        Poll::Pending
    }
}

#[test]
fn groups_inside_a_combinator_that_polls_only_what_was_woken_are_joined() {
    for _ in 0..50 {
        let mut order = cut(|log| {
            Box::pin(async move {
                let one = |last: bool| {
                    let log = log.clone();
                    Box::pin(group(async move |g| {
                        let _body = log.local("body");
                        g.spawn(log.never("child"));
                        if last {
                            log.note("open");
                        }
                        pending::<()>().await
                    })) as Boxed<'_, ()>
                };
                // One of them waits long for its join, while the others are done for.
                let slow = {
                    let log = log.clone();
                    Box::pin(group(async move |g| {
                        let note = log.clone();
                        g.defer(async move {
                            for _ in 0..500 {
                                yield_now().await;
                            }
                            note.note("slow defer");
                        });
                        pending::<()>().await
                    })) as Boxed<'_, ()>
                };
                Unordered::new(vec![one(false), slow, one(false), one(true)]).await
            })
        });
        assert_eq!(order.pop(), Some("frame"));
        order.sort_unstable();
        assert_eq!(order.pop(), Some("slow defer"));
        assert_eq!(order, ["body", "body", "body", "child", "child", "child"]);
    }
}

#[test]
fn the_other_branch_of_a_select_may_go_on_and_on() {
    for _ in 0..20 {
        let mut order = cut(|log| {
            Box::pin(async move {
                let spins = async {
                    loop {
                        yield_now().await;
                    }
                };
                or(
                    group(async |g| {
                        let _body = log.local("body");
                        g.spawn(log.never("child"));
                        log.note("open");
                        pending::<()>().await
                    }),
                    spins,
                )
                .await
            })
        });
        assert_eq!(order.pop(), Some("frame"));
        order.sort_unstable();
        assert_eq!(order, ["body", "child"]);
    }
}

#[test]
fn a_group_future_moves_to_another_task() {
    for _ in 0..50 {
        without_hanging(|| {
            let log = Log::default();
            let runtime = Runtime::builder().workers(2).build().unwrap();
            let value = runtime.block_on(group(async |g| {
                let (sender, receiver) = async_channel::bounded::<Boxed<'static, u8>>(1);
                let (go, gone) = async_channel::bounded::<()>(1);
                let log = log.clone();
                g.spawn(async move {
                    let mut moved: Boxed<'static, u8> = Box::pin(group(async move |h| {
                        let kept = h.keep(log.local("kept"));
                        let child = h.spawn(async move {
                            gone.recv().await.unwrap();
                            kept.0.note("child");
                            Ok(7)
                        });
                        child.await
                    }));
                    once(moved.as_mut()).await;
                    sender.send(moved).await.unwrap();
                });
                let moved = receiver.recv().await.unwrap();
                let second = g.spawn(async move { Ok(moved.await) });
                go.send(()).await.unwrap();
                second.await
            }));
            assert_eq!(value, 7);
            assert_eq!(log.take(), ["child", "kept"]);
            runtime.shutdown(std::time::Duration::ZERO).unwrap();
        });
    }
}

/// The future of a group with a service is forgotten, or kept where nobody polls it: a cancel still ends the service, and
/// so the groups around it.
#[test]
fn a_cancel_ends_the_services_of_a_group_that_nobody_polls() {
    for forgotten in [true, false] {
        without_hanging(move || {
            let log = Log::default();
            let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
                let late = log.clone();
                g.spawn(async move {
                    until(|| late.has("serves")).await;
                    Err::<(), _>(1)
                });
                let outer = g.group(async |_| {
                    let served = log.clone();
                    let mut inner: Boxed<'_, ()> = Box::pin(group(async move |h| {
                        let service = served.clone();
                        h.service(async move {
                            service.note("serves");
                            let _service = service.local("service");
                            pending::<()>().await;
                        });
                        pending::<()>().await
                    }));
                    once(inner.as_mut()).await;
                    if forgotten {
                        std::mem::forget(inner);
                        return None;
                    }
                    Some(inner)
                });
                let left = outer.await;
                pending::<()>().await;
                drop(left);
                Ok(())
            }));
            let result: Result<(), _> = result;
            assert_eq!(result.unwrap_err().into_first(), 1);
            assert_eq!(log.take(), ["serves", "service"]);
        });
    }
}

/// A service opened a group and forgot it: what runs in there ends with the services.
#[test]
fn a_group_that_a_service_forgot_ends_with_the_services() {
    without_hanging(|| {
        let log = Log::default();
        block_on(group(async |g| {
            let inner = log.clone();
            g.service(async move {
                let children = inner.clone();
                let mut forgotten: Boxed<'_, ()> = Box::pin(group(async move |h| {
                    h.spawn(children.never("child"));
                    h.service(children.never("service"));
                    pending::<()>().await
                }));
                once(forgotten.as_mut()).await;
                std::mem::forget(forgotten);
                inner.note("open");
            });
            until(|| log.has("open")).await;
        }));
        assert_eq!(log.take(), ["open", "child", "service"]);
    });
}

/// A task that is blocked in sync code is cut alone: by its handle, by its set, by its start, or as a service.
#[test]
fn a_blocked_task_that_is_cut_alone_is_unwound() {
    for how in 0..8 {
        without_hanging(move || {
            let log = Log::default();
            let runtime = Runtime::builder()
                .workers(1)
                .callers_take_part(false)
                .build()
                .unwrap();
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
                let (blocks, blocked) = async_channel::bounded::<()>(1);
                let inner = log.clone();
                // In the task itself, or in the body of a group in it.
                let block = async move |h: Group<'_, '_, u8>| {
                    let _frame = inner.local("frame");
                    let pends = h.group(async |deep| {
                        let _body = inner.local("body");
                        deep.keep(inner.local("kept"));
                        blocks.send(()).await.unwrap();
                        pending::<()>().await
                    });
                    pends.wait();
                    Ok::<(), u8>(())
                };
                let task: Boxed<'_, Result<(), u8>> = match how % 2 {
                    0 => Box::pin(async move { block(g).await }),
                    _ => Box::pin(async move {
                        let outer = group(async |_| {
                            let nested = try_group(block);
                            nested.await
                        });
                        outer.await.map_err(spinney::Errors::into_first)
                    }),
                };
                match how / 2 {
                    0 => {
                        let task = g.spawn(task);
                        blocked.recv().await.unwrap();
                        assert_eq!(task.cancel().await, None);
                        assert_eq!(log.take(), ["body", "kept", "frame"]);
                    }
                    1 => {
                        let mut set = g.set();
                        set.spawn(task);
                        blocked.recv().await.unwrap();
                        drop(set);
                    }
                    2 => {
                        let mut start = Box::pin(g.start::<u8, _, _>(|_| task));
                        once(start.as_mut()).await;
                        blocked.recv().await.unwrap();
                    }
                    _ => {
                        g.service(task);
                        blocked.recv().await.unwrap();
                    }
                }
                Ok(())
            }));
            assert_eq!(result.map_err(spinney::Errors::into_first), Ok(()));
            if how > 1 {
                assert_eq!(log.take(), ["body", "kept", "frame"]);
            }
            runtime.shutdown(std::time::Duration::ZERO).unwrap();
        });
    }
}

/// A group without children hangs in its parent's list only. When that ends it hangs in the next one, so a cancel finds
/// those who are blocked in its body.
#[test]
fn a_cancel_reaches_a_childless_group_whose_parent_has_ended() {
    without_hanging(|| {
        let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
            let (blocks, blocked) = async_channel::bounded::<()>(1);
            g.spawn(async move {
                blocked.recv().await.unwrap();
                Err::<(), _>(1)
            });
            let outlives = g.group(async |_| {
                let mut outlives: Boxed<'_, ()> = Box::pin(group(async move |h| {
                    yield_now().await;
                    let inner = h.group(async |_| {
                        blocks.send(()).await.unwrap();
                        pending::<()>().await
                    });
                    inner.wait();
                }));
                once(outlives.as_mut()).await;
                [outlives]
            });
            let [outlives] = outlives.await;
            outlives.await;
            unreachable!("it is unwound")
        }));
        let result: Result<(), _> = result;
        assert_eq!(result.unwrap_err().into_first(), 1);
    });
}

/// Case 24: a group that leaves its outer group half-way goes on under the next one.
#[test]
fn a_group_future_that_outlives_its_parent_is_adopted() {
    without_hanging(|| {
        let log = Log::default();
        for _ in 0..50 {
            block_on(group(async |_| {
                let mut moved = None;
                group(async |_| {
                    let log = log.clone();
                    let mut open: Boxed<'static, u8> = Box::pin(group(async move |h| {
                        yield_now().await;
                        let _body = log.local("body");
                        h.keep(log.local("kept"));
                        let child = log.clone();
                        h.spawn(async move {
                            yield_now().await;
                            child.note("child");
                            Ok(3)
                        })
                        .await
                    }));
                    once(open.as_mut()).await;
                    moved = Some(open);
                })
                .await;
                // Its parent has ended; its first child comes now.
                assert_eq!(moved.unwrap().await, 3);
            }));
            assert_eq!(log.take(), ["child", "body", "kept"]);
        }
    });
}

#[test]
fn a_shield_inside_a_cut_runs_to_its_end_and_groups_in_it_are_not_cancelled() {
    for _ in 0..50 {
        let order = cut(|log| {
            Box::pin(async move {
                shield(async {
                    let total = group(async |g| {
                        let child = g.spawn(async {
                            for _ in 0..20 {
                                yield_now().await;
                            }
                            Ok(1)
                        });
                        log.note("open");
                        assert!(!current::is_cancelled());
                        child.await + g.group(async |h| h.spawn(async { Ok(1) }).await).await
                    });
                    assert_eq!(total.await, 2);
                    until(current::is_cancelled).await;
                    log.note("shield ended");
                })
                .await;
                yield_now().await;
                log.note("never reached");
            })
        });
        assert_eq!(order, ["shield ended", "frame"]);
    }
}

#[test]
fn a_shield_that_the_poll_does_not_reach_holds_nothing() {
    let order = cut(|log| {
        Box::pin(async move {
            let mut held = Box::pin(shield(log.never("in the shield")));
            once(held.as_mut()).await;
            log.note("open");
            pending::<()>().await
        })
    });
    assert_eq!(order, ["in the shield", "frame"]);
}

#[test]
fn a_group_in_a_shield_that_the_poll_does_not_reach_is_joined() {
    for _ in 0..50 {
        let order = cut(|log| {
            Box::pin(async move {
                let mut held = Box::pin(shield(group(async |g| {
                    g.spawn(log.never("child"));
                    pending::<()>().await
                })));
                once(held.as_mut()).await;
                log.note("open");
                pending::<()>().await
            })
        });
        assert_eq!(order, ["child", "frame"]);
    }
}

/// Case 59, for code that catches the cut.
#[test]
fn a_sync_frame_is_unwound_from_the_inside_out() {
    for _ in 0..30 {
        let mut order = cut(|log| {
            Box::pin(async move {
                let _caller = log.local("caller");
                let waited = catch_unwind(AssertUnwindSafe(|| {
                    let _outer = log.local("outer frame");
                    scope(|s| {
                        s.spawn(log.never("child of the scope"));
                        let _inner = log.local("inner frame");
                        group(async |g| {
                            let _body = log.local("body");
                            g.spawn(log.never("child"));
                            log.note("open");
                            pending::<()>().await
                        })
                        .wait();
                        log.note("never reached");
                    });
                    log.note("never reached");
                }));
                // User code that catches it is unwound again at its next wait.
                assert!(waited.is_err());
                log.note("caught");
                pending::<()>().wait();
                log.note("never reached");
            })
        });
        let at = |what| order.iter().position(|noted| *noted == what).unwrap();
        assert!(
            at("child") < at("inner frame") && at("body") < at("inner frame"),
            "{order:?}"
        );
        assert!(at("child of the scope") < at("outer frame"), "{order:?}");
        order.retain(|what| !["child", "body", "child of the scope"].contains(what));
        assert_eq!(
            order,
            ["inner frame", "outer frame", "caught", "caller", "frame"]
        );
    }
}

#[test]
fn a_wait_inside_a_shield_is_not_unwound() {
    for _ in 0..30 {
        let order = cut(|log| {
            Box::pin(async move {
                shield(async {
                    let waited = group(async |g| {
                        let child = g.spawn(async {
                            for _ in 0..20 {
                                yield_now().await;
                            }
                            Ok(1)
                        });
                        log.note("open");
                        child.await
                    });
                    assert_eq!(waited.wait(), 1);
                    log.note("waited");
                })
                .await;
                pending::<()>().await
            })
        });
        assert_eq!(order, ["waited", "frame"]);
    }
}

#[test]
fn a_wait_in_a_destructor_of_a_panic_in_a_cut_group_ends() {
    struct Cleanup(Log);
    impl Drop for Cleanup {
        fn drop(&mut self) {
            let children = group(async |g| {
                g.spawn(async {
                    yield_now().await;
                    Ok(2)
                })
                .await
            });
            assert_eq!(children.wait(), 2);
            let mut number = 1;
            scope(|s| {
                s.spawn(async { number += 1 });
            });
            self.0.note("cleaned up");
        }
    }
    without_hanging(|| {
        let log = Log::default();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            block_on(try_group(async |g: Group<'_, '_, u8>| {
                let cleanup = Cleanup(log.clone());
                g.spawn(async move {
                    let _cleanup = cleanup;
                    g.cancel(1);
                    panic_any("boom");
                });
                pending::<Result<(), u8>>().await
            }))
        }));
        assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "boom");
        assert_eq!(log.take(), ["cleaned up"]);
    });
}

#[test]
fn a_wait_for_another_runtime_is_unwound_by_a_cut_of_the_caller() {
    without_hanging(|| {
        let log = Log::default();
        let other = Arc::new(Runtime::builder().workers(1).build().unwrap());
        let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
            let (inner, other) = (log.clone(), Arc::clone(&other));
            g.spawn(async move {
                let _frame = inner.local("frame");
                other.block_on(group(async |h| {
                    h.spawn(inner.never("child"));
                    inner.note("open");
                    pending::<()>().await
                }));
                inner.note("never reached");
            });
            until(|| log.has("open")).await;
            Err::<(), _>(1)
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        assert_eq!(log.take(), ["open", "child", "frame"]);
        // A shutdown of the other runtime is no cut: it panics in the task, with a message.
        let caught = catch_unwind(AssertUnwindSafe(|| {
            block_on(group(async |g| {
                let (inner, waits) = (log.clone(), Arc::clone(&other));
                g.spawn(async move {
                    waits.block_on(group(async |h| {
                        h.spawn(pending::<()>());
                        inner.note("open");
                        pending::<()>().await
                    }))
                });
                until(|| log.has("open")).await;
                other.shutdown(std::time::Duration::ZERO).unwrap();
            }))
        }));
        let text = *caught.unwrap_err().downcast::<String>().unwrap();
        assert!(text.contains("was shut down"), "{text}");
    });
}

#[test]
fn a_foreign_block_on_inside_a_cut_task_is_unwound() {
    for _ in 0..20 {
        let order = cut(|log| {
            Box::pin(async move {
                let _caller = log.local("caller");
                futures_lite::future::block_on(group(async |g| {
                    let _body = log.local("body");
                    g.spawn(log.never("child"));
                    log.note("open");
                    pending::<()>().await
                }));
                log.note("never reached");
            })
        });
        assert_eq!(order[2..], ["caller", "frame"]);
    }
}

/// Case 40.
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

/// Case 64.
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

#[test]
fn the_private_payload_of_a_cut_is_an_ordinary_panic_where_nothing_is_cut() {
    without_hanging(|| {
        let payload = || {
            let stolen = Arc::new(Mutex::new(None));
            let slot = Arc::clone(&stolen);
            let log = Log::default();
            let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
                let (slot, inner) = (Arc::clone(&slot), log.clone());
                g.spawn(async move {
                    let waited = async {
                        inner.note("open");
                        pending::<()>().await
                    };
                    let caught = catch_unwind(AssertUnwindSafe(|| waited.wait()));
                    *slot.lock().unwrap() = caught.err();
                });
                until(|| log.has("open")).await;
                Err::<(), _>(1)
            }));
            assert!(result.is_err());
            stolen.lock().unwrap().take().unwrap()
        };
        let resumed = payload();
        let in_body = catch_unwind(AssertUnwindSafe(|| {
            block_on(group(async |_| std::panic::resume_unwind(resumed)))
        }));
        assert!(in_body.is_err());
        let resumed = payload();
        let in_child = catch_unwind(AssertUnwindSafe(|| {
            block_on(group(async |g| {
                g.spawn(async move { std::panic::resume_unwind(resumed) });
            }))
        }));
        assert!(in_child.is_err());
        let resumed = payload();
        let supervised = block_on(group(async |g| {
            g.supervise(async move { std::panic::resume_unwind(resumed) as Result<(), _> })
                .await
        }));
        assert!(matches!(supervised, Err(Failure::Panic(_))));
    });
}

/// A failure after the last poll of its group, two groups deep in a task that is being cut: it still comes out.
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
                    // Called when the child counts no more. Its group does not keep its body for that.
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
