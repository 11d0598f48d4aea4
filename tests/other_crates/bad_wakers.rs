//! Wakers are user code: a panic in one surfaces in the foreign code that brought it, if at all,
//! and disturbs no other code.

mod fragile;
mod places;

use crate::common::durations::{NOW, SECOND};
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{once, poll_alone, wait_until, with_a_whole_budget};
use crate::common::runtimes::{Seen, clocked, workers};
use async_channel::bounded;
use fragile::{Brittle, Fragile};
use places::{Leaf, ONCE, PLACES, Place, RESOLVE, World};
use spinney::{Runtime, group, race, shield, sleep, timeout};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

/// What becomes of a future whose poll panicked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Drop,
    PollAgain,
}

/// Polls; counts the panic of a clone. A group that came to its end with it may say so when it is
/// polled again.
fn poll_guarded(
    future: Pin<&mut (impl Future<Output = ()> + ?Sized)>,
    cx: &mut Context<'_>,
    surfaced: &mut usize,
) -> Poll<()> {
    match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
        Ok(polled) => polled,
        Err(payload) if payload.downcast_ref() == Some(&"clone") => {
            *surfaced += 1;
            Poll::Ready(())
        }
        Err(payload) if *surfaced == 1 => {
            let text = panic_of(|| resume_unwind(payload));
            assert!(text.contains("not polled after its end"), "{text}");
            Poll::Ready(())
        }
        Err(payload) => resume_unwind(payload),
    }
}

/// What holds after each attack. Whether there was a panic.
fn is_contained(
    name: &str,
    (runtime, world): (Runtime, World),
    seen: &Seen,
    fragile: &Arc<Fragile>,
    surfaced: usize,
) -> bool {
    // No worker was lost, and nothing is left that a shutdown would find.
    let one = runtime.block_on(group(async |g| g.spawn(async { Ok(1) }).await));
    assert_eq!(one, 1);
    runtime.shutdown(NOW).unwrap();
    drop((runtime, world));
    // It came out of the place, or, if that is a group, went where the panics of dropped groups go.
    let texts = seen.texts();
    assert!(texts.iter().all(|text| text == "clone"), "{texts:?}");
    let panics = usize::from(fragile.has_panicked());
    assert_eq!(surfaced + texts.len(), panics, "{name}");
    assert_eq!(Arc::strong_count(fragile), 1, "{name}");
    fragile.has_panicked()
}

/// A combinator in the body of a group polls a place with a waker of its own, whose clone number
/// `nth` panics, and catches that. Whether there were so many clones.
fn in_a_body((name, place): (&str, Place), nth: usize, is_first: bool, then: Then) -> bool {
    let (runtime, clock, seen) = clocked(2);
    let fragile = Arc::new(Fragile::new(nth, Waker::noop()));
    let world = World::new(clock);
    let children = Arc::clone(&world.children);
    let mut surfaced = 0;
    runtime.block_on(group(async |g| {
        let mut leaf = world.seed().plant(g, place);
        if !is_first {
            assert!(once(leaf.as_mut()).await.is_pending());
        }
        let waker = Arc::clone(&fragile).waker();
        let mut cx = Context::from_waker(&waker);
        let polled = poll_guarded(leaf.as_mut(), &mut cx, &mut surfaced);
        assert_eq!(polled.is_ready(), surfaced == 1);
        let again = then == Then::PollAgain && !(surfaced == 1 && ONCE.contains(&name));
        if again {
            // Woken as ever.
            let mut release = Some(|| world.release());
            poll_fn(|cx| {
                let polled = poll_guarded(leaf.as_mut(), cx, &mut surfaced);
                if let Some(release) = release.take() {
                    release();
                }
                polled
            })
            .await;
        }
        drop(leaf);
        world.release();
    }));
    assert_eq!(children.load(SeqCst), 0, "{name}");
    assert!(then == Then::Drop || seen.texts().is_empty(), "{name}");
    is_contained(name, (runtime, world), &seen, &fragile, surfaced)
}

/// The same with the whole group in the hands of a foreign executor.
fn outside((name, place): (&str, Place), nth: usize, is_first: bool, then: Then) -> bool {
    let (runtime, clock, seen) = clocked(2);
    let fragile = Arc::new(Fragile::new(nth, Waker::noop()));
    let world = World::new(clock);
    let children = Arc::clone(&world.children);
    let mut surfaced = 0;
    {
        let _entered = runtime.enter();
        with_a_whole_budget();
        let mut whole = Box::pin(group(async |g| world.seed().plant(g, place).await));
        if !is_first {
            assert!(poll_alone(whole.as_mut()).is_pending(), "{name}");
        }
        let waker = Arc::clone(&fragile).waker();
        let mut cx = Context::from_waker(&waker);
        let polled = poll_guarded(whole.as_mut(), &mut cx, &mut surfaced);
        assert_eq!(polled.is_ready(), surfaced == 1, "{name}");
        if then == Then::PollAgain {
            // Woken as ever.
            let mut release = Some(|| world.release());
            futures_lite::future::block_on(poll_fn(|cx| {
                let polled = poll_guarded(whole.as_mut(), cx, &mut surfaced);
                if let Some(release) = release.take() {
                    release();
                }
                polled
            }));
        }
    }
    world.release();
    wait_until(|| children.load(SeqCst) == 0);
    assert!(then == Then::Drop || seen.texts().is_empty(), "{name}");
    is_contained(name, (runtime, world), &seen, &fragile, surfaced)
}

