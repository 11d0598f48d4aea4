//! When time is up: never early, counted from the right moment, by the right clock, and once.

use crate::common::durations::SECOND;
use crate::common::hangs::without_hanging;
use crate::common::polls::{Count, once, until};
use crate::common::runtimes::clocked;
use spinney::{Group, GroupBuilder, block_on, sleep, time, timeout, try_group, yield_now};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Sleeps and intervals never fire early, to the nanosecond.
#[test]
fn nothing_fires_early() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let nano = Duration::from_nanos(1);
        for span in [
            SECOND,
            Duration::from_micros(1_500),
            Duration::from_millis(3) + nano,
            400 * SECOND,
        ] {
            let time = clock.clone();
            runtime.block_on(async move {
                let mut nap = pin!(sleep(span));
                let mut ticks = time::interval(span);
                ticks.tick().await;
                time.advance(span - nano);
                for _ in 0..10 {
                    assert!(once(nap.as_mut()).await.is_pending());
                    assert!(once(pin!(ticks.tick())).await.is_pending());
                    yield_now().await;
                }
                time.advance(nano);
                nap.await;
                ticks.tick().await;
            });
        }
        let begun = Instant::now();
        block_on(sleep(Duration::from_micros(2_300)));
        assert!(begun.elapsed() >= Duration::from_micros(2_300));
    });
}

/// The deadline of a group counts from its first poll; sleeps and timeouts count from their making.
#[test]
fn a_deadline_counts_from_the_first_poll() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let entered = runtime.enter();
        let group = GroupBuilder::new().deadline(SECOND, "late").run(async |_| {
            clock.advance(SECOND - Duration::from_nanos(1));
            yield_now().await;
            Ok(1)
        });
        let late = timeout(SECOND, pending::<()>());
        clock.advance(10 * SECOND);
        drop(entered);
        assert_eq!(runtime.block_on(group).unwrap(), 1);
        assert!(runtime.block_on(late).is_err());
    });
}

/// A deadline goes by the clock of the group's own runtime, whichever is entered where it is set.
#[test]
fn a_deadline_goes_by_the_clock_of_its_group() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let (other, _, _) = clocked(1);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            {
                let _entered = other.enter();
                g.deadline(SECOND, "late");
            }
            clock.advance(SECOND);
            pending::<Result<(), &str>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), "late");
    });
}

/// A sleep can be moved, both ways and often; the last instant counts, and it wakes once.
#[test]
fn a_sleep_that_is_moved_often_wakes_once() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        runtime.block_on(async {
            let counter = Arc::new(Count::default());
            let waker = Waker::from(Arc::clone(&counter));
            let mut cx = Context::from_waker(&waker);
            let start = clock.now();
            let mut nap = pin!(sleep(SECOND));
            for moves in 0..2_000_u32 {
                nap.reset(start + (moves % 100 + 2) * SECOND);
                assert!(nap.as_mut().poll(&mut cx).is_pending());
            }
            // The instants before the last one pass unnoticed.
            assert_eq!(nap.deadline(), Some(start + 101 * SECOND));
            clock.advance(100 * SECOND);
            sleep(Duration::ZERO).await;
            assert!(nap.as_mut().poll(&mut cx).is_pending());
            // One timer is left, so one more waker is called than this one, which marks the end.
            let marker = sleep(SECOND);
            clock.advance(SECOND);
            marker.await;
            until(|| counter.0.load(SeqCst) > 0).await;
            assert!(nap.as_mut().poll(&mut cx).is_ready());
            assert_eq!(counter.0.load(SeqCst), 1);
            // Into the past.
            nap.reset(start);
            assert!(nap.as_mut().poll(&mut cx).is_ready());
        });
    });
}

/// Nothing can swallow a cut, but a value that is ready in the same poll wins over a timeout.
#[test]
fn a_value_that_is_ready_in_the_poll_of_the_timeout_is_kept() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let value = runtime.block_on(timeout(
            SECOND,
            poll_fn(|_| {
                clock.advance(2 * SECOND);
                Poll::Ready(3)
            }),
        ));
        assert_eq!(value, Ok(3));
    });
}
