//! Supervision: a failure that belongs to its handle ends no other task, a restart is bounded, and
//! each failure is reported once.

use crate::common::drops::on_drop;
use crate::common::durations::SECOND;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::until;
use crate::common::runtimes::{clocked, workers};
use spinney::{Failure, Group, Restart, block_on, group, shield, try_group, yield_now};
use std::future::pending;
use std::panic::panic_any;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;

/// A supervised child that fails gives the failure to its handle and leaves its siblings running;
/// one that is cancelled is no failure.
#[test]
fn a_supervised_failure_ends_nobody_else() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let value = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            let (release, released) = async_channel::bounded::<()>(1);
            let sibling = g.spawn(async move {
                released.recv().await.unwrap();
                Ok(1)
            });
            let failed = g.supervise(async { Err::<(), _>(2) }).await;
            assert!(matches!(failed, Err(Failure::Error(2))), "{failed:?}");
            let cut = g.supervise(pending::<Result<(), u8>>()).cancel().await;
            assert!(cut.is_none());
            release.send(()).await.unwrap();
            Ok(sibling.await)
        }));
        assert_eq!(value.unwrap(), 1);
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// The body's error is first; that of the supervised child, whose handle is gone, comes after it.
#[test]
fn the_error_of_a_body_is_first_and_that_of_its_supervised_child_is_kept() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let _child = g.supervise(shield(async move {
                begun.send(()).await.unwrap();
                until(|| g.is_stopping()).await;
                Err::<(), _>("child")
            }));
            has_begun.recv().await.unwrap();
            Err::<(), _>("body")
        }));
        let errors = result.unwrap_err();
        let found: Vec<_> = errors
            .entries()
            .map(|entry| (*entry.error, entry.after_cancel, entry.task.is_some()))
            .collect();
        assert_eq!(found, [("body", false, false), ("child", true, true)]);
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// A failure that cuts many tasks, and groups inside them, is one error, and the hook is not
/// called.
#[test]
fn one_error_is_one_report_whoever_is_cut() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            for _ in 0..20 {
                g.spawn(async move {
                    let inner = g.try_group(async |h: Group<'_, '_, u8>| {
                        h.spawn(pending::<()>());
                        pending::<Result<(), u8>>().await
                    });
                    inner.await.map_err(spinney::Errors::into_first)
                });
                drop(g.supervise(pending::<Result<(), u8>>()));
            }
            yield_now().await;
            Err::<(), u8>(7)
        }));
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), (7, 1));
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// What other threads post are children; one that panics ends its group, and nothing else.
#[test]
fn a_posted_child_that_panics_ends_its_group_and_nothing_else() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for panics in [false, true] {
            let ran = Arc::new(AtomicUsize::new(0));
            let run = || {
                runtime.block_on(group(async |g| {
                    let handle = g.handle();
                    let (told, all) = async_channel::bounded::<()>(1);
                    let count = Arc::clone(&ran);
                    let poster = thread::spawn(move || {
                        for number in 0..100 {
                            let count = Arc::clone(&count);
                            let posted = handle.spawn(async move {
                                assert!(!panics || number != 50, "posted");
                                count.fetch_add(1, SeqCst);
                            });
                            // Refused once the group has ended.
                            assert!(posted.is_ok() || panics);
                        }
                        let _ = told.try_send(());
                    });
                    let _ = all.recv().await;
                    poster.join().unwrap();
                }))
            };
            if panics {
                assert_eq!(panic_of(run), "posted");
            } else {
                run();
                assert_eq!(ran.load(SeqCst), 100);
            }
        }
        assert_eq!(runtime.block_on(async { 1 }), 1);
    });
}

// ---- restarts -----------------------------------------------------------------------------------

