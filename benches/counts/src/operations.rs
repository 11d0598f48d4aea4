//! The operations.

use spinney::{Group, Runtime, block_on, group, join, sleep, try_group, yield_now};
use std::future::{Future, pending, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

/// One of them.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Runtime, u64),
}

const fn operation(name: &'static str, what: &'static str, run: fn(&Runtime, u64)) -> Operation {
    Operation { name, what, run }
}

/// All of them.
pub(crate) const OPERATIONS: &[Operation] = &[
    operation("spawn", "a child of one large group, joined by it", spawn),
    operation(
        "outside",
        "the same, spawned by a thread of the program",
        outside,
    ),
    operation("await", "a child, spawned and awaited", spawn_and_await),
    operation("chain", "a child that starts the next one", chain),
    operation("yield", "a task that gives way, alone", give_way),
    operation(
        "yield_100",
        "one of a hundred tasks that give way",
        give_way_among,
    ),
    operation("empty", "a group without children", empty),
    operation("group", "a group that joins one child", of_one),
    operation("group_10", "a group that joins ten children", of_ten),
    operation(
        "cancel",
        "a child that waits for ever, spawned and cut",
        cut,
    ),
    operation("join", "a join of two closures", fork),
    operation(
        "block_on",
        "block_on of a ready future, off a worker",
        block,
    ),
    operation("block_inside", "the same, on a worker", block_inside),
    operation(
        "block_spawn",
        "block_on of a child, off a worker",
        block_spawn,
    ),
    operation("timer", "a timer, set and taken back", timer),
];

/// Runs it as a child, so that a worker polls it.
fn in_a_task(runtime: &Runtime, future: impl Future<Output = ()> + Send + 'static) {
    runtime.block_on(group(async |g| {
        g.spawn(future);
    }));
}

fn spawn(runtime: &Runtime, times: u64) {
    in_a_task(runtime, async move {
        group(async |g| {
            for i in 0..times {
                g.spawn(async move { _ = black_box(i) });
            }
        })
        .await;
    });
}

fn outside(runtime: &Runtime, times: u64) {
    runtime.block_on(group(async |g: Group<'_, '_>| {
        for i in 0..times {
            g.spawn(async move { _ = black_box(i) });
        }
    }));
}

fn spawn_and_await(runtime: &Runtime, times: u64) {
    in_a_task(runtime, async move {
        group(async |g| {
            for i in 0..times {
                black_box(g.spawn(async move { Ok(i) }).await);
            }
        })
        .await;
    });
}

fn chain(runtime: &Runtime, times: u64) {
    fn link(g: Group<'_, '_>, left: u64) {
        if let Some(left) = black_box(left).checked_sub(1) {
            g.spawn(async move { link(g, left) });
        }
    }
    in_a_task(runtime, group(async move |g: Group<'_, '_>| link(g, times)));
}

fn give_way(runtime: &Runtime, times: u64) {
    in_a_task(runtime, async move {
        for _ in 0..times {
            yield_now().await;
        }
    });
}

fn give_way_among(runtime: &Runtime, times: u64) {
    in_a_task(runtime, async move {
        group(async |g| {
            for _ in 0..100 {
                g.spawn(async move {
                    for _ in 0..times / 100 {
                        yield_now().await;
                    }
                });
            }
        })
        .await;
    });
}

/// Groups that join so many children each.
async fn groups(times: u64, children: u64) {
    for _ in 0..times {
        group(async |g| {
            for i in 0..children {
                g.spawn(async move { _ = black_box(i) });
            }
        })
        .await;
    }
}

fn empty(runtime: &Runtime, times: u64) {
    in_a_task(runtime, groups(times, 0));
}

fn of_one(runtime: &Runtime, times: u64) {
    in_a_task(runtime, groups(times, 1));
}

fn of_ten(runtime: &Runtime, times: u64) {
    in_a_task(runtime, groups(times, 10));
}

fn cut(runtime: &Runtime, times: u64) {
    in_a_task(runtime, async move {
        let cancelled = try_group(async |g: Group<'_, '_, &'static str>| {
            let polled = g.keep(AtomicU64::new(0));
            for _ in 0..times {
                g.spawn(async {
                    polled.fetch_add(1, Ordering::Relaxed);
                    pending::<()>().await;
                });
            }
            while polled.load(Ordering::Relaxed) < times {
                yield_now().await;
            }
            g.cancel("enough");
            pending::<Result<(), &'static str>>().await
        });
        assert!(cancelled.await.is_err());
    });
}

fn fork(runtime: &Runtime, times: u64) {
    let joins = move || {
        for i in 0..times {
            black_box(join(|| black_box(i), || black_box(i)));
        }
        Ok(())
    };
    runtime.block_on(group(async |g| g.compute(joins).await));
}

fn block(runtime: &Runtime, times: u64) {
    for i in 0..times {
        black_box(runtime.block_on(async { black_box(i) }));
    }
}

fn block_inside(runtime: &Runtime, times: u64) {
    in_a_task(runtime, async move {
        for i in 0..times {
            black_box(block_on(async { black_box(i) }));
        }
    });
}

fn block_spawn(runtime: &Runtime, times: u64) {
    for i in 0..times {
        black_box(runtime.block_on(group(async |g| g.spawn(async move { Ok(i) }).await)));
    }
}

fn timer(runtime: &Runtime, times: u64) {
    in_a_task(
        runtime,
        poll_fn(move |cx| {
            for i in 0..times {
                // Spread over ten seconds, in no order.
                let after = Duration::from_micros(i.wrapping_mul(2_654_435_761) % 10_000_000);
                let timer = pin!(sleep(Duration::from_secs(60) + after));
                assert!(timer.poll(cx).is_pending());
            }
            Poll::Ready(())
        }),
    );
}
