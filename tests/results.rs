//! Results: done beats cancelled, order is what was promised, and reading a part loses nothing.

mod common_b;
mod support;

use common_b::{Armed, Count, clocked, on_drop, once, panic_of, poll_alone, until, workers};
use futures_lite::StreamExt;
use spinney::{
    Errors, Failure, Group, Out, TaskSet, block_on, group, race, shield, sleep, timeout, try_group,
    yield_now,
};
use std::future::{Future, pending, ready};
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use support::without_hanging;

// ---- result against cancel -------------------------------------------------------------------------------------------

/// Case 95.
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

/// Case 96.
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
            // Its sibling was cut, so the group is ending; it waits for the child, however often it is polled.
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

/// Case 97.
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

// ---- handles ---------------------------------------------------------------------------------------------------------

/// Case 147.
#[test]
fn handles_give_results_in_the_order_of_spawning() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let order = runtime.block_on(group(async |g| {
            // Each waits for the one that was spawned after it.
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

/// Case 149.
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

/// Cases 164 and 165.
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

/// Case 166.
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

// ---- race ------------------------------------------------------------------------------------------------------------

type Contestant = Pin<Box<dyn Future<Output = Result<u8, u8>> + Send>>;

/// Cases 150, 151 and 152.
#[test]
fn the_first_success_wins_and_the_rest_is_cut_and_joined() {
    without_hanging(|| {
        let (runtime, seen) = common_b::one_by_one();
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
        // The error of a loser is nobody's: it was handed to the hook, as all that has no text.
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

/// Case 154, with the delay; a start upon a failure is a loop around `timeout`.
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
            let delay = sleep(number * common_b::SECOND);
            async move {
                delay.await;
                begun.fetch_add(1, SeqCst);
                match number {
                    0 => {
                        clock.advance(common_b::SECOND);
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

// ---- sets ------------------------------------------------------------------------------------------------------------

/// Case 159.
#[test]
fn a_set_is_read_in_the_order_of_ends() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let alive = Arc::new(());
        let left = Arc::clone(&alive);
        runtime
            .block_on(try_group(async move |g: Group<'_, '_, u8>| {
                let mut set = g.set();
                let mut gates = Vec::new();
                for number in 0..5_u8 {
                    let (open, opened) = async_channel::bounded::<()>(1);
                    gates.push(open);
                    set.spawn(async move {
                        opened.recv().await.unwrap();
                        if number == 3 { Err(number) } else { Ok(number) }
                    });
                }
                assert_eq!(set.len(), 5);
                for number in [3, 0, 4, 2, 1] {
                    gates[number].send(()).await.unwrap();
                    match set.next().await.unwrap() {
                        Ok(value) => assert_eq!(usize::from(value), number),
                        // A failure is an item, and ends nothing.
                        Err(Failure::Error(error)) => assert_eq!((error, number), (3, 3)),
                        Err(other) => panic!("{other:?}"),
                    }
                }
                assert!(set.is_empty() && set.next().await.is_none());
                // A panic is one, too.
                set.spawn(async {
                    if true {
                        panic_any("item")
                    }
                    Ok(1)
                });
                let item = set.next().await.unwrap();
                assert!(
                    matches!(&item, Err(Failure::Panic(p)) if p.is::<&str>()),
                    "{item:?}"
                );
                // Left early: the rest is cut, and joined by the group.
                set.spawn(async move {
                    let _left = left;
                    pending::<()>().await;
                    Ok(9)
                });
                drop(set);
                Ok(())
            }))
            .unwrap();
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// Case 160.
#[test]
fn a_body_that_passes_an_item_on_ends_the_rest() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let alive = Arc::new(());
        let child = Arc::clone(&alive);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            let mut set = g.set();
            set.spawn(async { Err(6) });
            for _ in 0..10 {
                let child = Arc::clone(&child);
                set.spawn(async move {
                    let _child = child;
                    pending::<Result<(), u8>>().await
                });
            }
            drop(child);
            match set.next().await {
                Some(Err(Failure::Error(error))) => Err(error),
                other => panic!("{other:?}"),
            }
        }));
        let errors: Errors<u8> = Result::<(), _>::unwrap_err(result);
        assert_eq!((*errors.first(), errors.len()), (6, 1));
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// Cases 155 and 131: reading on until something is true, and what was read by then.
#[test]
fn reading_ends_when_the_reader_has_seen_enough() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        runtime.block_on(group(async |g| {
            let fill = |set: &mut TaskSet<'_, '_, u32, _>| {
                for number in 0..6_u32 {
                    // It counts from here.
                    let nap = sleep(number * common_b::SECOND);
                    set.spawn(async move {
                        nap.await;
                        Ok(number)
                    });
                }
            };
            let mut set = g.set();
            fill(&mut set);
            clock.advance(2 * common_b::SECOND);
            let mut read = Vec::new();
            while let Some(Ok(number)) = set.next().await {
                read.push(number);
                if read.len() == 3 {
                    break;
                }
            }
            read.sort_unstable();
            assert_eq!((read, set.len()), (vec![0, 1, 2], 3));
            drop(set);

            let mut set = g.set();
            fill(&mut set);
            let mut read = Vec::new();
            let limited = timeout(3 * common_b::SECOND / 2, async {
                while let Some(Ok(number)) = set.next().await {
                    read.push(number);
                    clock.advance(common_b::SECOND);
                }
            });
            assert!(limited.await.is_err());
            // The time was over in the poll in which the second second passed, or just after the next item.
            assert!(read.starts_with(&[0, 1]), "{read:?}");
            assert_eq!(set.len(), 6 - read.len());
        }));
    });
}

/// Case 156.
#[test]
fn after_the_end_was_decided_members_are_taken_but_never_run() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let polled = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&polled);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            let mut set = g.set::<()>();
            for number in 0..2 {
                set.spawn(async move { Err(number) });
            }
            for _ in 0..2 {
                assert!(set.next().await.unwrap().is_err());
            }
            g.cancel(9);
            for _ in 0..10 {
                let count = Arc::clone(&count);
                set.spawn(async move {
                    count.fetch_add(1, SeqCst);
                    Ok(())
                });
            }
            // They have ended without an item: nothing is unfinished, and nothing unread.
            assert_eq!(set.len(), 0);
            assert!(shield(set.next()).await.is_none());
            assert!(set.is_empty());
            Ok(())
        }));
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), (9, 1));
        assert_eq!(polled.load(SeqCst), 0);
    });
}

