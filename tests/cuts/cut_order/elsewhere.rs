//! Groups whose future went elsewhere, to another task, to the next group or nowhere: they end with
//! the groups around them.

use super::Boxed;
use crate::common::hangs::without_hanging;
use crate::common::log::Log;
use crate::common::polls::{once, until};
use spinney::{Group, Runtime, Wait, block_on, group, try_group, yield_now};
use std::future::pending;

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
                    assert!(once(moved.as_mut()).await.is_pending());
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

/// A group that leaves its outer group half-way goes on under the next one.
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
                    assert!(once(open.as_mut()).await.is_pending());
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

/// A group without children hangs in its parent's list only. When that ends it hangs in the next
/// one, so a cancel finds the callers that are blocked in its body.
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
                assert!(once(outlives.as_mut()).await.is_pending());
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

/// The future of a group with a service is forgotten, or kept where no task polls it: a cancel
/// still ends the service, and so the groups around it.
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
                    assert!(once(inner.as_mut()).await.is_pending());
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
                assert!(once(forgotten.as_mut()).await.is_pending());
                std::mem::forget(forgotten);
                inner.note("open");
            });
            until(|| log.has("open")).await;
        }));
        assert_eq!(log.take(), ["open", "child", "service"]);
    });
}
