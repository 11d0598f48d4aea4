//! What is always ready gives way: a loop over any future of ours is cut, is not late for its
//! deadline, and leaves other branches and other tasks their turns, wherever it is polled.

mod leaves;

use crate::common::hangs::without_hanging;
use crate::common::polls::Count;
use futures_lite::future::{or, zip};
use leaves::{Leaf, leaves};
use spinney::time::{ManualClock, interval, sleep_until};
use spinney::{
    Group, GroupBuilder, Runtime, Wait, cooperative, group, shield, sleep, timeout, yield_now,
};
use std::future::{Future, poll_fn, ready};
use std::mem::replace;
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Operations of one poll: those of its budget, and a few after each refusal.
const MANY: usize = 200;

/// A loop over a leaf: what it has done, and what the longest of its polls has.
#[derive(Clone, Default)]
struct Note(Arc<[AtomicUsize; 2]>);

impl Note {
    /// An operation was ready.
    fn add(&self) {
        self.0[0].fetch_add(1, SeqCst);
    }

    fn done(&self) -> usize {
        self.0[0].load(SeqCst)
    }

    /// Notes how many operations are ready in each poll.
    async fn watch(self, looped: impl Future<Output = ()>) {
        let mut looped = pin!(looped);
        poll_fn(move |cx| {
            let before = self.done();
            let polled = looped.as_mut().poll(cx);
            self.0[1].fetch_max(self.done() - before, SeqCst);
            polled
        })
        .await;
    }
}

type Looped = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Budgets of a poll: the usual one, and those in which no leaf gets far.
const BUDGETS: [u8; 3] = [127, 2, 1];

/// Runs `test` with a loop over each leaf, under each budget.
fn each(test: fn(&Runtime, Looped, Note)) {
    for Leaf { name, looped } in leaves() {
        for operations in BUDGETS {
            let tried = catch_unwind(|| without_hanging(move || one(looped, operations, test)));
            assert!(tried.is_ok(), "{name}, {operations} operations in a poll");
        }
    }
}

fn one(looped: fn(Note) -> Looped, operations: u8, test: fn(&Runtime, Looped, Note)) {
    let builder = Runtime::builder().workers(1).on_unobserved(|_| {});
    let runtime = builder.operations_per_poll(operations).build().unwrap();
    let note = Note::default();
    let entered = runtime.enter();
    let looped = note.clone().watch(looped(note.clone()));
    test(&runtime, Box::pin(looped), note.clone());
    drop(entered);
    assert!(note.done() > 0, "it was never ready");
    let longest = note.0[1].load(SeqCst);
    assert!(longest <= MANY, "{longest} operations in one poll");
}

/// What the branch beside a loop does: it needs turns of its own, and units.
async fn beside(note: Note) {
    while note.done() < 400 {
        yield_now().await;
    }
    for _ in 0..10 {
        sleep(Duration::ZERO).await;
    }
}

#[test]
fn a_loop_leaves_a_sibling_its_turns_and_is_cut() {
    each(|runtime, looped, note| {
        let ended = runtime.block_on(GroupBuilder::new().run(async |g| {
            g.spawn(looped);
            g.spawn(async move {
                beside(note).await;
                Err::<(), _>("enough")
            });
            Ok(())
        }));
        assert!(ended.is_err());
    });
}

#[test]
fn a_loop_is_cut_by_a_deadline() {
    each(|runtime, looped, note| {
        let deadline = GroupBuilder::new().deadline(Duration::from_millis(1), "late");
        let ended = runtime.block_on(group(async |g| {
            let body = async |_: Group<'_, '_, _>| {
                looped.await;
                Ok(())
            };
            g.spawn(async move { Ok(deadline.run(body).await) }).await
        }));
        assert!(ended.is_err());
        // It may have been late before its first operation.
        note.add();
    });
}

#[test]
fn a_loop_leaves_the_branches_of_a_combinator_their_turns() {
    each(|runtime, looped, note| {
        runtime.block_on(group(async |g| {
            g.spawn(or(looped, beside(note))).await;
        }));
    });
}

/// A combinator that polls again at once what has woken itself, as some do, for some time.
#[test]
fn a_loop_that_is_polled_again_at_once_leaves_the_others_their_turns() {
    each(|runtime, mut looped, note| {
        runtime.block_on(group(async |g| {
            let again = poll_fn(move |cx| {
                for _ in 0..3 {
                    if looped.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                }
                Poll::Pending
            });
            g.spawn(or(again, beside(note))).await;
        }));
    });
}

