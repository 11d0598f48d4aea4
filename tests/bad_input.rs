//! Bad options, extreme durations, calls at the wrong time, and user code that panics where it hurts most: an error or a
//! panic with a message comes out, or nothing at all happens; nothing hangs, aborts or is left behind.

mod support;

use spinney::{
    Failure, Group, Runtime, block_on, group, race, scope, shield, sleep, time, timeout, try_group,
    yield_now,
};
use std::cell::Cell;
use std::error::Error;
use std::fmt::Debug;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};
use support::without_hanging;

const NOW: Duration = Duration::ZERO;
const NEVER: Duration = Duration::MAX;

struct OnDrop<F: FnOnce()>(Cell<Option<F>>);

fn on_drop<F: FnOnce()>(f: F) -> OnDrop<F> {
    OnDrop(Cell::new(Some(f)))
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// A runtime whose hook counts.
fn counting(workers: usize) -> (Runtime, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let hook = Arc::clone(&seen);
    let runtime = Runtime::builder().workers(workers).on_unobserved(move |_| {
        hook.fetch_add(1, SeqCst);
    });
    (runtime.build().unwrap(), seen)
}

async fn once(mut future: Pin<&mut (impl Future + ?Sized)>) {
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await
}

/// The text of the panic of `f`.
fn panic_of<R: Debug>(f: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

/// Runs the test of that name alone, in a process that knows so, through a shell command.
fn in_a_child(test: &str, shell: &str) -> std::process::Output {
    let program = std::env::current_exe().unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(shell)
        .arg(&program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("SPINNEY_TEST_CHILD", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn is_child() -> bool {
    std::env::var_os("SPINNEY_TEST_CHILD").is_some()
}

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Threads that were told to end need a moment to leave the process.
fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

// ---- options ---------------------------------------------------------------------------------------------------------

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

#[test]
fn a_thread_that_cannot_be_started_is_an_error_and_leaves_nothing_behind() {
    if !is_child() {
        let test = "a_thread_that_cannot_be_started_is_an_error_and_leaves_nothing_behind";
        // 6 GiB of addresses: room for a few stacks of 1 GiB, not for 16.
        let output = in_a_child(test, "ulimit -v 6291456; exec \"$0\" \"$@\"");
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let threads = count("/proc/self/task");
    let files = count("/proc/self/fd");
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
        wait_until(|| count("/proc/self/task") == threads);
        assert_eq!(count("/proc/self/fd"), files);
    }
    let runtime = Runtime::builder().workers(1).build().unwrap();
    assert_eq!(
        runtime.block_on(group(async |g| g.spawn(async { Ok(1) }).await)),
        1
    );
}

// ---- durations -------------------------------------------------------------------------------------------------------

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
                let built = spinney::Builder::<u8>::new().deadline(long, 1);
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

/// Case 114.
#[test]
fn a_zero_duration_grants_one_poll() {
    without_hanging(|| {
        block_on(async {
            sleep(NOW).await;
            time::sleep_until(Instant::now() - Duration::from_nanos(1)).await;
            assert_eq!(timeout(NOW, ready(1)).await, Ok(1));
            assert!(timeout(NOW, pending::<()>()).await.is_err());
            let polled = AtomicBool::new(false);
            let late = spinney::Builder::<u8>::new()
                .deadline(NOW, 9)
                .run(async |_| {
                    polled.store(true, SeqCst);
                    pending::<Result<(), u8>>().await
                });
            assert_eq!(late.await.unwrap_err().into_first(), 9);
            assert!(polled.load(SeqCst));
            let ready = spinney::Builder::<u8>::new()
                .deadline(NOW, 9)
                .run(async |_| Ok(1));
            assert_eq!(ready.await.unwrap(), 1);
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

// ---- at the wrong time -----------------------------------------------------------------------------------------------

/// Cases 7 and 194.
#[test]
fn the_handle_of_a_group_that_has_ended_gives_the_future_back_unpolled() {
    let handle = block_on(try_group(async |g: Group<'_, '_, u8>| {
        let handle = g.handle();
        assert!(handle.spawn(async {}).is_ok());
        Ok(handle)
    }));
    let handle = handle.unwrap();
    let polled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polled);
    let future = handle
        .spawn(async move {
            counted.fetch_add(1, SeqCst);
        })
        .unwrap_err();
    assert_eq!((polled.load(SeqCst), Arc::strong_count(&polled)), (0, 2));
    block_on(future);
    assert_eq!(polled.load(SeqCst), 1);
    // A group that is being cancelled takes it and drops it.
    let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
        g.cancel(1);
        let counted = Arc::clone(&polled);
        let taken = g.handle().spawn(async move { counted.store(100, SeqCst) });
        assert!(taken.is_ok());
        assert_eq!(Arc::strong_count(&polled), 1);
        Ok(())
    }));
    assert_eq!(result.unwrap_err().into_first(), 1);
    assert_eq!(polled.load(SeqCst), 1);
}

/// Cases 14 and 26.
#[test]
fn a_group_that_is_polled_after_its_end_panics() {
    let mut ended = Box::pin(group(async |_| 1));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(ended.as_mut().poll(&mut cx), Poll::Ready(1));
    let text = panic_of(|| ended.as_mut().poll(&mut cx));
    assert!(text.contains("not polled after its end"), "{text}");
    // The same after a panic, and in a group that is lent something.
    let mut ended = Box::pin(spinney::group_with(1, async |_, _: &mut i32| {
        panic_any("body")
    }));
    assert_eq!(
        panic_of(|| {
            let _: Poll<(i32, ())> = ended.as_mut().poll(&mut cx);
        }),
        "body"
    );
    assert!(
        panic_of(|| {
            let _ = ended.as_mut().poll(&mut cx);
        })
        .contains("after its end")
    );
}

/// Case 207.
#[test]
fn a_shutdown_from_inside_only_requests_and_names_the_caller() {
    without_hanging(|| {
        let runtime = Arc::new(Runtime::builder().workers(1).build().unwrap());
        let inner = Arc::clone(&runtime);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(group(async |g| {
                let inner = Arc::clone(&inner);
                g.spawn_named("suicide", async move {
                    for _ in 0..2 {
                        let stragglers = inner.shutdown(NEVER).unwrap_err();
                        assert_eq!(stragglers.len(), 1);
                        let caller = stragglers.iter().next().unwrap();
                        assert_eq!(caller.name.as_deref(), Some("suicide"));
                        assert_eq!(Some(caller.task), spinney::current::task_id());
                        assert!(stragglers.to_string().contains("suicide"));
                    }
                });
                pending::<()>().await
            }))
        }));
        assert!(ended.is_err());
        runtime.shutdown(NEVER).unwrap();
    });
}

#[test]
fn a_shutdown_from_a_task_that_waits_for_another_runtime_only_requests() {
    without_hanging(|| {
        let one = Arc::new(Runtime::builder().workers(1).build().unwrap());
        let other = Arc::new(Runtime::builder().workers(1).build().unwrap());
        let (sender, receiver) = mpsc::channel();
        let inner = Arc::clone(&one);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            one.block_on(group(async |g| {
                let (inner, other, sender) =
                    (Arc::clone(&inner), Arc::clone(&other), sender.clone());
                g.spawn(async move {
                    let stragglers = other.block_on(async { inner.shutdown(NEVER).unwrap_err() });
                    sender.send(stragglers.len()).unwrap();
                });
                pending::<()>().await
            }))
        }));
        assert!(ended.is_err());
        assert_eq!(receiver.recv().unwrap(), 1);
        one.shutdown(NEVER).unwrap();
    });
}