/// Retried failures go to the hook, errors and panics, those of the closure, too; the last one
/// comes out.
#[test]
fn a_restart_is_bounded_and_reports_what_it_retries() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        for limit in 0..4 {
            let tries = AtomicU32::new(0);
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, String>| {
                let tries = g.keep(tries);
                let attempt = move || {
                    let number = tries.fetch_add(1, SeqCst);
                    assert!(number != 1, "closure");
                    async move {
                        assert!(number != 2, "future");
                        Err::<(), _>(number.to_string())
                    }
                };
                let child = g.supervise(Restart::at_most(limit).run(g, attempt));
                let text = match child.await.unwrap_err() {
                    Failure::Error(error) => error,
                    Failure::Panic(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
                };
                Ok((text, tries.load(SeqCst)))
            }));
            let last = ["0", "closure", "future", "3"][limit];
            assert_eq!(result.unwrap(), (last.to_owned(), limit as u32 + 1));
        }
        assert_eq!(
            seen.texts(),
            ["0", "0", "0", "closure", "closure", "future"]
        );
    });
}

/// The pauses double; a stop ends a pause, and the failure that was waiting comes out.
#[test]
fn a_stop_ends_the_pause_of_a_restart() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, String>| {
            let (told, attempts) = async_channel::unbounded::<u32>();
            let tries = g.keep(AtomicU32::new(0));
            let attempt = move || {
                let told = told.clone();
                async move {
                    let number = tries.fetch_add(1, SeqCst);
                    told.send(number).await.unwrap();
                    Err::<(), _>(number.to_string())
                }
            };
            g.spawn(Restart::at_most(9).backoff(SECOND).run(g, attempt));
            assert_eq!(attempts.recv().await, Ok(0));
            // However long the first pause has been set, by then it is over; the second one is not.
            until(|| {
                clock.advance(SECOND / 10);
                tries.load(SeqCst) == 2
            })
            .await;
            g.stop();
            pending::<Result<(), String>>().await
        }));
        let errors = result.unwrap_err();
        assert_eq!((errors.first().as_str(), errors.len()), ("1", 1));
        assert_eq!(seen.texts(), ["0"]);
    });
}

/// A cut in a pause loses no failure, and one in an attempt is no attempt that failed.
#[test]
fn a_cut_ends_a_restart_and_loses_no_failure() {
    without_hanging(|| {
        let (runtime, _, seen) = clocked(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, String>| {
            let dropped = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&dropped);
            let attempt = move || {
                let count = Arc::clone(&count);
                async move {
                    let _dropped = on_drop(move || {
                        count.fetch_add(1, SeqCst);
                    });
                    Err::<(), _>(String::from("paused"))
                }
            };
            let pausing = g.spawn(Restart::at_most(9).backoff(SECOND).run(g, attempt));
            until(|| dropped.load(SeqCst) == 1).await;
            assert!(pausing.cancel().await.is_none());
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let attempt = move || {
                let begun = begun.clone();
                async move {
                    begun.send(()).await.unwrap();
                    // A blocked attempt is unwound by the cut: that is no failure.
                    block_on(pending::<()>());
                    Err::<(), String>(String::from("never"))
                }
            };
            let attempting = g.spawn(Restart::at_most(9).run(g, attempt));
            has_begun.recv().await.unwrap();
            g.spawn(async move {
                attempting.cancel().await;
            });
            g.cancel(String::from("end"));
            Ok(())
        }));
        let errors = result.unwrap_err();
        assert_eq!((errors.first().as_str(), errors.len()), ("end", 1));
        assert_eq!(seen.texts(), ["paused"]);
    });
}

/// A supervised panic in a set that is dropped in a destructor while the thread panics: nothing
/// aborts.
#[test]
fn a_set_is_dropped_by_a_panicking_body() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let text = panic_of(|| {
            runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
                let mut set = g.set::<()>();
                let (told, end) = mpsc::channel::<()>();
                set.spawn(async move {
                    drop(told);
                    Err("unread")
                });
                let _ = end.recv();
                if true {
                    panic_any("body");
                }
                Ok(())
            }))
        });
        assert_eq!(text, "body");
        assert_eq!(seen.texts(), ["unread"]);
    });
}
