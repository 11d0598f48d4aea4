//! A cut goes from the inside out: inner bodies, their children, their defers, what they keep, then
//! the frame around them. It waits for joins, never for polls, and it swallows neither a failure
//! nor a value.

mod combinators;
mod elsewhere;
mod outcomes;
mod shields;
mod sync_frames;

use crate::common::hangs::without_hanging;
use crate::common::log::Log;
use crate::common::polls::until;
use spinney::{Group, Runtime, RuntimeBuilder, block_on, group, try_group, yield_now};
use std::future::{Future, pending};
use std::pin::Pin;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs `task` as a child with a local in its frame, fails the group when `open` was noted, and
/// returns the log.
fn cut(task: impl FnOnce(Log) -> Boxed<'static, ()> + Send + 'static) -> Vec<&'static str> {
    cut_on(Runtime::builder().workers(2), task)
}

/// The same on a runtime of that kind. It has workers enough, so that a task that blocks one in a
/// way that the runtime does not see holds up no other test.
fn cut_on(
    builder: RuntimeBuilder,
    task: impl FnOnce(Log) -> Boxed<'static, ()> + Send + 'static,
) -> Vec<&'static str> {
    without_hanging(move || {
        let log = Log::default();
        let runtime = builder.build().unwrap();
        let mut task = Some(task);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
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