#[test]
fn a_runtime_that_is_dropped_in_its_own_task_ends_later() {
    without_hanging(|| {
        let (sender, receiver) = mpsc::channel();
        let slot = Arc::new(Mutex::new(None::<Arc<Runtime>>));
        let runtime = Arc::new(Runtime::builder().workers(2).build().unwrap());
        *slot.lock().unwrap() = Some(Arc::clone(&runtime));
        let (go, gone) = async_channel::bounded::<()>(1);
        let mut foreign = Box::pin({
            let _entered = runtime.enter();
            group(async |g| {
                let (slot, gone) = (Arc::clone(&slot), gone.clone());
                let sender = sender.clone();
                g.spawn(async move {
                    gone.recv().await.unwrap();
                    let last = slot.lock().unwrap().take().unwrap();
                    assert_eq!(Arc::strong_count(&last), 1);
                    drop(last);
                    sender.send(()).unwrap();
                });
                pending::<()>().await
            })
        });
        {
            let _entered = runtime.enter();
            let mut cx = Context::from_waker(Waker::noop());
            assert!(foreign.as_mut().poll(&mut cx).is_pending());
        }
        drop(runtime);
        go.try_send(()).unwrap();
        receiver.recv().unwrap();
        let text = panic_of(|| futures_lite::future::block_on(foreign));
        assert!(
            text.contains("bad_input.rs") && text.contains("spinney"),
            "{text}"
        );
    });
}