/// Case 161.
#[test]
fn no_error_is_lost_in_a_race_with_the_end_of_the_body() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        for round in 0..1_000_u32 {
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, u32>| {
                for child in 0..4 {
                    g.spawn(async move { if child == 2 { Err(round) } else { Ok(()) } });
                }
                Ok(())
            }));
            assert_eq!(result.unwrap_err().into_first(), round);
            // The same through a set that is dropped while its members end.
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, u32>| {
                let mut set = g.set::<()>();
                let (told, end) = mpsc::channel::<()>();
                set.spawn(async move {
                    drop(told);
                    Err(round)
                });
                if round % 2 == 0 {
                    let _ = end.recv();
                }
                drop(set);
                Ok(())
            }));
            match result {
                Err(errors) => assert_eq!(errors.into_first(), round),
                // It was cut before its first poll.
                Ok(()) => assert_eq!(round % 2, 1),
            }
        }
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// Case 172: failures that were not read are the group's, panics, too.
#[test]
fn what_was_not_read_of_a_set_is_the_groups() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            let mut set = g.set();
            let over = Arc::new(());
            for number in 0..4 {
                let child = Arc::clone(&over);
                set.spawn(async move {
                    let _child = child;
                    if number < 3 { Err(number) } else { Ok(()) }
                });
            }
            until(|| Arc::strong_count(&over) == 1).await;
            // All have been dropped, and the last to be told has the lock or has ended.
            drop(set);
            Ok(())
        }));
        let errors = result.unwrap_err();
        let mut numbers: Vec<_> = errors.iter().copied().collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2]);
        let text = panic_of(|| {
            runtime.block_on(group(async |g| {
                let mut set = g.set::<()>();
                let over = Arc::new(());
                let child = Arc::clone(&over);
                set.spawn(async move {
                    let _child = child;
                    if true {
                        panic_any("unread")
                    }
                    Ok(())
                });
                until(|| Arc::strong_count(&over) == 1).await;
            }))
        });
        assert_eq!(text, "unread");
        // A value whose destructor panics, dropped unread with its set.
        let text = panic_of(|| {
            runtime.block_on(group(async |g| {
                let mut set = g.set();
                let over = Arc::new(());
                let child = Arc::clone(&over);
                set.spawn(async move {
                    drop(child);
                    Ok(on_drop(|| panic_any("value")))
                });
                until(|| Arc::strong_count(&over) == 1).await;
            }))
        });
        assert_eq!(text, "value");
    });
}

