//! A task that gives way: alone, and to 99 others.

use crate::groups::in_a_task;
use criterion::{Criterion, Throughput};
use spinney::{group, yield_now};

const YIELDS: u64 = 10_000;

pub(crate) fn all(c: &mut Criterion) {
    let mut benches = c.benchmark_group("yield");
    benches.throughput(Throughput::Elements(YIELDS));
    for tasks in [1, 100] {
        benches.bench_function(format!("of {tasks}"), |b| {
            b.iter(|| {
                in_a_task(async move {
                    group(async |g| {
                        for _ in 0..tasks {
                            g.spawn(async move {
                                for _ in 0..YIELDS / tasks {
                                    yield_now().await;
                                }
                            });
                        }
                    })
                    .await;
                });
            });
        });
    }
    benches.finish();
}