/// Case 194.
#[test]
fn a_foreign_executor_learns_that_the_runtime_was_shut_down() {
    without_hanging(|| {
        let runtime = Runtime::builder()
            .workers(1)
            .thread_name("grove")
            .build()
            .unwrap();
        let _entered = runtime.enter();
        let alive = Arc::new(());
        let child = Arc::clone(&alive);
        let mut open = Box::pin(
            spinney::Builder::<u8>::new()
                .name("oak")
                .run(async move |g| {
                    g.spawn(async move {
                        let _child = child;
                        pending::<()>().await
                    });
                    pending::<Result<(), u8>>().await
                }),
        );
        let mut cx = Context::from_waker(Waker::noop());
        assert!(open.as_mut().poll(&mut cx).is_pending());
        runtime.shutdown(NOW).unwrap();
        assert_eq!(Arc::strong_count(&alive), 1);
        let text = panic_of(|| futures_lite::future::block_on(open));
        assert!(text.contains("oak") && text.contains("grove"), "{text}");
        // First polled after the end.
        for text in [
            panic_of(|| futures_lite::future::block_on(group(async |_| 1))),
            panic_of(|| runtime.block_on(group(async |_| 1))),
            panic_of(|| block_on(async { 1 })),
            panic_of(|| scope(|_| 1)),
        ] {
            assert!(text.contains("`grove` was shut down"), "{text}");
        }
    });
}

#[test]
fn blocked_callers_learn_that_the_runtime_was_shut_down() {
    without_hanging(|| {
        let runtime = Runtime::builder()
            .workers(1)
            .thread_name("grove")
            .build()
            .unwrap();
        let (ready, blocked) = mpsc::channel();
        thread::scope(|threads| {
            let callers = [0, 1, 2].map(|children| {
                let (runtime, ready) = (&runtime, ready.clone());
                threads.spawn(move || {
                    panic_of(|| {
                        runtime.block_on(async {
                            if children == 0 {
                                ready.send(()).unwrap();
                                return pending::<()>().await;
                            }
                            group(async |g| {
                                for _ in 0..children {
                                    g.spawn(pending::<()>());
                                }
                                ready.send(()).unwrap();
                                pending::<()>().await
                            })
                            .await
                        })
                    })
                })
            });
            for _ in 0..3 {
                blocked.recv().unwrap();
            }
            runtime.shutdown(NOW).unwrap();
            for caller in callers {
                let text = caller.join().unwrap();
                assert!(text.contains("`grove` was shut down"), "{text}");
            }
        });
    });
}

#[test]
fn several_shutdowns_at_once_all_end() {
    without_hanging(|| {
        for round in 0..50 {
            let runtime = Runtime::builder().workers(1 + round % 2).build().unwrap();
            let (ready, blocked) = mpsc::channel();
            thread::scope(|threads| {
                threads.spawn(|| {
                    panic_of(|| {
                        runtime.block_on(group(async |g| {
                            g.spawn(pending::<()>());
                            ready.send(()).unwrap();
                            pending::<()>().await
                        }))
                    })
                });
                blocked.recv().unwrap();
                for grace in [NEVER, NOW, NEVER, NOW] {
                    let runtime = &runtime;
                    threads.spawn(move || runtime.shutdown(grace).unwrap());
                }
            });
        }
    });
}

