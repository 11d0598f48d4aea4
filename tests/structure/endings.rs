//! A group always ends, and soundly: the last registration is not lost, a cut ends whatever is
//! polled no more, and a group that has ended leaves nothing behind.

use crate::common::drops::on_drop;
use crate::common::durations::{NOW, SECOND};
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{self, once, until, with_a_whole_budget};
use crate::common::runtimes::{clocked, workers};
use spinney::{
    Group, GroupHandle, Never, Runtime, Wait, current, group, shield, sleep, timeout, try_group,
    yield_now,
};
use std::future::{Future, pending};
use std::hint::spin_loop;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;

/// Rounds of a race. The windows are some ten instructions wide; spins of changing length move the
/// threads across them.
const ROUNDS: usize = 3_000;

/// Borrows a kept value, and notes whether it was alive at the end.
struct Guard<'a> {
    kept: &'a AtomicBool,
    dead: Arc<AtomicUsize>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.kept.load(SeqCst) {
            self.dead.fetch_add(1, SeqCst);
        }
    }
}

/// Says in its destructor that it was alive until then.
struct Kept(AtomicBool);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

/// A child registers a defer while the group's future is dropped: it runs, and before kept values
/// are dropped.
#[test]
fn a_defer_that_races_an_early_drop_runs_before_kept_values_go() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let (ran, dead) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        {
            let _entered = runtime.enter();
            for round in 0..ROUNDS {
                let begun = Arc::new(AtomicBool::new(false));
                let (told, runs, deads) = (begun.clone(), ran.clone(), dead.clone());
                let mut future: Pin<Box<dyn Future<Output = ()>>> =
                    Box::pin(group(async move |g: Group<'_, '_>| {
                        let kept = &g.keep(Kept(AtomicBool::new(true))).0;
                        g.spawn(async move {
                            told.store(true, SeqCst);
                            while !current::is_cancelled() {
                                spin_loop();
                            }
                            (0..round * 7 % 400).for_each(|_| spin_loop());
                            let guard = Guard { kept, dead: deads };
                            g.defer(async move {
                                let _guard = guard;
                                runs.fetch_add(1, SeqCst);
                            });
                        });
                        pending::<()>().await
                    }));
                with_a_whole_budget();
                let mut cx = Context::from_waker(Waker::noop());
                assert!(future.as_mut().poll(&mut cx).is_pending());
                while !begun.load(SeqCst) {
                    thread::yield_now();
                }
                drop(future);
            }
        }
        runtime.shutdown(SECOND).unwrap();
        assert_eq!((ran.load(SeqCst), dead.load(SeqCst)), (ROUNDS, 0));
    });
}

/// A child starts the first service of its group, and leaves, while the body returns.
#[test]
fn a_first_service_that_races_the_join_is_ended() {
    without_hanging(|| {
        let runtime = Runtime::builder()
            .workers(1)
            .callers_take_part(false)
            .build()
            .unwrap();
        for round in 0..ROUNDS {
            let (of_child, of_body) = (round * 7 % 90, round * 11 % 130);
            runtime.block_on(group(async move |g: Group<'_, '_>| {
                let begun = g.keep(AtomicBool::new(false));
                g.spawn(async move {
                    begun.store(true, SeqCst);
                    (0..of_child).for_each(|_| spin_loop());
                    g.service(pending::<()>());
                });
                while !begun.load(SeqCst) {
                    thread::yield_now();
                }
                (0..of_body).for_each(|_| spin_loop());
            }));
        }
        assert_eq!(runtime.metrics().live_tasks, 0);
    });
}

/// Two children leave at once while only a service is counted besides, and the body is gone.
#[test]
fn two_last_children_of_a_group_with_a_service_end_it() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for round in 0..ROUNDS {
            runtime.block_on(group(async move |g: Group<'_, '_>| {
                g.service(pending::<()>());
                for spins in [round * 3 % 70, round * 5 % 110] {
                    g.spawn(async move {
                        yield_now().await;
                        (0..spins).for_each(|_| spin_loop());
                    });
                }
            }));
        }
        assert_eq!(runtime.metrics().live_tasks, 0);
    });
}

/// How the task of [`cut_of`] is ended.
#[derive(Clone, Copy, Debug)]
enum Cutter {
    Handle,
    Group,
    Deadline,
    Shutdown,
}

const CUTTERS: [Cutter; 4] = [
    Cutter::Handle,
    Cutter::Group,
    Cutter::Deadline,
    Cutter::Shutdown,
];