/// Case 94: a reader that is dropped loses nothing.
#[test]
fn a_next_that_is_dropped_loses_nothing() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let mut set = g.set();
            for number in 0..100 {
                set.spawn(async move {
                    yield_now().await;
                    Ok(number)
                });
            }
            let mut squares = g.stream(async |mut out: Out<u32>| {
                for number in 0..100 {
                    out.send(number).await;
                }
            });
            let (mut members, mut values) = (Vec::new(), Vec::new());
            while members.len() + values.len() < 200 {
                if let Poll::Ready(item) = once(pin!(set.next())).await {
                    members.extend(item.map(Result::unwrap));
                }
                if let Poll::Ready(item) = once(pin!(squares.next())).await {
                    values.extend(item);
                }
                yield_now().await;
            }
            members.sort_unstable();
            assert_eq!(members, (0..100).collect::<Vec<_>>());
            assert_eq!(values, (0..100).collect::<Vec<_>>());
            assert!(set.next().await.is_none() && squares.next().await.is_none());
        }));
    });
}

/// A set that is forgotten leaves its members alone; the group joins them, and what they returned is lost with it.
#[test]
fn a_forgotten_set_hangs_nobody() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let ran = Arc::new(AtomicUsize::new(0));
        runtime.block_on(group(async |g| {
            let mut set = g.set();
            for _ in 0..10 {
                let ran = Arc::clone(&ran);
                set.spawn(async move {
                    yield_now().await;
                    ran.fetch_add(1, SeqCst);
                    Ok(vec![1])
                });
            }
            std::mem::forget(set);
        }));
        assert_eq!(ran.load(SeqCst), 10);
    });
}

/// A member's destructor that panics after its error: neither is lost.
#[test]
fn an_error_that_a_destructor_outranks_goes_to_the_hook() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let item = runtime.block_on(try_group(async |g: Group<'_, '_, String>| {
            let mut set = g.set::<()>();
            set.spawn(Armed::new(ready(Err(String::from("error")))));
            Ok(match set.next().await {
                Some(Err(Failure::Panic(payload))) => *payload.downcast::<&str>().unwrap(),
                other => panic!("{other:?}"),
            })
        }));
        assert_eq!(item.unwrap(), "drop");
        assert_eq!(seen.texts(), ["error"]);
        // The same of an ordinary child.
        let text = panic_of(|| {
            runtime.block_on(try_group(async |g: Group<'_, '_, String>| {
                g.spawn(Armed::new(ready(Err::<(), _>(String::from("plain")))));
                Ok(())
            }))
        });
        assert_eq!(text, "drop");
        assert_eq!(seen.texts(), ["error", "plain"]);
    });
}

