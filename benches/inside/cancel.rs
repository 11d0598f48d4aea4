//! A group whose children all wait for ever, from its cancel to its end. Spawning is not measured.

use criterion::{Criterion, Throughput};
use spinney::{Group, try_group, yield_now};
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(crate) fn all(c: &mut Criterion) {
    let mut benches = c.benchmark_group("cancel");
    for children in [1, 1_000] {
        benches.throughput(Throughput::Elements(children));
        benches.bench_function(format!("of {children}"), |b| {
            b.iter_custom(|times| (0..times).map(|_| cut(children)).sum());
        });
    }
    benches.finish();
}

/// How long the cut and the join take.
fn cut(children: u64) -> Duration {
    let mut begin = None;
    let cancelled = spinney::block_on(try_group(async |g: Group<'_, '_, &'static str>| {
        let polled = g.keep(AtomicU64::new(0));
        for _ in 0..children {
            g.spawn(async {
                polled.fetch_add(1, Ordering::Relaxed);
                pending::<()>().await;
            });
        }
        while polled.load(Ordering::Relaxed) < children {
            yield_now().await;
        }
        begin = Some(Instant::now());
        g.cancel("enough");
        pending::<Result<(), &'static str>>().await
    }));
    assert!(cancelled.is_err());
    begin.map_or(Duration::ZERO, |begin| begin.elapsed())
}
