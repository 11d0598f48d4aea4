//! Fork-join: a join without anything to do, a tree of them, and a scope.

use criterion::{Criterion, Throughput};
use spinney::{group, join, scope};
use std::hint::black_box;

const N: u64 = 20;
/// Additions of `fib(20)`: `fib(21) - 1`.
const JOINS: u64 = 10_945;

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = join(|| fib(n - 1), || fib(n - 2));
    a + b
}

pub(crate) fn all(c: &mut Criterion) {
    let mut benches = c.benchmark_group("join");
    benches.bench_function("of two additions, on a thread of the program", |b| {
        b.iter(|| join(|| black_box(1) + 1, || black_box(2) + 2));
    });
    benches.bench_function("scope of four closures, on a thread of the program", |b| {
        let mut numbers = [0_u64; 4];
        b.iter(|| {
            scope(|s| {
                for number in &mut numbers {
                    s.compute(move || *number = black_box(*number) + 1);
                }
            });
        });
    });
    benches.throughput(Throughput::Elements(JOINS));
    benches.bench_function("tree, on a worker", |b| {
        b.iter(|| spinney::block_on(group(async |g| g.compute(|| Ok(fib(N))).await)));
    });
    benches.finish();
}
