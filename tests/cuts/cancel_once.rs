//! A cancel is told once: no task is dropped, woken or called twice for it, and no waiter is polled
//! in vain.

use crate::common::drops::on_drop;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{Count, once, until};
use crate::common::runtimes::{one_by_one, workers};
use spinney::{Group, current, group, shield, try_group, yield_now};
use std::future::{Future, pending, poll_fn};
use std::panic::panic_any;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};

/// While a cancelled group waits for a child that cannot end yet, neither of them is polled.
#[test]
fn waiting_for_a_child_in_a_shield_costs_nothing() {
    without_hanging(|| {
        let (runtime, _) = one_by_one();
        let runtime = Arc::new(runtime);
        let metrics = Arc::clone(&runtime);
        let polls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&polls);
        let jobs = runtime.block_on(group(async move |outer| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            let (release, released) = async_channel::bounded::<()>(1);
            let (cancelled, is_cancelled) = async_channel::bounded::<()>(1);
            outer.spawn(async move {
                let waits = try_group(async move |g: Group<'_, '_, u8>| {
                    g.spawn(shield(async move {
                        drop(inside);
                        let mut waits = pin!(released.recv());
                        poll_fn(|cx| {
                            count.fetch_add(1, SeqCst);
                            waits.as_mut().poll(cx)
                        })
                        .await
                        .unwrap_err();
                    }));
                    begun.recv().await.unwrap_err();
                    g.cancel(1);
                    drop(cancelled);
                    pending::<Result<(), u8>>().await
                });
                assert_eq!(waits.await.unwrap_err().into_first(), 1);
            });
            let witness = outer.spawn(async move {
                is_cancelled.recv().await.unwrap_err();
                let before = metrics.metrics().jobs;
                for _ in 0..1_000 {
                    yield_now().await;
                }
                let jobs = metrics.metrics().jobs - before;
                drop(release);
                Ok(jobs)
            });
            witness.await
        }));
        // The thousand are the witness's own; the cut wakes the owner and the child a few times.
        assert!((900..1_020).contains(&jobs), "{jobs}");
        assert!(polls.load(SeqCst) <= 4, "{}", polls.load(SeqCst));
    });
}

/// While a destructor runs, more cancels and a shield around them change nothing: it runs once.
#[test]
fn a_cut_drops_once_however_often_it_is_cancelled() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let drops = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&drops);
        let result = runtime.block_on(try_group(async move |g: Group<'_, 'static, usize>| {
            let (inside, begun) = async_channel::bounded::<()>(1);
            let (dropping, is_dropping) = async_channel::bounded::<()>(1);
            let (go, gone) = mpsc::channel::<()>();
            let child = g.spawn(async move {
                let _slow = on_drop(move || {
                    count.fetch_add(1, SeqCst);
                    g.cancel(2);
                    drop(dropping);
                    gone.recv().unwrap_err();
                });
                drop(inside);
                pending::<()>().await
            });
            shield(async {
                begun.recv().await.unwrap_err();
                g.cancel(1);
                is_dropping.recv().await.unwrap_err();
                for n in 3..10 {
                    g.cancel(n);
                }
                let mut cancelled = pin!(child.cancel());
                assert!(once(cancelled.as_mut()).await.is_pending());
                drop(go);
                assert!(cancelled.await.is_none());
            })
            .await;
            Ok(())
        }));
        let errors = result.unwrap_err();
        assert!(errors.iter().copied().eq(1..10));
        assert_eq!(drops.load(SeqCst), 1);
    });
}

/// A waker that panics.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic_any("waker");
    }
}

/// In a storm of cancels each defer runs once, also one that is registered by another, and one that
/// panics stops no other; a waiter for the stop is woken once, whatever the other wakers do.
#[test]
fn defers_and_waiters_are_called_once_in_a_storm() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        for _ in 0..50 {
            let ran: Arc<[AtomicUsize; 11]> = Arc::default();
            let woken: [Arc<Count>; 4] = Default::default();
            let text = panic_of(|| {
                runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
                    for n in 0..10 {
                        let ran = Arc::clone(&ran);
                        g.defer(async move {
                            ran[n].fetch_add(1, SeqCst);
                            yield_now().await;
                            match n {
                                3 => g.defer(async move {
                                    ran[10].fetch_add(1, SeqCst);
                                }),
                                5 => panic_any("defer"),
                                _ => {}
                            }
                        });
                    }
                    let mut waiting = Vec::new();
                    for count in &woken {
                        for waker in [Arc::clone(count).into(), Waker::from(Arc::new(Panics))] {
                            let mut stop = Box::pin(g.stopping());
                            let polled = stop.as_mut().poll(&mut Context::from_waker(&waker));
                            assert!(polled.is_pending());
                            waiting.push(stop);
                        }
                    }
                    let (inside, begun) = async_channel::bounded::<()>(1);
                    for _ in 0..4 {
                        let inside = inside.clone();
                        g.spawn(shield(async move {
                            drop(inside);
                            until(current::is_stopping).await;
                            g.cancel("storm");
                            g.stop();
                        }));
                    }
                    drop(inside);
                    g.spawn(async move {
                        begun.recv().await.unwrap_err();
                        g.stop();
                    });
                    shield(until(current::is_cancelled)).await;
                    drop(waiting);
                    pending::<Result<(), _>>().await
                }))
            });
            assert_eq!(text, "defer");
            assert!(ran.iter().all(|times| times.load(SeqCst) == 1));
            assert!(woken.iter().all(|count| count.0.load(SeqCst) == 1));
        }
        assert_eq!(seen.texts(), ["storm"; 4 * 50]);
    });
}