/// Runs `task` as a child that has begun to wait, and ends it; returns when it is gone.
fn cut_of<F: Future<Output = ()> + Send + 'static>(cutter: Cutter, task: impl FnOnce() -> F) {
    let (runtime, clock, seen) = clocked(2);
    let task = task();
    let alive = Arc::new(());
    let inside = Arc::clone(&alive);
    let child = async move {
        let _inside = inside;
        task.await;
        pending::<()>().await
    };
    let begin = async || {
        while runtime.metrics().live_timers == 0 {
            yield_now().await;
        }
        clock.advance(SECOND);
    };
    match cutter {
        Cutter::Shutdown => {
            let handle = runtime.block_on(async {
                let (tell, told) = async_channel::bounded::<GroupHandle<Never>>(1);
                let mut open = Box::pin(group(async move |g: Group<'_, '_>| {
                    tell.try_send(g.handle()).unwrap();
                    pending::<()>().await
                }));
                assert!(once(open.as_mut()).await.is_pending());
                std::mem::forget(open);
                told.recv().await.unwrap()
            });
            assert!(handle.spawn(child).is_ok());
            runtime.block_on(begin());
        }
        _ => {
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
                let mut task = g.spawn(child);
                let polled = once(Pin::new(&mut task)).await;
                assert!(polled.is_pending());
                begin().await;
                match cutter {
                    Cutter::Handle => assert!(task.cancel().await.is_none()),
                    Cutter::Deadline => g.deadline(NOW, "late"),
                    _ => g.cancel("enough"),
                }
                Ok(())
            }));
            assert_eq!(result.is_ok(), matches!(cutter, Cutter::Handle));
        }
    }
    runtime.shutdown(NOW).unwrap();
    assert_eq!(Arc::strong_count(&alive), 1, "{cutter:?}");
    assert_eq!(seen.texts(), [""; 0], "{cutter:?}");
}

/// In the body of a group with a defer another group has failed, and is not polled any more when
/// the cut comes.
#[test]
fn a_cut_does_not_wait_for_the_failure_of_a_group_that_is_not_polled() {
    without_hanging(|| {
        for cutter in CUTTERS {
            let ran = Arc::new(AtomicUsize::new(0));
            let runs = Arc::clone(&ran);
            let task = move || {
                group(async move |outer: Group<'_, '_>| {
                    outer.defer(async move {
                        runs.fetch_add(1, SeqCst);
                    });
                    let mut inner = Box::pin(outer.group(async |i: Group<'_, '_>| {
                        // Its panic would come out of the group, but no task polls that.
                        i.spawn(async {
                            yield_now().await;
                        });
                        pending::<()>().await
                    }));
                    let cut = outer.keep(AtomicBool::new(false));
                    let mut failed = Box::pin(outer.try_group(async |i: Group<'_, '_, u8>| {
                        let guard = on_drop(|| cut.store(true, SeqCst));
                        i.spawn(async move {
                            let _guard = guard;
                            pending::<()>().await
                        });
                        i.spawn(async { Err::<(), _>(1) });
                        pending::<Result<(), u8>>().await
                    }));
                    assert!(once(inner.as_mut()).await.is_pending());
                    assert!(once(failed.as_mut()).await.is_pending());
                    // The failure has cut the other child.
                    until(|| cut.load(SeqCst)).await;
                    sleep(SECOND * 9).await;
                })
            };
            let (runtime, clock, seen) = clocked(2);
            cut_with(&runtime, &clock, cutter, task());
            assert_eq!(ran.load(SeqCst), 1, "{cutter:?}");
            // The failure has no receiver any more.
            assert_eq!(seen.texts().len(), 1, "{cutter:?}");
        }
    });
}

/// As [`cut_of`], on a given runtime, for a task that waits for a timer.
fn cut_with(
    runtime: &Runtime,
    clock: &spinney::time::ManualClock,
    cutter: Cutter,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
        let mut task = g.spawn(task);
        assert!(once(Pin::new(&mut task)).await.is_pending());
        while runtime.metrics().live_timers == 0 {
            yield_now().await;
        }
        clock.advance(SECOND);
        match cutter {
            Cutter::Handle => assert!(task.cancel().await.is_none()),
            Cutter::Deadline => g.deadline(NOW, "late"),
            Cutter::Shutdown | Cutter::Group => g.cancel("enough"),
        }
        Ok(())
    }));
    assert_eq!(result.is_ok(), matches!(cutter, Cutter::Handle));
}

