//! Whatever polls the groups of a task that is cut, and whether it polls them or not: all are
//! joined before its frame goes.

use super::{Boxed, cut};
use crate::common::polls::once;
use futures_lite::future::or;
use spinney::{group, yield_now};
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

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
                assert!(once(held.as_mut()).await.is_pending());
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

/// Polls each future only after its own waker was called, and again at once while one is:
/// `FuturesUnordered`.
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
