//! A timer that does not fire: set and taken back, with and without others that are live, and
//! around a ready future.

use criterion::{Criterion, Throughput};
use spinney::{sleep, timeout};
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

const SET: u64 = 1_000;

/// Deadlines spread over ten seconds, far enough that none fires, in no order.
fn after(i: u64) -> Duration {
    Duration::from_secs(60) + Duration::from_micros(i.wrapping_mul(2_654_435_761) % 10_000_000)
}

pub(crate) fn all(c: &mut Criterion) {
    let mut benches = c.benchmark_group("timer");
    benches.throughput(Throughput::Elements(SET));
    for live in [0, 10_000] {
        benches.bench_function(format!("set and taken back, {live} live"), |b| {
            // Polled by `poll_fn`, so that all are registered with the waker of this thread.
            let mut others: Vec<Pin<Box<spinney::time::Sleep>>> =
                (0..live).map(|i| Box::pin(sleep(after(i)))).collect();
            spinney::block_on(poll_fn(|cx| {
                for timer in &mut others {
                    assert!(timer.as_mut().poll(cx).is_pending());
                }
                Poll::Ready(())
            }));
            b.iter(|| {
                spinney::block_on(poll_fn(|cx| {
                    for i in 0..SET {
                        assert!(pin!(sleep(after(i))).poll(cx).is_pending());
                    }
                    Poll::Ready(())
                }));
            });
        });
    }
    benches.bench_function("timeout of a ready future", |b| {
        b.iter(|| {
            spinney::block_on(async {
                for i in 0..SET {
                    assert!(timeout(after(i), ready(())).await.is_ok());
                }
            });
        });
    });
    benches.finish();
}
