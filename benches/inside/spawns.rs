//! A child: spawned and joined with its group, spawned and awaited, spawned by a foreign thread.

use crate::groups::in_a_task;
use criterion::{Criterion, Throughput};
use spinney::{Group, group};
use std::hint::black_box;

const CHILDREN: u64 = 1_000;

pub(crate) fn all(c: &mut Criterion) {
    let mut benches = c.benchmark_group("spawn");
    benches.throughput(Throughput::Elements(CHILDREN));
    benches.bench_function("joined by the group", |b| {
        b.iter(|| {
            in_a_task(async {
                group(async |g| {
                    for i in 0..CHILDREN {
                        g.spawn(async move { _ = black_box(i) });
                    }
                })
                .await;
            });
        });
    });
    benches.bench_function("awaited, one after the other", |b| {
        b.iter(|| {
            in_a_task(async {
                group(async |g| {
                    for i in 0..CHILDREN {
                        black_box(g.spawn(async move { Ok(i) }).await);
                    }
                })
                .await;
            });
        });
    });
    benches.bench_function("awaited, all at once", |b| {
        b.iter(|| {
            in_a_task(async {
                group(async |g| {
                    let children: Vec<_> = (0..CHILDREN)
                        .map(|i| g.spawn(async move { Ok(i) }))
                        .collect();
                    for child in children {
                        black_box(child.await);
                    }
                })
                .await;
            });
        });
    });
    benches.bench_function("by a thread of the program", |b| {
        b.iter(|| {
            spinney::block_on(group(async |g: Group<'_, '_>| {
                for i in 0..CHILDREN {
                    g.spawn(async move { _ = black_box(i) });
                }
            }));
        });
    });
    benches.finish();
}