/// A waker that polls in place finds no task around it: what it opens is not the child's.
#[test]
fn wakers_are_called_outside_the_child() {
    struct InPlace(Mutex<Vec<Option<spinney::TaskId>>>);
    impl std::task::Wake for InPlace {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().push(spinney::current::task_id());
        }
    }
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let waker = Arc::new(InPlace(Mutex::new(Vec::new())));
        runtime.block_on(group(async |g| {
            let foreign = Waker::from(Arc::clone(&waker));
            let mut cx = Context::from_waker(&foreign);
            let (open, opened) = async_channel::bounded::<()>(1);
            let gate = || {
                let opened = opened.clone();
                async move { opened.recv().await.unwrap_err() }
            };
            let mut set = g.set();
            let wait = gate();
            set.spawn(async move {
                wait.await;
                Ok(())
            });
            let wait = gate();
            let mut start = pin!(g.start(async move |ready: spinney::Ready<()>| {
                wait.await;
                ready.set(());
            }));
            let wait = gate();
            let mut stream = g.stream(async move |mut out: Out<()>| {
                wait.await;
                out.send(()).await;
            });
            let places = g.bounded(1);
            let wait = gate();
            drop(
                places
                    .spawn(async move {
                        wait.await;
                        Ok(())
                    })
                    .await,
            );
            let mut place = pin!(places.spawn(async { Ok(()) }));
            assert!(pin!(set.next()).as_mut().poll(&mut cx).is_pending());
            assert!(start.as_mut().poll(&mut cx).is_pending());
            assert!(pin!(stream.next()).as_mut().poll(&mut cx).is_pending());
            assert!(place.as_mut().poll(&mut cx).is_pending());
            open.close();
            until(|| waker.0.lock().unwrap().len() >= 4).await;
            drop(place.await);
        }));
        assert!(waker.0.lock().unwrap().iter().all(Option::is_none));
    });
}

// ---- streams ---------------------------------------------------------------------------------------------------------

/// Case 162: results of parallel work, handled one at a time in the order of submission; a handler that panics does not
/// leave producers blocked.
#[test]
fn an_ordered_stream() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let alive = Arc::new(());
        read_in_order(&runtime, &alive, false);
        let text = panic_of(|| read_in_order(&runtime, &alive, true));
        assert_eq!(text, "handler");
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

fn read_in_order(runtime: &spinney::Runtime, alive: &Arc<()>, fails: bool) {
    let order = runtime.block_on(group(async |g| {
        let places = g.bounded(4);
        let producers = Arc::clone(alive);
        let mut tasks = g.stream(async move |mut out| {
            for number in 0..50_usize {
                let producer = Arc::clone(&producers);
                let task = places.spawn(async move {
                    let _producer = producer;
                    for _ in 0..(50 - number) % 7 {
                        yield_now().await;
                    }
                    Ok(number)
                });
                out.send(task.await).await;
            }
        });
        let mut order = Vec::new();
        while let Some(task) = tasks.next().await {
            order.push(task.await);
            if fails && order.len() == 10 {
                panic_any("handler");
            }
        }
        order
    }));
    assert_eq!(order, (0..50).collect::<Vec<_>>());
}

/// A generator is never more than one value ahead, and its failure is the group's.
#[test]
fn a_generator_is_one_value_ahead_and_its_failure_is_the_groups() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            let mut stream = g.stream(async move |mut out: Out<usize>| {
                for number in 0..10 {
                    count.store(number + 1, SeqCst);
                    out.send(number).await;
                }
                Err::<(), _>(5)
            });
            for number in 0..10 {
                assert_eq!(stream.next().await, Some(number));
                assert!(made.load(SeqCst) <= number + 2);
            }
            stream.next().await;
            unreachable!("the reader of a failed generator is cut")
        }));
        let errors: Errors<u8> = Result::<(), _>::unwrap_err(result);
        assert_eq!(errors.into_first(), 5);
        let text = panic_of(|| {
            runtime.block_on(group(async |g| {
                let mut stream = g.stream(async |mut out: Out<()>| {
                    out.send(()).await;
                    panic_any("generator")
                });
                while stream.next().await.is_some() {}
            }))
        });
        assert_eq!(text, "generator");
    });
}

