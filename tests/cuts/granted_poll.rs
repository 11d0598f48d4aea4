//! A deadline of zero grants one poll of the body: what that poll decides stands, whichever thread
//! is faster.

use crate::common::durations::{NOW, SECOND};
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::runtimes::clocked;
use spinney::time::ManualClock;
use spinney::{Errors, Group, GroupBuilder, Wait, current, scope, sleep};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};

/// Says that it was woken.
struct Told(mpsc::Sender<()>);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.0.send(()).unwrap();
    }
}

/// Returns when a worker has fired whatever was due until now: a timer of a later instant is the
/// last one.
fn all_timers_fire(clock: &ManualClock) {
    let (sender, fired) = mpsc::channel();
    let waker = Waker::from(Arc::new(Told(sender)));
    let mut marker = pin!(sleep(SECOND));
    assert!(
        marker
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    clock.advance(SECOND);
    fired.recv().unwrap();
}

fn late() -> GroupBuilder<&'static str> {
    GroupBuilder::new().deadline(NOW, "late")
}

fn texts<T>(result: Result<T, Errors<&'static str>>) -> Result<T, Vec<&'static str>> {
    result.map_err(|errors| errors.iter().copied().collect())
}

/// A body that ends in the granted poll gives its value, however slow that poll is: done beats
/// cancelled.
#[test]
fn a_body_that_ends_in_the_granted_poll_gives_its_value() {
    without_hanging(|| {
        for nested in [false, true] {
            let (runtime, clock, seen) = clocked(1);
            let body = async |_: Group<'_, '_, &'static str>| {
                assert_eq!(current::deadline(), Some(clock.now()));
                all_timers_fire(&clock);
                assert!(!current::is_cancelled());
                Ok(1)
            };
            let value = match nested {
                false => runtime.block_on(late().run(body)),
                true => runtime.block_on(spinney::group(async |g| late().run_in(g, body).await)),
            };
            assert_eq!(texts(value), Ok(1));
            assert_eq!(seen.texts(), [""; 0]);
        }
    });
}

/// Children that have ended, services and defers are no reason against the value.
#[test]
fn what_ends_with_the_granted_poll_is_in_time() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(1);
        let deferred = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&deferred);
        let result = runtime.block_on(late().run(async |g: Group<'_, '_, &str>| {
            let (go, may_go) = mpsc::channel();
            let mut child = pin!(g.spawn(async move {
                may_go.recv().unwrap();
                Ok(5)
            }));
            // The awaiter of a child is woken after the child has left its group.
            let (sender, left) = mpsc::channel();
            let waker = Waker::from(Arc::new(Told(sender)));
            let mut cx = Context::from_waker(&waker);
            assert!(child.as_mut().poll(&mut cx).is_pending());
            go.send(()).unwrap();
            left.recv().unwrap();
            g.service(pending::<()>());
            g.defer(async move {
                counter.fetch_add(1, SeqCst);
            });
            all_timers_fire(&clock);
            Ok(child.wait())
        }));
        assert_eq!((texts(result), deferred.load(SeqCst)), (Ok(5), 1));
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// The group has not ended then: its children are cut, and the value is not given.
#[test]
fn a_child_that_is_left_after_the_granted_poll_is_cut() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(1);
        let alive = Arc::new(());
        let child = Arc::clone(&alive);
        let result = runtime.block_on(late().run(async move |g: Group<'_, '_, &str>| {
            let (sender, runs) = mpsc::channel();
            g.spawn(async move {
                let _child = child;
                sender.send(()).unwrap();
                pending::<()>().await
            });
            runs.recv().unwrap();
            all_timers_fire(&clock);
            assert!(!g.is_stopping(), "not before the poll is over");
            Ok(1)
        }));
        assert_eq!(texts(result), Err(vec!["late"]));
        assert_eq!(Arc::strong_count(&alive), 1);
        assert_eq!(seen.texts(), [""; 0]);
    });
}

#[test]
fn a_body_that_pends_in_the_granted_poll_has_no_other() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(1);
        let polls = AtomicUsize::new(0);
        let result: Result<(), _> = runtime.block_on(late().run(async |_| {
            all_timers_fire(&clock);
            poll_fn(|cx| {
                polls.fetch_add(1, SeqCst);
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await
        }));
        assert_eq!((texts(result), polls.load(SeqCst)), (Err(vec!["late"]), 1));
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// What fails in that poll is the cause, and nothing comes after it.
#[test]
fn a_failure_in_the_granted_poll_is_all() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(1);
        let failed: Result<(), _> = runtime.block_on(late().run(async |g: Group<'_, '_, &str>| {
            g.spawn(pending::<()>());
            all_timers_fire(&clock);
            Err("body")
        }));
        assert_eq!(texts(failed), Err(vec!["body"]));
        let panicked = panic_of(|| {
            runtime.block_on(late().run(async |_| -> Result<(), &str> {
                all_timers_fire(&clock);
                panic!("panic")
            }))
        });
        assert_eq!(panicked, "panic");
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// A poll that waits on the stack would never be over: it is over there. A wait that is ready at
/// once does not count.
#[test]
fn a_granted_poll_ends_where_it_blocks() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(1);
        let blocks: [fn(); 2] = [
            || pending().wait(),
            || {
                scope(|s| {
                    s.spawn(pending::<()>());
                });
            },
        ];
        for block in blocks {
            let result: Result<(), _> = runtime.block_on(late().run(async |g| {
                // In an inner group, too.
                let inner = g.group(async |_| {
                    async { 1 }.wait();
                    scope(|_| {});
                    all_timers_fire(&clock);
                    assert!(!g.is_stopping());
                    block();
                    unreachable!("it is unwound")
                });
                inner.await
            }));
            assert_eq!(texts(result), Err(vec!["late"]));
        }
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// Of two that are granted in one poll the outer one reports.
#[test]
fn of_nested_deadlines_of_zero_the_outer_one_reports() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(1);
        for blocks in [false, true] {
            let result: Result<(), _> = runtime.block_on(late().run(async |g| {
                let inner = GroupBuilder::new()
                    .deadline(NOW, "inner")
                    .run_in(g, async |_| {
                        all_timers_fire(&clock);
                        if blocks {
                            pending::<()>().wait();
                        }
                        pending::<Result<(), &str>>().await
                    });
                inner.await.map_err(Errors::into_first)
            }));
            assert_eq!(texts(result), Err(vec!["late"]));
        }
        // And each is decided by its own poll.
        let result = runtime.block_on(late().run(async |g| {
            let inner = late().run_in(g, async |_| Ok(2));
            let value = inner.await.map_err(Errors::into_first);
            all_timers_fire(&clock);
            value
        }));
        assert_eq!(texts(result), Ok(2));
        assert_eq!(seen.texts(), [""; 0]);
    });
}
