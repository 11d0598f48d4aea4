//! What each operation does to memory that threads share, by number: a change that adds a locked
//! instruction to a hot path is noticed here, and one that saves one writes the smaller number
//! down.
//!
//! One worker, and each operation a thousand times, so that looks beyond its queues, which come by
//! time, vanish in the average. `COUNT=1 cargo test -p count-tests -- --nocapture` prints the
//! places of all that is counted.

use count_tests::counts::{self, Counts, Kind};
use count_tests::time::ManualClock;
use count_tests::{Group, Runtime, block_on, group, join, sleep, try_group, yield_now};
use std::future::{Future, pending, poll_fn};
use std::hint::black_box;
use std::io::Write;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

const TIMES: u32 = 1000;

fn runtime() -> Runtime {
    let builder = Runtime::builder().workers(1).callers_take_part(false);
    let builder = builder.replace_stalled(false).clock(&ManualClock::new());
    builder.build().unwrap()
}

/// What a worker counts while it runs this.
fn on_a_worker(future: impl Future<Output = ()> + Send + 'static) -> Counts {
    runtime().block_on(group(async |g| {
        let task = g.spawn(async move {
            counts::begin();
            future.await;
            Ok(counts::end())
        });
        task.await
    }))
}

/// How often one operation does each: read-modify-writes, fences, locks, pushes to and pops from
/// deques, stores.
type Each = [u32; 5];

const KINDS: [Kind; 5] = [Kind::Rmw, Kind::Fence, Kind::Lock, Kind::Deque, Kind::Store];

/// Whether it is that often; looks beyond the queues, and what is measured of a sample, add less
/// than three to ten operations.
#[track_caller]
fn assert_each(what: &str, counts: &Counts, expected: Each) {
    let counted = KINDS.map(|kind| counts.of(kind) as f64 / f64::from(TIMES));
    let told = format!("{what}: {counted:.2?} of {KINDS:?}; in {TIMES} operations\n{counts}");
    if std::env::var_os("COUNT").is_some() {
        // Nothing can be done about a stderr that is closed.
        let _ = std::io::stderr().write_all(told.as_bytes());
    }
    for (is, should) in counted.into_iter().zip(expected) {
        let more = is - f64::from(should);
        let hint = match more > 0.0 {
            true => "This costs more than before",
            false => "This costs less than before: write that down here",
        };
        assert!(
            more.abs() < 0.3,
            "{hint}, where it was {expected:?}. {told}"
        );
    }
}

#[test]
fn a_spawn_without_its_child() {
    let counts = runtime().block_on(group(async |g| {
        let task = g.spawn(group(async |g: Group<'_, '_>| {
            g.spawn(async {});
            // Only this: the children run later.
            counts::begin();
            for i in 0..TIMES {
                g.spawn(async move { _ = black_box(i) });
            }
            Ok(counts::end())
        }));
        task.await
    }));
    assert_each("spawn", &counts, [2, 1, 0, 1, 1]);
}

#[test]
fn a_child_that_is_joined() {
    let counts = on_a_worker(group(async |g: Group<'_, '_>| {
        for i in 0..TIMES {
            g.spawn(async move { _ = black_box(i) });
        }
    }));
    assert_each("spawn, run and complete", &counts, [5, 1, 0, 2, 13]);
}

#[test]
fn a_child_that_is_awaited() {
    let counts = on_a_worker(group(async |g| {
        for i in 0..TIMES {
            black_box(g.spawn(async move { Ok(i) }).await);
        }
    }));
    assert_each("await", &counts, [13, 2, 1, 4, 24]);
}

#[test]
fn a_yield() {
    let counts = on_a_worker(async {
        for _ in 0..TIMES {
            yield_now().await;
        }
    });
    assert_each("yield", &counts, [3, 1, 0, 2, 11]);
}