/// What the group of the next test has besides.
#[derive(Clone, Copy, Debug)]
enum With {
    Nothing,
    Defer,
    Service,
}

/// The first poll of a cut reaches a group, whose body waits for a shield; then the task's body
/// goes on to something else.
#[test]
fn a_cut_does_not_wait_for_a_group_that_is_polled_no_more() {
    without_hanging(|| {
        for cutter in CUTTERS {
            for with in [With::Nothing, With::Defer, With::Service] {
                let gone_on = Arc::new(AtomicBool::new(false));
                let (goes_on, seen) = (Arc::clone(&gone_on), Arc::clone(&gone_on));
                cut_of(cutter, move || async move {
                    let mut x = pin!(group(async move |x: Group<'_, '_>| {
                        match with {
                            With::Nothing => {}
                            With::Defer => x.defer(yield_now()),
                            With::Service => drop(x.service(pending::<()>())),
                        }
                        x.group(async move |y: Group<'_, '_>| {
                            y.spawn(shield(async move {
                                while !seen.load(SeqCst) {
                                    yield_now().await;
                                }
                            }));
                            pending::<()>().await
                        })
                        .await
                    }));
                    let _ = timeout(SECOND, x.as_mut()).await;
                    goes_on.store(true, SeqCst);
                    pending::<()>().await;
                });
                assert!(gone_on.load(SeqCst), "{cutter:?} {with:?}");
            }
        }
    });
}

type Next = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Each generation opens the next group, polls it once, hands it out and ends.
fn generation(slot: &Arc<Mutex<Option<Next>>>) -> Next {
    let slot = Arc::clone(slot);
    Box::pin(group(async move |_: Group<'_, '_>| {
        yield_now().await;
        let mut next = generation(&slot);
        assert!(once(next.as_mut()).await.is_pending());
        *slot.lock().unwrap() = Some(next);
    }))
}

/// The memory of a relay is that of its last generation, and nothing recurses over those before.
#[test]
fn a_relay_of_groups_leaves_nothing_behind() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(async {
            let slot = Arc::default();
            let mut current = generation(&slot);
            for _ in 0..100_000 {
                current.await;
                current = slot.lock().unwrap().take().unwrap();
                assert!(runtime.metrics().live_groups <= 1);
            }
            drop(current);
        });
        assert_eq!(runtime.metrics().live_groups, 0);
    });
}

/// A handle of a group whose parent has ended gives the future back, also if the group lives on
/// elsewhere.
#[test]
fn a_handle_is_refused_once_the_parent_has_ended() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for forgotten in [false, true] {
            runtime.block_on(async {
                let mut handle = None;
                let (moved,) = group(async |_: Group<'_, '_>| {
                    let (tell, told) = async_channel::bounded(1);
                    let mut inner = Box::pin(group(async move |h: Group<'_, '_>| {
                        tell.try_send(h.handle()).unwrap();
                        yield_now().await;
                        // Its own children it has as before.
                        h.spawn(async { Ok(3) }).await
                    }));
                    assert!(once(inner.as_mut()).await.is_pending());
                    let first: GroupHandle<Never> = told.recv().await.unwrap();
                    assert!(first.spawn(async {}).is_ok(), "the parent is open");
                    handle = Some(first);
                    (inner,)
                })
                .await;
                let handle = handle.unwrap();
                let refused = handle.spawn(async { unreachable!("refused") });
                assert!(refused.is_err());
                match forgotten {
                    true => std::mem::forget(moved),
                    false => assert_eq!(moved.await, 3),
                }
                assert!(handle.spawn(async {}).is_err());
            });
        }
    });
}

/// Panics in its destructor.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any("destructor");
    }
}

/// The future that a cut wait waited for panics in its destructor: that comes out, as of any task
/// that is cut.
#[test]
fn a_panic_in_what_a_cut_wait_waited_for_comes_out() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let text = panic_of(|| {
            runtime.block_on(group(async |g: Group<'_, '_>| {
                let (inside, is_inside) = async_channel::bounded::<()>(1);
                let task = g.compute(move || {
                    let awaited = async move {
                        let _bomb = Bomb;
                        drop(inside);
                        pending::<()>().await
                    };
                    awaited.wait();
                });
                is_inside.recv().await.unwrap_err();
                task.cancel().await;
            }))
        });
        assert_eq!(text, "destructor");
        assert_eq!(runtime.block_on(async { 1 }), 1);
    });
}