#[test]
fn a_runtime_whose_workers_are_all_stuck_can_be_shut_down_and_dropped() {
    without_hanging(|| {
        let release = Arc::new(AtomicBool::new(false));
        for drops in [false, true] {
            let (runtime, seen) = counting(1);
            let (stuck, is_stuck) = mpsc::channel();
            runtime.block_on(async {
                let mut deaf = Box::pin(group(async |g| {
                    let (release, stuck) = (Arc::clone(&release), stuck.clone());
                    g.spawn_named("stuck", async move {
                        stuck.send(()).unwrap();
                        wait_until(|| release.load(SeqCst));
                    });
                    pending::<()>().await
                }));
                once(deaf.as_mut()).await;
                is_stuck.recv().unwrap();
            });
            if drops {
                drop(runtime);
                assert_eq!(seen.load(SeqCst), 1);
            } else {
                let stragglers = runtime.shutdown(NOW).unwrap_err();
                assert_eq!(
                    stragglers.iter().next().unwrap().name.as_deref(),
                    Some("stuck")
                );
            }
        }
        release.store(true, SeqCst);
    });
}

#[test]
fn a_group_that_is_opened_after_the_shutdown_is_refused() {
    without_hanging(|| {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let (go, gone) = async_channel::bounded::<()>(1);
        let (ready, waits) = mpsc::channel();
        thread::scope(|threads| {
            let caller = threads.spawn(|| {
                panic_of(|| {
                    runtime.block_on(async {
                        ready.send(()).unwrap();
                        let _ = gone.recv().await;
                        group(async |g| g.spawn(async { Ok(1) }).await).await
                    })
                })
            });
            waits.recv().unwrap();
            runtime.shutdown(Duration::from_secs(1)).unwrap();
            let _ = go.try_send(());
            assert!(caller.join().unwrap().contains("was shut down"));
        });
    });
}

// ---- panics in the worst places --------------------------------------------------------------------------------------

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
        let (runtime, seen) = counting(2);
        for round in 0..20 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(group(async |g| {
                    for _ in 0..3 {
                        g.spawn(async { panic_any(Bomb(9)) });
                    }
                    let _on_cut = on_drop(|| ());
                    if round % 2 == 0 {
                        panic_any(Bomb(9));
                    }
                    pending::<()>().await
                }))
            }));
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
        std::mem::forget(caught);
        assert_eq!(
            runtime.block_on(group(async |g| g.spawn(async { Ok(1) }).await)),
            1
        );
        let _ = seen;
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
        let (runtime, seen) = counting(2);
        // As a child: polled, cut, and born cancelled.
        for (poll, drop, expected) in [
            (true, false, Some("poll")),
            (true, true, Some("poll")),
            (false, true, Some("drop")),
            (false, false, None),
        ] {
            let before = seen.load(SeqCst);
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
            let outranked = seen.load(SeqCst) - before;
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
        // As the body's value, as an output, as a kept value, as a defer, as an error that is not needed.
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
        // The tree is whole: a cascade walks it, and nobody is left in it.
        runtime.shutdown(NOW).unwrap();
    });
}

/// A waker that panics when it is woken or when its last copy is dropped.
struct Hostile {
    wake: bool,
    drop: bool,
}

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        if self.wake {
            panic_any("wake");
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if self.drop && !thread::panicking() {
            panic_any("drop");
        }
    }
}