#[test]
fn a_wake_of_another_task() {
    /// Wakes the other one and waits for its turn, so many times.
    async fn plays(turns: &AtomicU32, wakers: &[Mutex<Option<Waker>>; 2], me: usize) {
        poll_fn(|cx| {
            let turn = turns.load(Ordering::Relaxed);
            *wakers[me].lock().unwrap() = Some(cx.waker().clone());
            if turn as usize % 2 == me {
                turns.store(turn + 1, Ordering::Relaxed);
                let other = wakers[1 - me].lock().unwrap().take();
                if let Some(waker) = other {
                    waker.wake();
                }
            }
            match turn >= TIMES {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
    let counts = on_a_worker(async {
        group(async |g: Group<'_, '_>| {
            let turns = g.keep(AtomicU32::new(0));
            let wakers = g.keep([Mutex::new(None), Mutex::new(None)]);
            g.spawn(plays(turns, wakers, 0));
            g.spawn(plays(turns, wakers, 1));
        })
        .await;
    });
    assert_each("wake", &counts, [4, 1, 0, 2, 11]);
}

async fn groups(children: u32) {
    for _ in 0..TIMES {
        group(async |g| {
            for i in 0..children {
                g.spawn(async move { _ = black_box(i) });
            }
        })
        .await;
    }
}

#[test]
fn a_group() {
    assert_each("empty", &on_a_worker(groups(0)), [2, 0, 1, 0, 0]);
    assert_each("group of one", &on_a_worker(groups(1)), [16, 2, 9, 4, 30]);
}

/// So many groups without children, each in the body of the one around it, in one poll.
fn nested(depth: u32) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(group(async move |_: Group<'_, '_>| {
        if depth > 1 {
            nested(depth - 1).await;
        }
    }))
}

/// None of them looks at all those around it.
#[test]
fn groups_in_groups_are_linear_in_their_depth() {
    let counts = on_a_worker(async {
        for _ in 0..TIMES / 100 {
            nested(100).await;
            // So that no budget ends in between.
            yield_now().await;
        }
    });
    assert_each("nested group", &counts, [4, 0, 4, 0, 2]);
}

#[test]
fn a_cut() {
    let counts = on_a_worker(async {
        let cancelled = try_group(async |g: Group<'_, '_, &'static str>| {
            let polled = g.keep(AtomicU32::new(0));
            let body = g.keep(Mutex::new(None::<Waker>));
            for _ in 0..TIMES {
                g.spawn(async {
                    if polled.fetch_add(1, Ordering::Relaxed) == TIMES - 1 {
                        let waker = body.lock().unwrap().take();
                        waker.expect("the body waits").wake();
                    }
                    pending::<()>().await;
                });
            }
            poll_fn(|cx| {
                *body.lock().unwrap() = Some(cx.waker().clone());
                match polled.load(Ordering::Relaxed) == TIMES {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            })
            .await;
            g.cancel("enough");
            pending::<Result<(), &'static str>>().await
        });
        assert!(cancelled.await.is_err());
    });
    assert_each("cut", &counts, [8, 1, 2, 2, 15]);
}

#[test]
fn a_timer_that_is_taken_back() {
    let counts = on_a_worker(poll_fn(|cx| {
        for i in 0..TIMES {
            let timer = pin!(sleep(Duration::from_secs(60 + u64::from(i))));
            assert!(timer.poll(cx).is_pending());
        }
        Poll::Ready(())
    }));
    assert_each("timer", &counts, [2, 0, 4, 0, 2]);
}

#[test]
fn a_join() {
    let joins = || {
        counts::begin();
        for i in 0..TIMES {
            black_box(join(|| black_box(i), || black_box(i)));
        }
        Ok(counts::end())
    };
    let counts = runtime().block_on(group(async |g| g.compute(joins).await));
    assert_each("join", &counts, [0, 0, 0, 0, 0]);
}

#[test]
fn a_block_on_that_is_ready() {
    let runtime = runtime();
    counts::begin();
    for i in 0..TIMES {
        black_box(runtime.block_on(async { black_box(i) }));
    }
    assert_each("block_on outside", &counts::end(), [0, 0, 0, 0, 0]);
    let counts = on_a_worker(async {
        for i in 0..TIMES {
            black_box(block_on(async { black_box(i) }));
        }
    });
    assert_each("block_on inside", &counts, [0, 0, 0, 0, 0]);
}

#[test]
fn a_spawn_from_outside() {
    let runtime = runtime();
    let (begun, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let counts = runtime.block_on(group(async |g: Group<'_, '_>| {
        g.spawn(async move {
            // The only worker is busy: none searches or sleeps.
            begun.send(()).unwrap();
            released.recv().unwrap();
        });
        has_begun.recv().unwrap();
        counts::begin();
        for i in 0..TIMES {
            g.spawn(async move { _ = black_box(i) });
        }
        let counts = counts::end();
        release.send(()).unwrap();
        counts
    }));
    assert_each("spawn outside", &counts, [4, 1, 0, 1, 0]);
}