/// A generator whose reader is gone is cut where it sends; what it was sending is dropped once.
#[test]
fn a_stream_that_is_dropped_half_read_cuts_its_generator() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let alive = Arc::new(());
        for read in 0..4 {
            let values = Arc::clone(&alive);
            runtime.block_on(group(async move |g| {
                let mut stream = g.stream(async move |mut out| {
                    loop {
                        out.send(Arc::clone(&values)).await;
                    }
                });
                for _ in 0..read {
                    stream.next().await.unwrap();
                }
            }));
            assert_eq!(Arc::strong_count(&alive), 1);
        }
    });
}

/// In a shield a generator cannot be cut: its values are dropped, and it goes on.
#[test]
fn a_generator_in_a_shield_survives_its_reader() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        runtime.block_on(group(async move |g| {
            let mut stream = g.stream(async move |mut out| {
                shield(async {
                    for number in 0..10 {
                        out.send(number).await;
                        count.fetch_add(1, SeqCst);
                    }
                })
                .await;
                pending::<()>().await;
                count.fetch_add(100, SeqCst);
            });
            assert_eq!(stream.next().await, Some(0));
            assert_eq!(stream.next().await, Some(1));
        }));
        assert_eq!(sent.load(SeqCst), 10);
    });
}

/// An `Out` that was given to another task: that one is not cut, and its values are dropped.
#[test]
fn an_out_may_be_sent_elsewhere() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let after = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&after);
        runtime.block_on(group(async move |g| {
            let mut stream = g.stream(async move |mut out| {
                let sender = g.spawn(async move {
                    for number in 0..10 {
                        out.send(number).await;
                    }
                    count.fetch_add(1, SeqCst);
                    Ok(())
                });
                sender.await
            });
            assert_eq!(stream.next().await, Some(0));
        }));
        assert_eq!(after.load(SeqCst), 1);
    });
}

/// A send that is given up leaves the stream in order.
#[test]
fn a_send_that_is_dropped_does_not_confuse_the_next_one() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let read = runtime.block_on(group(async |g| {
            let (go, going) = async_channel::bounded::<()>(1);
            let mut stream = g.stream(async move |mut out| {
                going.recv().await.unwrap();
                for number in 0..3 {
                    let mut given_up = pin!(out.send(number));
                    assert!(once(given_up.as_mut()).await.is_pending());
                }
                out.send(3).await;
            });
            go.send(()).await.unwrap();
            let mut read = Vec::new();
            while let Some(number) = stream.next().await {
                read.push(number);
            }
            read
        }));
        // The first one was in the slot already; those after it had not got there, unless it had been read by then.
        assert_eq!((read.first(), read.last()), (Some(&0), Some(&3)));
        assert!(read.windows(2).all(|pair| pair[0] < pair[1]), "{read:?}");
    });
}

/// Sets and generators are streams for combinators of other libraries, and on other executors.
#[test]
fn sets_and_generators_are_streams() {
    let sum = futures_lite::future::block_on(group(async |g| {
        let mut set = g.set();
        for number in 0..10_u32 {
            set.spawn(async move { Ok(number) });
        }
        let members: u32 = set.map(Result::unwrap).fold(0, |a, b| a + b).await;
        let values: u32 = g
            .stream(async |mut out| {
                for number in 0..10 {
                    out.send(number).await;
                }
            })
            .fold(0, |a, b| a + b)
            .await;
        members + values
    }));
    assert_eq!(sum, 90);
}

/// Polled by hand, each wake-up comes once, and none too few.
#[test]
fn a_reader_is_woken_for_each_end() {
    without_hanging(|| {
        block_on(group(async |g| {
            let mut set = g.set();
            let counter = Arc::new(Count::default());
            let waker = Waker::from(Arc::clone(&counter));
            let mut cx = Context::from_waker(&waker);
            for round in 1..=100 {
                let (open, opened) = async_channel::bounded::<()>(1);
                set.spawn(async move {
                    opened.recv().await.unwrap();
                    Ok(())
                });
                assert!(pin!(set.next()).poll(&mut cx).is_pending());
                open.try_send(()).unwrap();
                until(|| counter.0.load(SeqCst) == round).await;
                assert!(poll_alone(pin!(set.next())).is_ready());
            }
        }));
    });
}
