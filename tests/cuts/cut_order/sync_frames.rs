//! Sync frames that are blocked in a task that is cut are unwound, from the inside out, with a
//! payload that means nothing elsewhere.

use super::{Boxed, cut, cut_on};
use crate::common::hangs::without_hanging;
use crate::common::log::Log;
use crate::common::polls::{once, until};
use spinney::{Failure, Group, Runtime, Wait, block_on, group, scope, try_group, yield_now};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::{Arc, Mutex};

/// A blocked frame is unwound, and code that catches the unwinding is unwound again at its next
/// wait.
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

/// A task that is blocked in sync code is cut alone: by its handle, by its set, by its start, or as
/// a service.
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
                        assert!(once(start.as_mut()).await.is_pending());
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
        // On the stack of the caller it would keep the caller's body from failing.
        let apart = Runtime::builder().workers(2).callers_take_part(false);
        let order = cut_on(apart, |log| {
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
