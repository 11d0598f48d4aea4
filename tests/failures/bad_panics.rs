//! User code that panics where it hurts most: in payloads, destructors, hooks. The panic comes out
//! where it belongs, once; nothing aborts, and no worker is lost.

use crate::common::durations::NOW;
use crate::common::hangs::without_hanging;
use crate::common::process::{assert_passed, is_alone, make_alone, test_of};
use crate::common::runtimes::workers;
use spinney::{Group, Runtime, group, try_group, yield_now};
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

/// A payload whose destructor panics, with a payload whose destructor panics, for a while.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Bomb(self.0 - 1));
        }
    }
}

#[test]
fn a_payload_whose_drop_panics_is_contained() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for round in 0..20 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(group(async |g| {
                    for _ in 0..3 {
                        g.spawn(async { panic_any(Bomb(9)) });
                    }
                    if round % 2 == 0 {
                        panic_any(Bomb(9));
                    }
                    pending::<()>().await
                }))
            }));
            assert!(caught.is_err());
            std::mem::forget(caught);
        }
        // Unread supervised panics, and outputs.
        let caught = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(group(async |g| {
                drop(g.supervise(async { panic_any(Bomb(9)) as Result<(), _> }));
                drop(g.spawn(async { Ok(Bomb(1)) }));
                pending::<()>().await
            }))
        }));
        assert!(caught.is_err());
        std::mem::forget(caught);
        assert_eq!(
            runtime.block_on(group(async |g| g.spawn(async { Ok(1) }).await)),
            1
        );
    });
}

static POLLED: AtomicBool = AtomicBool::new(false);

/// A future that panics in `poll`, in `drop`, or in both.
struct Faulty {
    poll: bool,
    drop: bool,
}

impl Future for Faulty {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        POLLED.store(true, SeqCst);
        if self.poll {
            panic_any("poll");
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if self.drop {
            panic_any("drop");
        }
    }
}

#[test]
fn a_future_that_panics_in_poll_or_drop_fails_its_group_and_nothing_else() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        // As a child: polled, cut, and born cancelled.
        for (poll, drop, expected) in [
            (true, false, Some("poll")),
            (true, true, Some("poll")),
            (false, true, Some("drop")),
            (false, false, None),
        ] {
            let before = seen.texts().len();
            POLLED.store(false, SeqCst);
            let caught = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
                    g.spawn(Faulty { poll, drop });
                    while !POLLED.load(SeqCst) {
                        yield_now().await;
                    }
                    Err::<(), _>(1)
                }))
            }));
            match (caught, expected) {
                (Err(payload), Some(expected)) => {
                    assert_eq!(*payload.downcast::<&str>().unwrap(), expected);
                }
                (Ok(result), None) => assert_eq!(result.unwrap_err().into_first(), 1),
                (caught, _) => panic!("{:?}", caught.is_ok()),
            }
            let outranked = seen.texts().len() - before;
            assert!(outranked <= 2, "{outranked}");
        }
        // Born cancelled.
        let caught = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
                g.cancel(1);
                g.spawn(Faulty {
                    poll: true,
                    drop: true,
                });
                let taken = g.handle().spawn(Faulty {
                    poll: true,
                    drop: true,
                });
                assert!(taken.is_ok());
                pending::<Result<(), u8>>().await
            }))
        }));
        assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "drop");
        // As the body's value, as an output, as a kept value, as a defer, as an error that is not
        // needed.
        for place in 0..5 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(try_group(async |g: Group<'_, '_, Faulty>| {
                    let faulty = Faulty {
                        poll: true,
                        drop: true,
                    };
                    match place {
                        0 => {
                            g.keep(faulty);
                        }
                        1 => g.defer(faulty),
                        2 => drop(g.spawn(async move { Ok(faulty) })),
                        3 => g.deadline(Duration::from_secs(1000), faulty),
                        _ => {
                            g.spawn(async { panic_any("child") });
                            return Ok(Some(faulty));
                        }
                    }
                    Ok(None)
                }))
            }));
            assert!(caught.is_err(), "place {place}");
            if let Err(payload) = caught {
                let text = *payload.downcast::<&str>().unwrap();
                assert!(["poll", "drop", "child"].contains(&text), "{text}");
            }
        }
        // The tree is whole: a cascade walks it, and no task is left in it.
        runtime.shutdown(NOW).unwrap();
    });
}

/// A hook that panics is called once and switched off, and the runtime goes on.
#[test]
fn a_hook_that_panics_is_called_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let hook = Arc::clone(&calls);
    let runtime = Runtime::builder().workers(1).on_unobserved(move |_| {
        hook.fetch_add(1, SeqCst);
        panic!("hook");
    });
    let runtime = runtime.build().unwrap();
    for _ in 0..3 {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
                g.cancel("outranked");
                panic_any("body");
                #[expect(unreachable_code, reason = "gives the body its type")]
                Ok(())
            }))
        }));
        assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "body");
    }
    assert_eq!(calls.load(SeqCst), 1);
    assert_eq!(
        runtime.block_on(group(async |g| g.spawn(async { Ok(1) }).await)),
        1
    );
}

#[test]
fn a_closed_stderr_costs_no_worker() {
    let nobody_listens = || {
        std::io::stdin().read_line(&mut String::new()).unwrap();
        let written = std::io::Write::write_all(&mut std::io::stderr(), b"nobody reads this");
        assert!(written.is_err());
        let runtime = Runtime::builder().workers(1).build().unwrap();
        for _ in 0..2 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(group(async |g| {
                    g.spawn(async {
                        let failed = try_group(async |h: Group<'_, '_, u8>| {
                            h.cancel(1);
                            // Not `panic!`, whose hook writes to stderr.
                            std::panic::resume_unwind(Box::new("outranks"));
                            #[expect(unreachable_code, reason = "gives the body its type")]
                            Ok(())
                        });
                        let _ = failed.await;
                    });
                }))
            }));
            assert!(caught.is_err());
        }
        assert_eq!(
            runtime.block_on(group(async |g| g.spawn(async { Ok(1) }).await)),
            1
        );
    };
    if is_alone() {
        return nobody_listens();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    make_alone(&mut command, test_of(&nobody_listens));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    // Only now it goes on.
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert_passed(&output);
}
