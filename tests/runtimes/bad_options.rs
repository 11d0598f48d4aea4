//! Bad options and extreme durations: an error with a message comes out, or the result that was
//! asked for; nothing is left behind.

use crate::common::durations::{NEVER, NOW};
use crate::common::hangs::without_hanging;
use crate::common::polls::wait_until;
use crate::common::process::{alone_by, entries};
use spinney::{Group, Runtime, block_on, group, sleep, time, timeout, try_group};
use std::error::Error;
use std::future::{pending, ready};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

#[test]
fn an_option_that_is_out_of_bounds_is_named_with_its_bound() {
    let cases = [
        (Runtime::builder().workers(0), "workers", "1 to 1024"),
        (Runtime::builder().workers(1025), "workers", "1 to 1024"),
        (
            Runtime::builder().workers(usize::MAX),
            "workers",
            "1 to 1024",
        ),
        (Runtime::builder().stack_size(0), "stack_size", "at least 1"),
        (
            Runtime::builder().max_blocking(0),
            "max_blocking",
            "at least 1",
        ),
        (
            Runtime::builder().operations_per_poll(0),
            "operations_per_poll",
            "1 to 255",
        ),
        (Runtime::builder().thread_name("a\0b"), "thread_name", "NUL"),
    ];
    for (builder, field, bound) in cases {
        let error = builder.build().unwrap_err();
        assert_eq!(error.field(), Some(field));
        let text = error.to_string();
        assert!(text.contains(field) && text.contains(bound), "{text}");
    }
    // Odd, but in bounds.
    for name in [
        "",
        "ü",
        "a name that is longer than the fifteen bytes that Linux shows",
    ] {
        let runtime = Runtime::builder()
            .workers(1)
            .thread_name(name)
            .stack_size(1);
        assert_eq!(runtime.build().unwrap().block_on(ready(1)), 1);
    }
}

/// A system that keeps 15 bytes of a thread's name keeps what tells the threads apart.
#[test]
fn threads_are_told_apart_by_fifteen_bytes_of_their_names() {
    for name in ["", "grove", "payment-gateway", &"ü".repeat(20)] {
        let builder = Runtime::builder().workers(1).thread_name(name);
        let runtime = builder.callers_take_part(false).build().unwrap();
        let here = || Ok(std::thread::current().name().unwrap().to_owned());
        let (worker, blocking) = runtime.block_on(group(async |g| {
            (g.spawn(async move { here() }).await, g.blocking(here).await)
        }));
        for (thread, added) in [(worker, "-0"), (blocking, "-blocking")] {
            let start = thread.strip_suffix(added).unwrap();
            assert!(name.starts_with(start) && start.len() == name.len().min(10));
        }
    }
}

#[test]
fn a_thread_that_cannot_be_started_is_an_error_and_leaves_nothing_behind() {
    // 6 GiB of addresses: room for a few stacks of 1 GiB, not for 16.
    alone_by("ulimit -v 6291456; exec \"$0\" \"$@\"", || {
        let threads = entries("/proc/self/task");
        let files = entries("/proc/self/fd");
        let cases = [(1, usize::MAX / 2), (3, usize::MAX / 2), (16, 1 << 30)];
        for (workers, stack) in cases {
            let error = Runtime::builder()
                .workers(workers)
                .stack_size(stack)
                .build()
                .unwrap_err();
            assert_eq!(error.field(), None);
            assert!(error.source().is_some());
            assert!(error.to_string().contains("thread"), "{error}");
            wait_until(|| entries("/proc/self/task") == threads);
            assert_eq!(entries("/proc/self/fd"), files);
        }
        let runtime = Runtime::builder().workers(1).build().unwrap();
        assert_eq!(
            runtime.block_on(group(async |g| g.spawn(async { Ok(1) }).await)),
            1
        );
    });
}

#[test]
fn an_endless_duration_means_never() {
    without_hanging(|| {
        let far = [
            NEVER,
            NEVER - Duration::from_nanos(1),
            Duration::from_secs(u64::MAX / 2),
            Duration::from_secs(i64::MAX as u64),
            Duration::from_secs(1 << 40),
            Duration::from_secs(u64::from(u32::MAX)),
            Duration::from_millis(u64::from(u32::MAX)),
        ];
        let soon = Duration::from_millis(2);
        let runtime = Runtime::builder().workers(1).build().unwrap();
        runtime.block_on(async {
            for long in far {
                assert!(timeout(soon, sleep(long)).await.is_err());
                assert_eq!(timeout(long, ready(1)).await, Ok(1));
                assert_eq!(
                    timeout(long, async {
                        sleep(soon).await;
                        2
                    })
                    .await,
                    Ok(2)
                );
                let mut ticks = time::interval(long);
                ticks.tick().await;
                assert!(timeout(soon, ticks.tick()).await.is_err());
                let lived = try_group(async |g: Group<'_, '_, u8>| {
                    g.deadline(long, 1);
                    g.stop_within(long, 2);
                    g.spawn(sleep(soon));
                    Ok(3)
                });
                assert_eq!(lived.await.unwrap(), 3);
                let built = spinney::GroupBuilder::<u8>::new().deadline(long, 1);
                assert_eq!(
                    built
                        .run(async |_| {
                            sleep(soon).await;
                            Ok(4)
                        })
                        .await
                        .unwrap(),
                    4
                );
            }
        });
        runtime.shutdown(NEVER).unwrap();
    });
}

/// A duration of zero: a sleep is over, a timeout, a deadline and a grace grant one poll, an
/// interval panics, a shutdown waits for nothing.
#[test]
fn a_zero_duration_grants_one_poll() {
    without_hanging(|| {
        block_on(async {
            sleep(NOW).await;
            time::sleep_until(Instant::now() - Duration::from_nanos(1)).await;
            assert_eq!(timeout(NOW, ready(1)).await, Ok(1));
            assert!(timeout(NOW, pending::<()>()).await.is_err());
            let polled = AtomicBool::new(false);
            let late = spinney::GroupBuilder::<u8>::new()
                .deadline(NOW, 9)
                .run(async |_| {
                    polled.store(true, SeqCst);
                    pending::<Result<(), u8>>().await
                });
            assert_eq!(late.await.unwrap_err().into_first(), 9);
            assert!(polled.load(SeqCst));
            // Of a body that ends in that poll the value stands: see `granted_poll.rs`.
            polled.store(false, SeqCst);
            let ready = spinney::GroupBuilder::<u8>::new()
                .deadline(NOW, 9)
                .run(async |_| {
                    polled.store(true, SeqCst);
                    Ok(1)
                });
            assert_eq!(ready.await.unwrap(), 1);
            assert!(polled.load(SeqCst));
            let stopped = try_group(async |g: Group<'_, '_, u8>| {
                g.stop_within(NOW, 7);
                g.stopping().await;
                pending::<Result<(), u8>>().await
            });
            assert_eq!(stopped.await.unwrap_err().into_first(), 7);
        });
        assert!(catch_unwind(|| time::interval(NOW)).is_err());
        let runtime = Runtime::builder().workers(1).build().unwrap();
        runtime.shutdown(NOW).unwrap();
        runtime.shutdown(NOW).unwrap();
    });
}

#[test]
fn thread_hooks_that_panic_do_not_cost_a_worker() {
    let runtime = Runtime::builder()
        .workers(2)
        .on_thread_start(|| panic!("start"))
        .on_thread_stop(|| panic!("stop"))
        .build()
        .unwrap();
    assert_eq!(
        runtime.block_on(group(async |g| g.spawn(async { Ok(1) }).await)),
        1
    );
    runtime.shutdown(NOW).unwrap();
}
