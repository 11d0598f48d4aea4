//! Names and paths: what a message says of a task and of its group.

use crate::common::durations;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{self, once, until};
use crate::common::process::alone_by;
use crate::common::runtimes::workers;
use spinney::{Group, GroupBuilder, Runtime, Task, current, group, shield, try_group};
use std::future::pending;
use std::panic::{Location, panic_any};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// A name that was given is seen in the task and at its handle; the default is the place of the
/// spawn.
#[test]
fn a_task_is_called_by_its_name_or_its_place() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        assert_eq!(current::task_name(), None);
        runtime.block_on(group(async |g| {
            let named = g.spawn_named("fetch", async { Ok(current::task_name()) });
            let place = Location::caller().line() + 1;
            let unnamed = g.spawn(async { Ok(current::task_name()) });
            let place = format!("{}:{place}", file!());
            assert_eq!(
                (named.name(), unnamed.name()),
                ("fetch".into(), place.clone().into())
            );
            assert_eq!(named.await.as_deref(), Some("fetch"));
            assert_eq!(unnamed.await, Some(place.into()));
        }));
    });
}

/// A panic of ours names the child, its awaiter, and the path of the group.
#[test]
fn the_panic_of_a_dead_wait_names_both() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let text = panic_of(|| {
            runtime.block_on(GroupBuilder::<()>::new().name("server").run(async |g| {
                let awaiting = g.keep(AtomicBool::new(false));
                let (handed, take) = async_channel::bounded::<Task<'_, ()>>(1);
                g.service(async move {
                    let mut newer = take.recv().await.unwrap();
                    assert!(once(Pin::new(&mut newer)).await.is_pending());
                    awaiting.store(true, SeqCst);
                    newer.await
                });
                // The newest service ends first, and then this one, which takes its time: the
                // oldest is not being cut yet.
                g.service(shield(until(move || g.is_stopping())));
                let newer = g.service(async { pending::<Result<(), ()>>().await });
                handed.send(newer).await.unwrap();
                until(|| awaiting.load(SeqCst)).await;
                Ok(())
            }))
        });
        assert!(text.starts_with("task #"), "{text}");
        assert!(
            text.contains("was cut: it will never have a value"),
            "{text}"
        );
        assert!(text.ends_with(", in group `server/services`)"), "{text}");
    });
}

/// The hook is told the path of the group.
#[test]
fn what_nobody_saw_has_its_path() {
    without_hanging(|| {
        let paths = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&paths);
        let runtime = Runtime::builder()
            .workers(1)
            .on_unobserved(move |failure| seen.lock().unwrap().push(failure.group))
            .build()
            .unwrap();
        let panicked = panic_of(|| {
            runtime.block_on(GroupBuilder::<&str>::new().name("server").run(async |g| {
                let inner = GroupBuilder::<&str>::new()
                    .name("conn")
                    .run_in(g, async |inner| {
                        let failed = inner.keep(AtomicBool::new(false));
                        inner.spawn(async {
                            failed.store(true, SeqCst);
                            Err::<(), _>("outranked")
                        });
                        inner.spawn(shield(async move {
                            until(|| failed.load(SeqCst)).await;
                            until(|| inner.is_stopping()).await;
                            panic_any("it outranks")
                        }));
                        pending::<Result<(), &str>>().await
                    });
                inner.await.unwrap();
                Ok(())
            }))
        });
        assert_eq!(panicked, "it outranks");
        assert_eq!(*paths.lock().unwrap(), ["server/conn"]);
    });
}

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A child that awaits the group it belongs to would wait for itself: it panics, and names both.
#[test]
fn a_group_that_is_awaited_by_its_own_child_panics() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let _entered = runtime.enter();
        for nested in [false, true] {
            let (hand_over, take) = async_channel::bounded::<Boxed>(1);
            let awaiting = async move {
                let own = take.recv().await.unwrap();
                own.await;
            };
            let mut open: Boxed = Box::pin(async move {
                let group = GroupBuilder::<()>::new().name("ring").run(async move |g| {
                    g.spawn_named("snake", async move {
                        match nested {
                            true => group(async |inner| drop(inner.spawn(awaiting))).await,
                            false => awaiting.await,
                        }
                    });
                    pending().await
                });
                let _: Result<(), _> = group.await;
            });
            assert!(polls::poll_alone(open.as_mut()).is_pending());
            // The child drops the group's future as it unwinds, so no owner receives the panic: the
            // hook does.
            let before = seen.texts().len();
            hand_over.send_blocking(open).unwrap();
            while seen.texts().len() == before {
                std::thread::yield_now();
            }
            let text = seen.texts().pop().unwrap();
            assert!(
                text.starts_with("group `ring` is awaited by one of those for whom it waits: task"),
                "{text}"
            );
            assert!(
                text.contains(if nested { "names.rs" } else { "`snake`" }),
                "{text}"
            );
        }
        runtime.shutdown(durations::NOW).unwrap();
    });
}

/// With the hook installed the message of a panic says which task it was, in which group.
#[test]
fn the_panic_hook_says_where() {
    let hook = || {
        spinney::install_panic_hook();
        spinney::install_panic_hook();
        let (runtime, _) = workers(1);
        let _ = panic_of(|| {
            runtime.block_on(GroupBuilder::<()>::new().name("server").run(async |g| {
                g.spawn_named("conn", async { panic!("boom") });
                Ok(())
            }))
        });
        let _ = panic_of(|| panic!("outside"));
    };
    let Some(output) = alone_by("exec \"$0\" \"$@\"", hook) else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = text.lines().collect();
    let at = lines.iter().position(|line| *line == "boom").unwrap();
    let place = lines[at..]
        .iter()
        .find(|line| line.starts_with("in task"))
        .unwrap();
    assert!(place.starts_with("in task `conn` #"), "{text}");
    assert!(place.ends_with(", in group `server`"), "{text}");
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.starts_with("in task"))
            .count(),
        1,
        "{text}"
    );
}

/// A group in an error's message is found by its path from any task.
#[test]
fn a_path_names_groups_from_the_root() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let path = runtime.block_on(try_group(async |outer: Group<'_, '_, ()>| {
            let inner = GroupBuilder::<()>::new()
                .name("conn")
                .run_in(outer, async |g| {
                    let path = g.spawn(async { Ok(current::group_path().unwrap().to_string()) });
                    Ok(path.await)
                });
            inner.await.map_err(|_| ())
        }));
        let path = path.unwrap();
        assert!(
            path.starts_with("tests/reports/names.rs:") && path.ends_with("/conn"),
            "{path}"
        );
    });
}