/// Case 92.
#[test]
fn wakers_that_panic_are_contained() {
    without_hanging(|| {
        for (wake, drop) in [(true, false), (false, true), (true, true)] {
            let (runtime, _) = counting(1);
            let hostile = || Waker::from(Arc::new(Hostile { wake, drop }));
            // What is polled with a hostile waker, once, and then with that of the task.
            let polled = |mut future: Pin<Box<dyn Future<Output = ()> + Send>>| {
                let waker = hostile();
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                std::mem::forget(catch_unwind(AssertUnwindSafe(|| std::mem::drop(waker))));
                // On a slow machine it may be over already.
                polled.is_pending().then_some(future)
            };
            runtime.block_on(async {
                let (_keep, silent) = async_channel::bounded::<()>(1);
                let silent = || {
                    let silent = silent.clone();
                    async move {
                        let _ = silent.recv().await;
                    }
                };
                let quiet = silent();
                let futures: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> = vec![
                    Box::pin(sleep(Duration::from_millis(1))),
                    Box::pin(group(async |g| {
                        g.spawn(sleep(Duration::from_millis(1)));
                    })),
                    Box::pin(group(async |g| {
                        g.spawn(sleep(Duration::from_millis(1))).await;
                        g.defer(sleep(Duration::from_millis(1)));
                    })),
                    Box::pin(async {
                        let raced = race([1, 2].map(|n| async move {
                            sleep(Duration::from_millis(n)).await;
                            Ok::<_, u8>(())
                        }));
                        raced.await.unwrap();
                    }),
                    Box::pin(async move {
                        let _ = timeout(Duration::from_millis(1), quiet).await;
                    }),
                ];
                for future in futures {
                    let Some(mut future) = polled(future) else {
                        continue;
                    };
                    // A replaced waker may throw into the poll that replaced it, as its own destructor does anywhere.
                    let finished = poll_fn(move |cx| {
                        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                            Ok(polled) => polled,
                            Err(payload) => {
                                assert_eq!(*payload.downcast::<&str>().unwrap(), "drop");
                                Poll::Ready(())
                            }
                        }
                    });
                    finished.await;
                }
                // Dropped while it is registered.
                let dropped = polled(Box::pin(group(async |g| {
                    g.spawn(pending::<()>());
                    pending::<()>().await
                })));
                std::mem::drop(dropped);
            });
            // A worker that was hit by a panic would be missing here.
            let one = runtime.block_on(group(async |g| {
                let (sender, receiver) = mpsc::channel();
                g.spawn(async move { sender.send(1).unwrap() });
                receiver.recv().unwrap()
            }));
            assert_eq!(one, 1);
            runtime.shutdown(NOW).unwrap();
        }
    });
}

/// Case 175.
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

#[test]
fn a_hook_may_shut_the_runtime_down() {
    without_hanging(|| {
        let slot = Arc::new(Mutex::new(None::<Arc<Runtime>>));
        let hooked = Arc::clone(&slot);
        let (sender, receiver) = mpsc::channel();
        let runtime = Runtime::builder().workers(1).on_unobserved(move |_| {
            let runtime = hooked.lock().unwrap().take();
            if let Some(runtime) = runtime {
                sender
                    .send(runtime.shutdown(NEVER).unwrap_err().len())
                    .unwrap();
            }
        });
        let runtime = Arc::new(runtime.build().unwrap());
        *slot.lock().unwrap() = Some(Arc::clone(&runtime));
        let (inside, is_inside) = mpsc::channel();
        let (go, gone) = async_channel::bounded::<()>(1);
        let mut failing = Box::pin(try_group(async |g: Group<'_, '_, u8>| {
            let (inside, gone) = (inside.clone(), gone.clone());
            g.spawn(async move {
                inside.send(()).unwrap();
                let _ = shield(gone.recv()).await;
                Err::<(), _>(1)
            });
            pending::<Result<(), u8>>().await
        }));
        runtime.block_on(once(failing.as_mut()));
        is_inside.recv().unwrap();
        drop(failing);
        go.try_send(()).unwrap();
        assert_eq!(receiver.recv().unwrap(), 1);
    });
}

#[test]
fn a_closed_stderr_costs_no_worker() {
    if !is_child() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_closed_stderr_costs_no_worker", "--nocapture"])
            .env("SPINNEY_TEST_CHILD", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stderr.take());
        // Only now it goes on.
        drop(child.stdin.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
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
}

/// Case 50.
#[test]
fn a_supervised_panic_is_a_value() {
    let failed = block_on(group(async |g| {
        g.supervise(async { panic_any("supervised") as Result<(), _> })
            .await
    }));
    match failed {
        Err(Failure::Panic(payload)) => {
            assert_eq!(*payload.downcast::<&str>().unwrap(), "supervised")
        }
        other => panic!("{other:?}"),
    }
}
