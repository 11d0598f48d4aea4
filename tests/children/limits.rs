//! Limits: never more children than places, no place is lost, and places go out in the order of
//! asking.

use crate::common::drops::{Armed, on_drop};
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{once, until};
use crate::common::runtimes::workers;
use spinney::{Group, group, shield, try_group, yield_now};
use std::future::pending;
use std::panic::panic_any;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// With 1, 10 and 100 places never more children run than there are places, and all are run.
#[test]
fn never_more_children_than_places() {
    without_hanging(|| {
        let (runtime, _) = workers(4);
        for limit in [1, 10, 100] {
            let (now, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let (peak, sum) = runtime.block_on(group(async |g| {
                let (now, peak) = (g.keep(now), g.keep(peak));
                let places = g.bounded(limit);
                let mut tasks = Vec::new();
                for number in 0..10 * limit {
                    let child = async move {
                        peak.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                        for _ in 0..number % 5 {
                            yield_now().await;
                        }
                        now.fetch_sub(1, SeqCst);
                        Ok(number)
                    };
                    tasks.push(places.spawn(child).await);
                }
                let mut sum = 0;
                for task in tasks {
                    sum += task.await;
                }
                assert_eq!(places.running(), 0);
                (peak.load(SeqCst), sum)
            }));
            assert!(peak <= limit, "{peak} of {limit}");
            assert_eq!(sum, (0..10 * limit).sum::<usize>());
        }
    });
}

/// Places are given out in the order of asking, also to those that were polled again meanwhile.
#[test]
fn places_go_out_in_the_order_of_asking() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(group(async |g| {
            let places = g.bounded(1);
            let (release, released) = async_channel::bounded::<()>(1);
            let blocker = places.spawn(async move {
                released.recv().await.unwrap();
                Ok(())
            });
            blocker.await;
            let order = g.keep(Mutex::new(Vec::new()));
            let mut waiting: Vec<_> = (0..8)
                .map(|number| {
                    Box::pin(places.spawn(async move { order.lock().unwrap().push(number) }))
                })
                .collect();
            for _ in 0..2 {
                for waiter in &mut waiting {
                    assert!(once(waiter.as_mut()).await.is_pending());
                }
            }
            // Polled in the opposite order: the places do not care.
            release.send(()).await.unwrap();
            let mut left: Vec<_> = waiting.into_iter().rev().collect();
            while !left.is_empty() {
                let mut still = Vec::new();
                for mut waiter in left {
                    match once(waiter.as_mut()).await {
                        Poll::Ready(child) => child.await,
                        Poll::Pending => still.push(waiter),
                    }
                }
                left = still;
                yield_now().await;
            }
            assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
        }));
    });
}

/// A grant that its waiter has not seen, and a turn in the line, pass on when the waiter is
/// dropped.
#[test]
fn a_grant_passes_on_when_its_waiter_is_dropped() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let places = g.bounded(1);
            let (release, released) = async_channel::bounded::<()>(1);
            let blocker = places.spawn(async move {
                released.recv().await.unwrap();
                Ok(())
            });
            let blocker = blocker.await;
            let unpolled = on_drop(|| ());
            let mut first = Box::pin(places.spawn(async move {
                let _unpolled = unpolled;
                unreachable!("it never got a place");
                #[expect(unreachable_code, reason = "the type of the child")]
                Ok(())
            }));
            let mut second = Box::pin(places.spawn(async { Ok(2) }));
            let mut third = Box::pin(places.spawn(async { Ok(3) }));
            assert!(once(first.as_mut()).await.is_pending());
            assert!(once(second.as_mut()).await.is_pending());
            assert!(once(third.as_mut()).await.is_pending());
            // The turn of one in the middle of the line.
            drop(second);
            release.send(()).await.unwrap();
            blocker.await;
            // The place is the first one's now, which has not looked.
            assert_eq!(places.running(), 0);
            assert!(places.try_spawn(async { Ok(()) }).is_err());
            drop(first);
            assert_eq!(third.await.await, 3);
            assert!(places.try_spawn(async { Ok(()) }).is_ok());
        }));
    });
}

