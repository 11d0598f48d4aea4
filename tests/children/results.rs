//! Results: done beats cancelled, and handles and races give what they promise.

use crate::common::drops::on_drop;
use crate::common::durations;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{once, until};
use crate::common::runtimes::{self, clocked, workers};
use spinney::{Errors, Failure, Group, group, race, shield, sleep, try_group, yield_now};
use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};

// ---- result against cancel ----------------------------------------------------------------------

/// A child that returns in the poll in which it is cancelled has ended, and the cancel gives its
/// value.
#[test]
fn a_value_that_is_ready_in_the_poll_of_the_cancel_is_kept() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for supervised in [false, true] {
            let value = runtime.block_on(group(async move |g| {
                let (begun, has_begun) = mpsc::channel();
                let (release, released) = mpsc::channel::<()>();
                let child = async move {
                    begun.send(()).unwrap();
                    // A poll that does not return ignores every cancel.
                    released.recv().unwrap();
                    Ok(7)
                };
                if supervised {
                    let child = g.supervise(child);
                    has_begun.recv().unwrap();
                    let cancel = child.cancel();
                    release.send(()).unwrap();
                    return cancel.await.map(Result::unwrap);
                }
                let child = g.spawn(child);
                has_begun.recv().unwrap();
                let cancel = child.cancel();
                release.send(()).unwrap();
                cancel.await
            }));
            assert_eq!(value, Some(7));
        }
    });
}

/// A child that ignores the cancel delays its group, however often the owner polls.
#[test]
fn a_child_that_ignores_the_cancel_delays_its_group() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(async {
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let (release, released) = async_channel::bounded::<()>(1);
            let (cut, was_cut) = async_channel::bounded::<()>(1);
            let mut failing = pin!(try_group(async move |g: Group<'_, '_, u8>| {
                g.spawn(shield(async move {
                    begun.send(()).await.unwrap();
                    released.recv().await.unwrap();
                    Ok(())
                }));
                let told = on_drop(move || cut.try_send(()).unwrap());
                g.spawn(async move {
                    let _told = told;
                    pending::<()>().await
                });
                has_begun.recv().await.unwrap();
                Err::<(), u8>(1)
            }));
            let mut cut = pin!(was_cut.recv());
            until_ready(&mut failing, &mut cut).await;
            // Its sibling was cut, so the group is ending; it waits for the child, however often it
            // is polled.
            for _ in 0..100 {
                assert!(once(failing.as_mut()).await.is_pending());
                yield_now().await;
            }
            release.send(()).await.unwrap();
            assert_eq!(failing.await.unwrap_err().into_first(), 1);
        });
    });
}

/// Polls a group, which must stay pending, until the other future is ready.
async fn until_ready<G: Future, F: Future>(group: &mut Pin<&mut G>, other: &mut Pin<&mut F>) {
    loop {
        assert!(once(group.as_mut()).await.is_pending());
        if once(other.as_mut()).await.is_ready() {
            return;
        }
        yield_now().await;
    }
}

/// An owner that is cut while it joins a busy child goes on waiting; its own cancel lands after the
/// join.
#[test]
fn a_cancel_of_the_owner_does_not_end_its_wait_for_stragglers() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let frame = Arc::new(());
        let (kept, seen) = (Arc::clone(&frame), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&seen);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let (release, released) = async_channel::bounded::<()>(1);
            let (owner_frame, child_view) = (Arc::clone(&kept), Arc::downgrade(&kept));
            drop(kept);
            let after = Arc::clone(&count);
            g.spawn(async move {
                let _frame = owner_frame;
                group(async move |h| {
                    h.spawn(shield(async move {
                        begun.send(()).await.unwrap();
                        released.recv().await.unwrap();
                        // The owner is cut, and waits: its frame and that of the test are there.
                        count.fetch_add(child_view.strong_count(), SeqCst);
                    }));
                })
                .await;
                // Its cancel was only put off.
                pending::<()>().await;
                after.fetch_add(100, SeqCst);
            });
            has_begun.recv().await.unwrap();
            // Released by the cut itself.
            let release = on_drop(move || release.try_send(()).unwrap());
            g.spawn(async move {
                let _release = release;
                pending::<()>().await
            });
            yield_now().await;
            g.cancel(1);
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        assert_eq!(seen.load(SeqCst), 2);
        assert_eq!(Arc::strong_count(&frame), 1);
    });
}

// ---- handles ------------------------------------------------------------------------------------

/// Handles give results in the order in which they are awaited, although the children finish in the
/// opposite one.
#[test]
fn handles_give_results_in_the_order_of_spawning() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let order = runtime.block_on(group(async |g| {
            // Each waits for the one that was spawned before it.
            let mut next: Option<async_channel::Receiver<()>> = None;
            let mut children = Vec::new();
            for number in (0..10).rev() {
                let (done, is_done) = async_channel::bounded::<()>(1);
                let before = next.replace(is_done);
                children.push(g.spawn(async move {
                    if let Some(before) = before {
                        before.recv().await.unwrap();
                    }
                    done.send(()).await.unwrap();
                    Ok(number)
                }));
            }
            let mut order = Vec::new();
            for child in children.into_iter().rev() {
                order.push(child.await);
            }
            order
        }));
        assert_eq!(order, (0..10).collect::<Vec<_>>());
    });
}