/// Groups that the body of a scope polled, and that its value holds, are polled there no more.
#[test]
fn a_scope_does_not_wait_for_the_polls_of_what_its_value_holds() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g: Group<'_, '_>| {
            let (inside, is_inside) = async_channel::bounded::<()>(1);
            let task = g.compute(move || {
                let held = spinney::scope(|_| {
                    let mut open = Box::pin(group(async |h: Group<'_, '_>| {
                        h.service(pending::<()>());
                        pending::<()>().await
                    }));
                    assert!(polls::poll_alone(open.as_mut()).is_pending());
                    drop(inside);
                    open
                });
                drop(held);
            });
            is_inside.recv().await.unwrap_err();
            task.cancel().await;
        }));
        assert_eq!(runtime.metrics().live_tasks, 0);
    });
}

/// A shield is polled in one task that is cut, and then in another one: the first waits for it no
/// more.
#[test]
fn a_shield_that_moves_away_does_not_hold_its_former_host() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g: Group<'_, '_>| {
            let (release, released) = async_channel::bounded::<()>(1);
            let (hand, handed) = async_channel::bounded(1);
            let mut held = Some(Box::pin(shield(async move {
                _ = released.recv().await;
            })));
            let (inside, is_inside) = async_channel::bounded::<()>(1);
            let mut inside = Some(inside);
            let task = g.spawn(std::future::poll_fn(move |cx| {
                drop(inside.take());
                if let Some(mut shielded) = held.take() {
                    assert!(shielded.as_mut().poll(cx).is_pending());
                    if !current::is_cancelled() {
                        held = Some(shielded);
                    } else {
                        // A poll that knew of the cut: it is held by what goes elsewhere.
                        hand.try_send(shielded).unwrap();
                    }
                }
                std::task::Poll::<()>::Pending
            }));
            is_inside.recv().await.unwrap_err();
            let other = g.spawn(async move {
                handed.recv().await.unwrap().await;
                Ok(())
            });
            task.cancel().await;
            release.send(()).await.unwrap();
            other.await;
        }));
    });
}

/// A group that a service opened, and whose future went elsewhere, is cut from above as any other.
#[test]
fn a_group_that_came_out_of_a_service_is_not_shielded() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let (hand, handed) = async_channel::bounded(1);
        runtime.block_on(group(async |g: Group<'_, '_>| {
            let service = g.service(async move {
                let mut open: Next = Box::pin(group(async |h: Group<'_, '_>| {
                    yield_now().await;
                    h.spawn(pending::<()>());
                    pending::<()>().await
                }));
                assert!(once(open.as_mut()).await.is_pending());
                hand.send(open).await.unwrap();
                Ok(())
            });
            service.await;
        }));
        let mut open = handed.try_recv().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(open.as_mut().poll(&mut cx).is_pending());
        assert!(runtime.shutdown(NOW).is_ok(), "no straggler");
    });
}

/// A handle of a group that a service opened is used while the service's group ends.
#[test]
fn a_handle_below_a_service_that_races_the_end_is_refused_or_joined() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for round in 0..ROUNDS {
            let (tell, told) = std::sync::mpsc::channel::<GroupHandle<Never>>();
            let (go, gone) = (
                Arc::new(AtomicBool::new(false)),
                Arc::new(AtomicBool::new(false)),
            );
            let going = Arc::clone(&gone);
            let knocks = thread::spawn({
                let go = Arc::clone(&go);
                move || {
                    let handle = told.recv().unwrap();
                    while !go.load(SeqCst) {
                        spin_loop();
                    }
                    (0..round * 7 % 900).for_each(|_| spin_loop());
                    let ended = gone.load(SeqCst);
                    let taken = handle.spawn(async {}).is_ok();
                    assert!(!(ended && taken), "taken after the end of its parent");
                }
            });
            let (kept,) = runtime.block_on(group(async move |g: Group<'_, '_>| {
                let (hand, handed) = async_channel::bounded(1);
                let service = g.service(async move {
                    let mut open: Next = Box::pin(group(async move |h: Group<'_, '_>| {
                        tell.send(h.handle()).unwrap();
                        pending::<()>().await
                    }));
                    assert!(once(open.as_mut()).await.is_pending());
                    hand.send(open).await.unwrap();
                    Ok(())
                });
                service.await;
                go.store(true, SeqCst);
                (handed.recv().await.unwrap(),)
            }));
            going.store(true, SeqCst);
            knocks.join().unwrap();
            drop(kept);
        }
        runtime.shutdown(SECOND).unwrap();
    });
}