/// The same in a task that is cut: the last poll, the joins and the end of its shields.
fn in_a_task_that_is_cut(
    (name, place): (&'static str, Place),
    nth: usize,
    is_first: bool,
    then: Then,
) -> bool {
    let (runtime, clock, seen) = clocked(2);
    let world = World::new(clock);
    let children = Arc::clone(&world.children);
    let slot = Arc::new(OnceLock::new());
    let theirs = Arc::clone(&slot);
    let surfaced = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&surfaced);
    runtime.block_on(group(async |g| {
        let mut leaf = Some(world.seed().plant(g, place));
        let (polled, was_polled) = bounded::<()>(1);
        let mut is_warm = is_first;
        let task = g.spawn(poll_fn(move |cx| {
            let fragile = theirs.get_or_init(|| Arc::new(Fragile::new(nth, cx.waker())));
            let waker = Arc::clone(fragile).waker();
            if let Some(future) = &mut leaf {
                let before = count.load(SeqCst);
                let mut now = before;
                let mut fragile = Context::from_waker(&waker);
                let polled = match std::mem::replace(&mut is_warm, true) {
                    true => poll_guarded(future.as_mut(), &mut fragile, &mut now),
                    false => future.as_mut().poll(cx),
                };
                count.store(now, SeqCst);
                let again = then == Then::PollAgain && now > before && !ONCE.contains(&name);
                if polled.is_ready() && !again {
                    leaf = None;
                }
            }
            polled.close();
            Poll::<()>::Pending
        }));
        let _ = was_polled.recv().await;
        let cut = task.cancel();
        world.release();
        assert_eq!(cut.await, None);
    }));
    assert_eq!(children.load(SeqCst), 0, "{name}");
    let (fragile, surfaced) = (slot.get().unwrap(), surfaced.load(SeqCst));
    is_contained(name, (runtime, world), &seen, fragile, surfaced)
}

/// Attacks each clone of each place in turn.
fn attack(poll: fn((&'static str, Place), usize, bool, Then) -> bool, at_least: usize) {
    without_hanging(move || {
        for place in PLACES {
            for is_first in [true, false] {
                for then in [Then::Drop, Then::PollAgain] {
                    let clones = (1..).take_while(|&nth| poll(place, nth, is_first, then));
                    assert!(
                        clones.count() >= at_least,
                        "{}: nothing was cloned",
                        place.0
                    );
                }
            }
        }
    });
}

/// A place is polled in the body of a group, with a waker whose clones panic.
#[test]
fn wakers_that_panic_when_they_are_cloned_in_a_body_are_contained() {
    attack(in_a_body, 1);
}

/// A whole group is polled by a foreign executor, with a waker whose clones panic.
#[test]
fn wakers_that_panic_when_they_are_cloned_outside_are_contained() {
    attack(outside, 1);
}

/// A place is polled in a task that is cut. One without a group and without a shield is not polled
/// in a cut.
#[test]
fn wakers_that_panic_when_they_are_cloned_in_a_cut_are_contained() {
    attack(in_a_task_that_is_cut, 0);
}

/// A shield that was given up in the poll that reached it, because of its waker, holds its task no
/// more.
#[test]
fn a_shield_whose_waker_panics_holds_nobody() {
    without_hanging(|| {
        let (runtime, _clock, _) = clocked(1);
        runtime.block_on(group(async |g| {
            let (polled, was_polled) = bounded::<()>(1);
            let mut shielded = Some(Box::pin(shield(sleep(SECOND))));
            let task = g.spawn(poll_fn(move |cx| {
                if polled.close() {
                    let future = shielded.as_mut().unwrap();
                    assert!(future.as_mut().poll(cx).is_pending());
                } else if let Some(mut future) = shielded.take() {
                    // The first clone is the timer's, the second one the shield's own.
                    let waker = Arc::new(Fragile::new(2, cx.waker())).waker();
                    let mut surfaced = 0;
                    let mut cx = Context::from_waker(&waker);
                    assert!(poll_guarded(future.as_mut(), &mut cx, &mut surfaced).is_ready());
                    assert_eq!(surfaced, 1);
                }
                Poll::<()>::Pending
            }));
            let _ = was_polled.recv().await;
            assert_eq!(task.cancel().await, None);
        }));
    });
}

/// What happens to a future that was polled with a waker whose copies panic when they are dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Drop,
    /// It is polled by a task, whose waker takes the place of the foreign one, and then released.
    Poll,
    /// It is released, and then polled by a task.
    Release,
    /// It is polled with another foreign waker of that kind, and then as above.
    Again,
}

/// Polls with a waker of which the future alone has a copy afterwards.
fn poll_brittle(leaf: &mut Leaf<'_>, brittle: &Arc<Brittle>) -> Poll<()> {
    let waker = Arc::clone(brittle).waker();
    let polled = leaf.as_mut().poll(&mut Context::from_waker(&waker));
    // Its owner lets go of it without noticing.
    drop(catch_unwind(AssertUnwindSafe(|| drop(waker))));
    polled
}

/// Polls a place with a foreign waker, and goes on in a task: nothing comes out there, nor goes to
/// the hook, nor is kept.
fn drop_in_a_task((name, place): (&str, Place), each: bool, next: Next) {
    let (runtime, clock, seen) = clocked(2);
    let world = Arc::new(World::new(clock));
    let brittle = Arc::new(Brittle::new(each));
    let mut was_pending = false;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(group(async |g| {
            let mut leaf = world.seed().plant(g, place);
            was_pending = poll_brittle(&mut leaf, &brittle).is_pending();
            if was_pending && next == Next::Again {
                was_pending = poll_brittle(&mut leaf, &brittle).is_pending();
            }
            if !was_pending || next == Next::Drop {
                drop(leaf);
                return world.release();
            }
            let mut release = Some(Arc::clone(&world));
            if next == Next::Release {
                release.take().unwrap().release();
            }
            let ordinary = g.spawn(poll_fn(move |cx| {
                let polled = leaf.as_mut().poll(cx);
                if let Some(world) = release.take() {
                    world.release();
                }
                polled
            }));
            ordinary.await
        }))
    }));
    let case = format!("{name}, each {each}, {next:?}");
    assert!(ended.is_ok(), "{case}: the panic of a waker came out");
    assert_eq!(world.children.load(SeqCst), 0, "{case}");
    runtime.shutdown(NOW).unwrap();
    drop((runtime, world));
    assert_eq!(seen.texts(), [""; 0], "{case}");
    assert_eq!(Arc::strong_count(&brittle), 1, "{case}: a waker is kept");
    assert!(brittle.thrown() > 0, "{case}: no waker panicked");
}

