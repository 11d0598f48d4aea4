//! Sync code that calls async code: nothing to wait for, also on a worker, and one child to wait
//! for.

use criterion::Criterion;
use spinney::{block_on, group};
use std::hint::black_box;
use std::time::Instant;

pub(crate) fn all(c: &mut Criterion) {
    let mut benches = c.benchmark_group("block_on");
    benches.bench_function("a ready future", |b| {
        b.iter(|| block_on(async { black_box(1) }));
    });
    benches.bench_function("a ready future, on a worker", |b| {
        b.iter_custom(|times| {
            block_on(group(async |g| {
                g.spawn(async move {
                    let begin = Instant::now();
                    for _ in 0..times {
                        black_box(block_on(async { black_box(1) }));
                    }
                    Ok(begin.elapsed())
                })
                .await
            }))
        });
    });
    benches.bench_function("a child", |b| {
        b.iter(|| block_on(group(async |g| g.spawn(async { Ok(black_box(1)) }).await)));
    });
    benches.finish();
}
