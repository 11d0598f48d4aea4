//! Streams: ordered results, and generators that their readers own.

use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{Count, once, poll_alone, until};
use crate::common::runtimes::workers;
use futures_lite::StreamExt;
use spinney::{Errors, Group, Yielder, block_on, group, shield, try_group, yield_now};
use std::future::pending;
use std::panic::panic_any;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Waker};

/// Results of parallel work are handled one at a time in the order of submission; a handler that
/// panics does not leave producers blocked.
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
            let mut stream = g.stream(async move |mut out: Yielder<usize>| {
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
                let mut stream = g.stream(async |mut out: Yielder<()>| {
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

/// An `Yielder` that was given to another task: that one is not cut, and its values are dropped.
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
        // The first one was in the slot already; those after it had not got there, unless it had
        // been read by then.
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