/// A limit that is raised lets waiters in, one that is lowered touches no running child, and zero
/// lets no child in.
#[test]
fn the_limit_changes_while_children_run() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let places = g.bounded(1);
            let (release, released) = async_channel::unbounded::<()>();
            let child = || {
                let released = released.clone();
                async move {
                    released.recv().await.unwrap();
                    Ok(())
                }
            };
            let mut children = vec![places.spawn(child()).await];
            let mut waiting = Vec::new();
            for _ in 0..3 {
                let mut waiter = Box::pin(places.spawn(child()));
                assert!(once(waiter.as_mut()).await.is_pending());
                waiting.push(waiter);
            }
            // Raised: as many go on as there are new places.
            places.set_limit(3);
            for mut waiter in waiting.drain(..2) {
                let Poll::Ready(child) = once(waiter.as_mut()).await else {
                    panic!("it has a place")
                };
                children.push(child);
            }
            assert_eq!((places.limit(), places.running()), (3, 3));
            let mut last = waiting.pop().unwrap();
            assert!(once(last.as_mut()).await.is_pending());
            // Lowered below the number of running children: none is touched, and no waiter gets in
            // before enough have ended.
            places.clone().set_limit(2);
            assert_eq!(places.running(), 3);
            for left in [2, 1] {
                release.send(()).await.unwrap();
                until(|| places.running() <= left).await;
                if left == 2 {
                    assert!(once(last.as_mut()).await.is_pending());
                }
            }
            let Poll::Ready(child) = once(last.as_mut()).await else {
                panic!("it has a place")
            };
            // Paused: running children go on, and no waiter gets in; raised again, the waiters get
            // in.
            places.set_limit(0);
            let mut paused = Box::pin(places.spawn(async { Ok(7) }));
            assert!(once(paused.as_mut()).await.is_pending());
            assert!(places.try_spawn(async { Ok(()) }).is_err());
            for _ in 0..2 {
                release.send(()).await.unwrap();
            }
            until(|| places.running() == 0).await;
            child.await;
            assert!(once(paused.as_mut()).await.is_pending());
            places.set_limit(usize::MAX);
            assert_eq!(paused.await.await, 7);
            for child in children {
                child.await;
            }
        }));
    });
}

/// Of two limits the later one stays, also if it comes while callers are woken that the former one
/// lets in.
#[test]
fn a_limit_that_comes_while_callers_are_woken_stays() {
    /// Says that it was called, and waits for an answer.
    struct Asks(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>);

    impl Wake for Asks {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
            self.1.lock().unwrap().recv().unwrap();
        }
    }

    without_hanging(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(group(async |g| {
            let places = g.bounded(1);
            let (release, released) = async_channel::bounded::<()>(1);
            let blocker = async move { _ = released.recv().await };
            places.spawn(blocker).await;
            let (ask, asked) = mpsc::channel();
            let (answer, answers) = mpsc::channel();
            let waker = Waker::from(Arc::new(Asks(ask, Mutex::new(answers))));
            let mut first = places.spawn(async {});
            assert!(
                pin!(&mut first)
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            let mut second = pin!(places.spawn(async {}));
            assert!(once(second.as_mut()).await.is_pending());
            let paused = places.clone();
            thread::scope(|threads| {
                threads.spawn(move || {
                    asked.recv().unwrap();
                    paused.set_limit(0);
                    answer.send(()).unwrap();
                });
                places.set_limit(10);
            });
            assert_eq!(places.limit(), 0);
            assert!(once(pin!(first)).await.is_ready());
            assert!(once(second.as_mut()).await.is_pending());
            drop(release);
        }));
    });
}

#[test]
fn a_limit_of_zero_is_refused_at_the_start() {
    let (runtime, _) = workers(1);
    let text = panic_of(|| runtime.block_on(group(async |g| drop(g.bounded(0)))));
    assert!(text.contains("zero"), "{text}");
}

/// A child that is cut, or born cancelled, gives its place back.
#[test]
fn no_place_is_lost_to_children_that_do_not_run() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let left = Arc::new(AtomicUsize::new(99));
        let seen = Arc::clone(&left);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            let places = g.bounded(1);
            // Cut: the place is free when the cut was joined.
            for _ in 0..100 {
                let Ok(child) = places.try_spawn(pending::<()>()) else {
                    panic!("the place is free")
                };
                assert!(child.cancel().await.is_none());
            }
            g.cancel(1);
            // Born cancelled.
            for _ in 0..100 {
                assert!(places.try_spawn(async { Ok(()) }).is_ok());
            }
            seen.store(places.running(), SeqCst);
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        assert_eq!(left.load(SeqCst), 0);
    });
}