/// A handle says whether its child has ended, without taking the value; a child that was cut has
/// none.
#[test]
fn a_handle_says_whether_its_child_has_ended() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let (release, released) = async_channel::bounded::<()>(1);
            let child = g.spawn(async move {
                released.recv().await.unwrap();
                Ok(String::from("value"))
            });
            let id = child.id();
            assert!(!child.is_finished());
            release.send(()).await.unwrap();
            // Waiting without taking.
            until(|| child.is_finished()).await;
            assert_eq!(child.id(), id);
            assert_eq!(child.await, "value");
            let cut = g.spawn(pending::<()>());
            assert_eq!(cut.cancel().await, None);
        }));
    });
}

/// A child that fails ends its group, whether the body looks at it or not; that of a supervised one
/// is the body's to handle.
#[test]
fn a_failed_child_ends_its_group_whatever_the_body_does_unless_it_is_supervised() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            g.spawn(async { Err::<(), u8>(1) });
            // It does not even look at the child.
            until(|| g.is_stopping()).await;
            Ok(2)
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            let child = g.supervise(async { Err::<(), u8>(1) });
            match child.await {
                Err(Failure::Error(error)) => Ok(error + 1),
                other => panic!("{other:?}"),
            }
        }));
        assert_eq!(result.unwrap(), 2);
    });
}

/// No error, one error and several errors come out as one type, and one of them is the cause.
#[test]
fn no_error_one_error_and_many_errors_have_one_type() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for failing in [0_u8, 1, 5] {
            let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
                let (told, all) = mpsc::channel();
                let (go, going) = async_channel::unbounded::<()>();
                for number in 0..failing {
                    let (told, going) = (told.clone(), going.clone());
                    // In a shield: none of them is cut before it has failed.
                    g.spawn(shield(async move {
                        told.send(()).unwrap();
                        let _ = going.recv().await;
                        Err::<(), u8>(number)
                    }));
                }
                drop((told, going));
                for _ in 0..failing {
                    yield_now().await;
                    all.recv().unwrap();
                }
                go.close();
                if failing > 0 {
                    pending::<()>().await;
                }
                Ok("none")
            }));
            let errors: Errors<u8> = match result {
                Ok(value) => {
                    assert_eq!((value, failing), ("none", 0));
                    continue;
                }
                Err(errors) => errors,
            };
            let mut numbers: Vec<_> = errors.iter().copied().collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..failing).collect::<Vec<_>>());
            assert_eq!(
                errors.entries().filter(|entry| !entry.after_cancel).count(),
                1
            );
        }
    });
}

// ---- race ---------------------------------------------------------------------------------------

type Contestant = Pin<Box<dyn Future<Output = Result<u8, u8>> + Send>>;

/// The first success wins, the losers are cut and joined, and their errors go to the hook. If all
/// fail, every error comes out; a race of no contestants panics.
#[test]
fn the_first_success_wins_and_the_rest_is_cut_and_joined() {
    without_hanging(|| {
        let (runtime, seen) = runtimes::one_by_one();
        let alive = Arc::new(());
        let loser = Arc::clone(&alive);
        let (failing, failed) = async_channel::bounded::<()>(1);
        let contestants: [Contestant; 3] = [
            Box::pin(async move {
                drop(failing);
                Err(1)
            }),
            Box::pin(async move {
                let _loser = loser;
                pending().await
            }),
            // One poll runs after the other, so the failure is complete when this one goes on.
            Box::pin(async move {
                let _ = failed.recv().await;
                Ok(2)
            }),
        ];
        assert_eq!(runtime.block_on(race(contestants)).unwrap(), 2);
        assert_eq!(Arc::strong_count(&alive), 1);
        // The error of a loser has no receiver: it was handed to the hook, which notes `?` for what
        // has no text.
        assert_eq!(seen.texts(), ["?"]);
        let all: Errors<u8> = runtime
            .block_on(race([1_u8, 2, 3].map(|n| ready(Err::<u8, u8>(n)))))
            .unwrap_err();
        let mut all: Vec<_> = all.iter().copied().collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3]);
        // A success without a value is one.
        assert!(runtime.block_on(race([ready(Ok::<(), u8>(()))])).is_ok());
        // A race of nothing does not hang: it is a mistake of the caller, and panics.
        let nothing: [Contestant; 0] = [];
        let text = panic_of(|| runtime.block_on(race(nothing)));
        assert!(text.contains("at least one"), "{text}");
    });
}

/// A race whose contestants begin one after the other, each after a delay of its own. A start upon
/// a failure is a loop around `timeout`.
#[test]
fn a_staggered_race() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(2);
        let begun = Arc::new(AtomicUsize::new(0));
        let time = clock.clone();
        // A sleep counts from its making, by the clock of the runtime that is entered.
        let entered = runtime.enter();
        let contestants = (0..4_u32).map(|number| {
            let (begun, clock) = (Arc::clone(&begun), time.clone());
            let delay = sleep(number * durations::SECOND);
            async move {
                delay.await;
                begun.fetch_add(1, SeqCst);
                match number {
                    0 => {
                        clock.advance(durations::SECOND);
                        Err(number.to_string())
                    }
                    1 => Ok(number),
                    _ => pending().await,
                }
            }
        });
        let contestants: Vec<_> = contestants.collect();
        drop(entered);
        let winner = runtime.block_on(race(contestants));
        assert_eq!(winner.unwrap(), 1);
        assert_eq!(begun.load(SeqCst), 2);
        assert_eq!(seen.texts(), ["0"]);
    });
}

/// A child may end with a child that never returns.
#[test]
fn a_child_ends_with_one_that_never_returns() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
            let serves = g.spawn(async {
                loop {
                    yield_now().await;
                }
            });
            let waits = g.spawn(serves);
            let _also = g.spawn(waits);
            g.spawn(async {
                yield_now().await;
                Err::<(), _>("enough")
            });
            pending::<Result<(), _>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), "enough");
    });
}
