//! A group: empty, with one child, with ten, and with one that is awaited in its body.

use criterion::{Criterion, Throughput};
use spinney::group;
use std::hint::black_box;

const GROUPS: u64 = 200;

/// Runs it as a child, so that it is polled by a worker.
pub(crate) fn in_a_task(future: impl Future<Output = ()> + Send + 'static) {
    spinney::block_on(group(async |g| {
        g.spawn(future);
    }));
}

/// A group that joins so many children.
async fn of(children: u64) {
    group(async |g| {
        for i in 0..children {
            g.spawn(async move { _ = black_box(i) });
        }
    })
    .await;
}

pub(crate) fn all(c: &mut Criterion) {
    let mut benches = c.benchmark_group("group");
    benches.throughput(Throughput::Elements(GROUPS));
    for children in [0, 1, 10] {
        benches.bench_function(format!("of {children}"), |b| {
            b.iter(|| {
                in_a_task(async move {
                    for _ in 0..GROUPS {
                        of(children).await;
                    }
                });
            });
        });
    }
    benches.bench_function("of 1, awaited", |b| {
        b.iter(|| {
            in_a_task(async {
                for i in 0..GROUPS {
                    black_box(group(async |g| g.spawn(async move { Ok(i) }).await).await);
                }
            });
        });
    });
    benches.finish();
}