/// A child panics, or its destructor does, in each way to end.
#[test]
fn no_place_is_lost_to_a_panic() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        for end in 0..4 {
            let running = Arc::new(AtomicUsize::new(99));
            let noted = Arc::clone(&running);
            let text = panic_of(|| {
                runtime.block_on(group(async move |g| {
                    let places = g.bounded(1);
                    let child = Armed::new(async move {
                        match end {
                            0 => Ok(()),
                            1 => panic_any("poll"),
                            _ => pending().await,
                        }
                    });
                    if end == 3 {
                        // Dropped without having been spawned: a panic of the body.
                        drop(places.spawn(child));
                        return;
                    }
                    let task = places.spawn(child).await;
                    // The next one gets the place, wherever the group is in its end.
                    shield(async {
                        if end == 2 {
                            let _ = task.cancel().await;
                        }
                        drop(places.spawn(async { Ok(()) }).await);
                        until(|| places.running() == 0).await;
                        noted.store(places.running(), SeqCst);
                    })
                    .await;
                }))
            });
            assert!(text == "drop" || text == "poll", "{text}");
            assert_eq!(running.load(SeqCst), if end == 3 { 99 } else { 0 });
        }
        // The destructor's panic came second to that of the poll.
        assert_eq!(seen.texts(), ["drop"]);
    });
}

/// Two limits, on one worker, each with a child that goes on until the other one has come as far.
#[test]
fn two_limited_views_do_not_starve_each_other() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(group(async |g| {
            let counts = g.keep([AtomicUsize::new(0), AtomicUsize::new(0)]);
            for (own, other) in [(0, 1), (1, 0)] {
                let places = g.bounded(1);
                g.spawn(async move {
                    let busy = places.spawn(async move {
                        // Goes on until the other view has come as far.
                        while counts[own].fetch_add(1, SeqCst) < 1_000
                            || counts[other].load(SeqCst) < 1_000
                        {
                            yield_now().await;
                        }
                        Ok(())
                    });
                    busy.await.await;
                });
            }
        }));
    });
}

/// A spawn that waits for a place while the group is cancelled is cut, with the child that was not
/// spawned.
#[test]
fn a_cancel_cuts_those_who_wait_for_a_place() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let alive = Arc::new(());
        let unspawned = Arc::clone(&alive);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            let places = g.bounded(1);
            places.spawn(pending::<()>()).await;
            let mut waits = pin!(places.spawn(async move {
                let _unspawned = unspawned;
                Ok(())
            }));
            assert!(once(waits.as_mut()).await.is_pending());
            g.cancel(3);
            waits.await;
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), 3);
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// Many threads take and give back at once; the count never goes over, and nothing is lost.
#[test]
fn places_survive_a_race_of_changes() {
    without_hanging(|| {
        let (runtime, _) = workers(4);
        runtime.block_on(group(async |g| {
            let places = g.bounded(3);
            let ran = g.keep(AtomicUsize::new(0));
            let mut askers = Vec::new();
            for asker in 0..8 {
                let places = places.clone();
                askers.push(g.spawn(async move {
                    for round in 0..500 {
                        if (asker + round) % 7 == 0 {
                            // Asks, and gives up.
                            let mut given_up = pin!(places.spawn(async { Ok(()) }));
                            let _ = once(given_up.as_mut()).await;
                            continue;
                        }
                        if (asker + round) % 11 == 0 {
                            places.set_limit(1 + round % 4);
                        }
                        let child = places.spawn(async move {
                            ran.fetch_add(1, SeqCst);
                            Ok(())
                        });
                        child.await;
                    }
                    Ok(())
                }));
            }
            for asker in askers {
                asker.await;
            }
            until(|| places.running() == 0).await;
            let expected = (0..8)
                .flat_map(|asker| (0..500).map(move |round| asker + round))
                .filter(|sum| sum % 7 != 0)
                .count();
            assert!(ran.load(SeqCst) == expected);
        }));
    });
}