/// A poller with a waker of its own has nothing to do with the waker before, nor has the owner that
/// drops the future.
#[test]
fn wakers_that_panic_when_they_are_dropped_are_contained() {
    without_hanging(|| {
        let places = PLACES.into_iter().chain([RESOLVE]);
        for place in places {
            for each in [false, true] {
                for next in [Next::Drop, Next::Poll, Next::Release, Next::Again] {
                    drop_in_a_task(place, each, next);
                }
            }
        }
    });
}

/// A waker that panics when it is woken or when its last copy is dropped.
struct Hostile {
    wake: bool,
    drop: bool,
}

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        if self.wake {
            panic_any("wake");
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if self.drop && !thread::panicking() {
            panic_any("drop");
        }
    }
}

/// A waker that panics when it is woken, or when its last copy is dropped, costs no worker, and
/// futures that were polled with it end.
#[test]
fn wakers_that_panic_are_contained() {
    without_hanging(|| {
        for (wake, drop) in [(true, false), (false, true), (true, true)] {
            let (runtime, _) = workers(1);
            let hostile = || Waker::from(Arc::new(Hostile { wake, drop }));
            // A future is polled with a hostile waker, once, and then with that of the task.
            let polled = |mut future: Pin<Box<dyn Future<Output = ()> + Send>>| {
                let waker = hostile();
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                std::mem::forget(catch_unwind(AssertUnwindSafe(|| std::mem::drop(waker))));
                // On a slow machine it may be over already.
                polled.is_pending().then_some(future)
            };
            runtime.block_on(async {
                let (_keep, silent) = bounded::<()>(1);
                let silent = || {
                    let silent = silent.clone();
                    async move {
                        let _ = silent.recv().await;
                    }
                };
                let quiet = silent();
                let futures: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> = vec![
                    Box::pin(sleep(Duration::from_millis(1))),
                    Box::pin(group(async |g| {
                        g.spawn(sleep(Duration::from_millis(1)));
                    })),
                    Box::pin(group(async |g| {
                        g.spawn(sleep(Duration::from_millis(1))).await;
                        g.defer(sleep(Duration::from_millis(1)));
                    })),
                    Box::pin(async {
                        let raced = race([1, 2].map(|n| async move {
                            sleep(Duration::from_millis(n)).await;
                            Ok::<_, u8>(())
                        }));
                        raced.await.unwrap();
                    }),
                    Box::pin(async move {
                        let _ = timeout(Duration::from_millis(1), quiet).await;
                    }),
                ];
                for future in futures {
                    let Some(future) = polled(future) else {
                        continue;
                    };
                    future.await;
                }
                // Dropped while it is registered.
                let dropped = polled(Box::pin(group(async |g| {
                    g.spawn(pending::<()>());
                    pending::<()>().await
                })));
                std::mem::drop(dropped);
            });
            // A worker that was hit by a panic would be missing here.
            let one = runtime.block_on(group(async |g| {
                let (sender, receiver) = mpsc::channel();
                g.spawn(async move { sender.send(1).unwrap() });
                receiver.recv().unwrap()
            }));
            assert_eq!(one, 1);
            runtime.shutdown(NOW).unwrap();
        }
    });
}