/// Spends all of a budget and gives way by itself, so that it is never refused.
#[test]
fn a_loop_that_keeps_step_with_the_budget_leaves_units_to_others() {
    for operations in BUDGETS {
        let builder = Runtime::builder().workers(1);
        let runtime = builder.operations_per_poll(operations).build().unwrap();
        let in_step = async move {
            loop {
                for _ in 0..operations {
                    sleep(Duration::ZERO).await;
                }
                gives_way().await;
            }
        };
        let others = async {
            for _ in 0..100 {
                sleep(Duration::ZERO).await;
            }
        };
        without_hanging(move || {
            runtime.block_on(group(async |g| g.spawn(or(in_step, others)).await));
        });
    }
}

/// Pending once, as a future of other people's is: it takes nothing from the budget.
async fn gives_way() {
    let mut polled = false;
    poll_fn(|cx| match replace(&mut polled, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

#[test]
fn a_loop_gives_way_in_a_blocked_caller() {
    each(|runtime, looped, note| runtime.block_on(or(looped, beside(note))));
    each(|runtime, looped, note| {
        runtime.block_on(group(async |g| {
            g.compute(|| or(looped, beside(note)).wait()).await;
        }));
    });
}

#[test]
fn a_loop_gives_way_on_another_executor() {
    each(|_, looped, note| futures_lite::future::block_on(or(looped, beside(note))));
}

/// A `block_on` of another library inside a task polls again at once, in one and the same poll.
#[test]
fn a_foreign_block_on_inside_a_task_gets_on() {
    each(|runtime, looped, note| {
        // The children of the loop need a worker.
        let other = Runtime::builder().workers(1).build().unwrap();
        other.block_on(group(async |g| {
            let _entered = runtime.enter();
            g.spawn(async { futures_lite::future::block_on(or(looped, beside(note))) })
                .await;
        }));
    });
}

/// Leaves that are not ready take nothing: a poll of many wakes nothing.
#[test]
fn what_is_not_ready_takes_nothing() {
    let polled = |future: &mut dyn FnMut() -> Looped| {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut pending: Vec<_> = (0..1_000).map(|_| future()).collect();
        for _ in 0..3 {
            for one in &mut pending {
                assert!(
                    one.as_mut()
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                );
            }
        }
        count.0.load(SeqCst)
    };
    assert_eq!(
        polled(&mut || Box::pin(sleep(Duration::from_secs(3600)))),
        0
    );
    let listener =
        Arc::new(spinney::block_on(spinney::net::TcpListener::bind("127.0.0.1:0")).unwrap());
    let accept = || -> Looped {
        let listener = Arc::clone(&listener);
        Box::pin(async move { drop(listener.accept().await) })
    };
    // A socket is tried once before it is known not to be ready.
    assert!(polled(&mut { accept }) <= 20);
}

/// The one poll that a time of zero grants has a whole budget, whatever its task has spent before.
#[test]
fn a_granted_poll_has_a_whole_budget() {
    spinney::block_on(async {
        for spent in 0..300 {
            for _ in 0..spent {
                sleep(Duration::ZERO).await;
            }
            let hundred = async {
                for _ in 0..100 {
                    sleep(Duration::ZERO).await;
                }
            };
            assert!(timeout(Duration::ZERO, hundred).await.is_ok());
            let group = GroupBuilder::<()>::new().deadline(Duration::ZERO, ());
            let hundred = group.run(async |_| {
                for _ in 0..100 {
                    sleep(Duration::ZERO).await;
                }
                Ok(())
            });
            assert!(hundred.await.is_ok());
        }
    });
}

/// A timer that is late gives way each time, and not after a hundred times what made it late.
#[test]
fn a_loop_that_overruns_its_interval_gives_way_each_time() {
    without_hanging(|| {
        let clock = ManualClock::new();
        let runtime = Runtime::builder().workers(1).clock(&clock).build().unwrap();
        let period = Duration::from_secs(1);
        let note = Note::default();
        let by_hand = || async {
            let mut at = clock.now();
            loop {
                at += period;
                sleep_until(at).await;
                clock.advance(2 * period);
                note.add();
            }
        };
        let ticks = || async {
            let mut ticks = interval(period);
            loop {
                ticks.tick().await;
                clock.advance(2 * period);
                note.add();
            }
        };
        let twenty = || async {
            for _ in 0..20 {
                yield_now().await;
            }
        };
        runtime.block_on(or(by_hand(), twenty()));
        runtime.block_on(or(ticks(), twenty()));
        assert!((2..=80).contains(&note.done()), "{}", note.done());
    });
}

/// What comes after a late timer is refused nothing for it: a shield in a poll of a cut begins, and
/// a group is opened by its first poll.
#[test]
fn a_late_timer_costs_nothing_but_the_next_one() {
    without_hanging(|| {
        let clock = ManualClock::new();
        let runtime = Runtime::builder().workers(1).clock(&clock).build().unwrap();
        let late = || async {
            let at = clock.now();
            clock.advance(Duration::from_secs(2));
            sleep_until(at).await;
        };
        let (began, opened) = (Note::default(), Note::default());
        let ended = runtime.block_on(GroupBuilder::new().run(async |g| {
            shield(async {
                g.cancel("enough");
                // The next poll belongs to the cut.
                yield_now().await;
                late().await;
            })
            .await;
            shield(async { began.add() }).await;
            Ok(())
        }));
        assert!(ended.is_err());
        assert_eq!(began.done(), 1);
        runtime.block_on(async {
            late().await;
            let mut inner = pin!(group(async |_| opened.add()));
            let polled = poll_fn(|cx| Poll::Ready(inner.as_mut().poll(cx))).await;
            assert!(polled.is_ready());
        });
        assert_eq!(opened.done(), 1);
    });
}

/// A loop over shields suspends inside them only, and is cut between two.
#[test]
fn a_loop_over_shields_is_cut() {
    for before in 0..3 {
        for inside in 1..5 {
            without_hanging(move || {
                let runtime = Runtime::builder().workers(1).build().unwrap();
                let ended = runtime.block_on(spinney::try_group(async |g: Group<'_, '_, &str>| {
                    g.spawn(async move {
                        for _ in 0..before {
                            sleep(Duration::ZERO).await;
                        }
                        loop {
                            shield(async {
                                for _ in 0..inside {
                                    sleep(Duration::ZERO).await;
                                }
                            })
                            .await;
                        }
                    });
                    for _ in 0..10 {
                        yield_now().await;
                    }
                    Err::<(), _>("enough")
                }));
                assert!(ended.is_err());
            });
        }
    }
}

/// What begins in a shield in the poll of a cancel runs, however much that poll has spent.
#[test]
fn a_shield_after_a_cancel_begins() {
    for spent in 0..300 {
        let saved = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&saved);
        let ended = spinney::block_on(spinney::try_group(async |g: Group<'_, '_, &str>| {
            for _ in 0..spent {
                sleep(Duration::ZERO).await;
            }
            g.cancel("enough");
            shield(async {
                yield_now().await;
                count.fetch_add(1, SeqCst);
            })
            .await;
            Ok(())
        }));
        assert!(ended.is_err());
        assert_eq!(saved.load(SeqCst), 1);
    }
}

/// So does a shield for which sync code waits, with the smallest budget, and in a poll that has
/// refused something: that is how a destructor says that the rest of it must run.
#[test]
fn a_shield_that_sync_code_waits_for_begins() {
    let builder = Runtime::builder().workers(1);
    let runtime = builder.operations_per_poll(1).build().unwrap();
    for _ in 0..100 {
        let saved = Note::default();
        let saves = saved.clone();
        let ended = runtime.block_on(spinney::try_group(async move |g: Group<'_, '_, &str>| {
            g.spawn(async move {
                shield(async {
                    g.cancel("enough");
                    // The next poll belongs to the cut.
                    yield_now().await;
                })
                .await;
                let again = poll_fn(|cx| {
                    while pin!(cooperative(ready(()))).poll(cx).is_ready() {}
                    Poll::Ready(())
                });
                again.await;
                shield(yield_now()).wait();
                saves.add();
                Ok(())
            });
            Ok(())
        }));
        assert!(ended.is_err());
        assert_eq!(saved.done(), 1);
    }
}

/// Nothing is lost where a leaf gives way: all ticks, items and values come.
#[test]
fn nothing_is_lost_where_a_leaf_gives_way() {
    let sum = spinney::block_on(group(async |g| {
        let mut set = g.set();
        let (left, right) = async_channel::unbounded();
        for n in 0..1_000_u64 {
            set.spawn(async move { Ok(n) });
            left.try_send(n).unwrap();
        }
        drop(left);
        let items = async {
            let mut sum = 0;
            while let Some(Ok(n)) = set.next().await {
                sum += n;
            }
            sum
        };
        let values = async {
            let mut sum = 0;
            while let Ok(n) = cooperative(right.recv()).await {
                sum += n;
            }
            sum
        };
        let (items, values) = zip(items, values).await;
        items + values + cooperative(ready(1)).await
    }));
    assert_eq!(sum, 999_001);
}
