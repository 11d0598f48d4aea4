//! Sets: results are read in the order of ends, and results that were not read are not lost.

use crate::common::drops::{Armed, on_drop};
use crate::common::durations;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{once, until};
use crate::common::runtimes::{clocked, workers};
use spinney::{
    Errors, Failure, Group, TaskSet, Yielder, group, shield, sleep, timeout, try_group, yield_now,
};
use std::future::{pending, ready};
use std::panic::panic_any;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::Poll;

/// Results come in the order of ends; a failure and a panic are items like any other; a set that is
/// dropped early cuts the rest, which the group joins.
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

/// A body that passes a failed item on, as its own error, ends the other members, which are joined.
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

/// A reader stops when it has seen enough, or when its time is over: it has the results until then,
/// and the set knows how many are left.
#[test]
fn reading_ends_when_the_reader_has_seen_enough() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        runtime.block_on(group(async |g| {
            let fill = |set: &mut TaskSet<'_, '_, u32, _>| {
                for number in 0..6_u32 {
                    // It counts from here.
                    let nap = sleep(number * durations::SECOND);
                    set.spawn(async move {
                        nap.await;
                        Ok(number)
                    });
                }
            };
            let mut set = g.set();
            fill(&mut set);
            clock.advance(2 * durations::SECOND);
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
            let limited = timeout(3 * durations::SECOND / 2, async {
                while let Some(Ok(number)) = set.next().await {
                    read.push(number);
                    // No further, or all of them might be ready in one poll, which wins.
                    if number < 2 {
                        clock.advance(durations::SECOND);
                    }
                }
            });
            assert!(limited.await.is_err());
            // The time was over in the poll in which the second second passed, or just after the
            // next item.
            assert!(read.starts_with(&[0, 1]), "{read:?}");
            assert_eq!(set.len(), 6 - read.len());
        }));
    });
}

/// Once the reader has decided the end and cancelled the group, members are taken and dropped; none
/// of them runs, and none gives an item.
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

/// A child or a member of a set fails while the body returns `Ok`: its error is the group's, in
/// each of a thousand rounds.
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

/// Failures that the reader did not read are the group's, panics, too.
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

/// A `next` that is dropped takes no item with it, neither from a set nor from a stream.
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
            let mut squares = g.stream(async |mut out: Yielder<u32>| {
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

/// A set that is forgotten leaves its members alone; the group joins them, and what they returned
/// is lost with it.
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
