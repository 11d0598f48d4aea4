//! A dump shows the tree as it is: groups, tasks, states, reasons; what has ended is gone.

use crate::common::durations::{NOW, SECOND};
use crate::common::hangs::without_hanging;
use crate::common::polls::{until, wait_until};
use crate::common::runtimes::{noting, one_by_one, workers};
use spinney::current::CancelKind;
use spinney::dump::{Dump, GroupDump, TaskDump, TaskState, WaitsFor};
use spinney::net::TcpListener;
use spinney::time::ManualClock;
use spinney::{Group, GroupBuilder, Runtime, current, group, shield, sleep, timeout};
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;

/// The group of that name, and its place in the dump.
fn find<'a>(dump: &'a Dump, name: &str) -> Option<(usize, &'a GroupDump)> {
    let mut groups = dump.groups().iter().enumerate();
    groups.find(|(_, group)| group.name.as_deref() == Some(name))
}

fn task<'a>(group: &'a GroupDump, name: &str) -> Option<&'a TaskDump> {
    let mut tasks = group.tasks.iter();
    tasks.find(|task| task.name.as_deref() == Some(name))
}

/// The tree is shown from the root down to the tasks and up again; what has ended vanishes.
#[test]
fn the_tree_is_shown_from_the_root_down() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let runtime = &Arc::new(runtime);
        let mine = Arc::clone(runtime);
        let server = GroupBuilder::<()>::new()
            .name("server")
            .run(async move |g| {
                let paths = g.keep(async_channel::unbounded());
                let short = g.spawn_named("short", async {});
                short.await;
                let client = g.spawn_named("client", async move {
                    let conn = GroupBuilder::<()>::new().name("conn").run_in(g, async |h| {
                        h.spawn_named("reader", async {
                            let path = current::group_path().map(|path| path.to_string());
                            paths.0.send(path).await.unwrap();
                            pending::<()>().await;
                        })
                        .await;
                        Ok(())
                    });
                    let _ = conn.await;
                });
                let path = paths.1.recv().await.unwrap();
                assert_eq!(path.as_deref(), Some("server/conn"));
                until(|| {
                    find(&mine.dump(), "conn").is_some_and(|(_, conn)| !conn.tasks.is_empty())
                })
                .await;
                let dump = mine.dump();
                let (outer, server) = find(&dump, "server").unwrap();
                let (inner, conn) = find(&dump, "conn").unwrap();
                assert!(outer < inner, "each before those inside it");
                assert_eq!((server.depth, conn.depth), (0, 1));
                // The client, and the group inside, which has a child.
                assert_eq!((server.count, conn.count), (2, 1));
                assert!(task(server, "short").is_none());
                let client_seen = task(server, "client").unwrap();
                assert_eq!(client_seen.id, client.id());
                assert_eq!(client_seen.state, TaskState::Waiting);
                let reader = task(conn, "reader").unwrap();
                assert_eq!((reader.state, reader.polls), (TaskState::Waiting, 1));
                assert_eq!(reader.location.file(), file!());
                let text = dump.to_string();
                let lines: Vec<_> = text.lines().map(|line| line.split(" at ").next()).collect();
                let reader = format!("    reader {}", reader.id);
                let client_line = format!("  client {}", client.id());
                assert_eq!(
                    lines,
                    [
                        Some("group server"),
                        Some(&client_line),
                        Some("  group conn"),
                        Some(&reader)
                    ]
                );
                client.cancel().await;
                let dump = mine.dump();
                assert!(find(&dump, "conn").is_none());
                assert!(find(&dump, "server").unwrap().1.tasks.is_empty());
                Ok(())
            });
        runtime.block_on(server).unwrap();
        assert!(runtime.dump().groups().is_empty());
        runtime.shutdown(NOW).unwrap();
        assert!(runtime.dump().groups().is_empty());
    });
}

/// A task that blocks is running, one that was woken is queued, and one that was never suspended is
/// only counted, or known by the thread that runs it.
#[test]
fn what_a_task_does_is_shown() {
    without_hanging(|| {
        let (runtime, _) = one_by_one();
        let mine = Arc::new(runtime);
        let theirs = Arc::clone(&mine);
        mine.block_on(GroupBuilder::<()>::new().name("all").run(async move |g| {
            let runtime = g.keep(theirs);
            let (begun, over) = (
                g.keep(AtomicBool::new(false)),
                g.keep(AtomicBool::new(false)),
            );
            let closure = g.blocking(|| {
                begun.store(true, SeqCst);
                wait_until(|| over.load(SeqCst));
            });
            let woken = g.spawn(until(|| over.load(SeqCst)));
            until(|| begun.load(SeqCst)).await;
            let look = g.spawn(async move {
                let dump = runtime.dump();
                let (_, all) = find(&dump, "all").unwrap();
                let state = |id| {
                    let task = all.tasks.iter().find(|task| task.id == id);
                    task.map(|task| task.state)
                };
                // On the one worker this one runs, so the other one waits for it.
                let other = state(woken.id());
                assert!(other == Some(TaskState::Queued) || other.is_none());
                let me = current::task_id().unwrap();
                let first = dump.first_polls().iter().any(|task| task.task == me);
                assert_eq!((first, all.count), (true, 3));
                over.store(true, SeqCst);
                Ok(state(closure.id()))
            });
            assert_eq!(look.await, Some(TaskState::Running));
            Ok(())
        }))
        .unwrap();
    });
}

/// A group that ends shows why, and one that goes on in a shield shows that.
#[test]
fn stops_cuts_and_shields_are_shown() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let mine = Arc::new(runtime);
        let theirs = Arc::clone(&mine);
        let result = mine.block_on(GroupBuilder::new().name("outer").run(
            async move |g: Group<'_, '_, &'static str>| {
                let runtime = g.keep(theirs);
                let looked = g.keep(AtomicBool::new(false));
                let inside = g.keep(AtomicBool::new(false));
                let watching = g.keep(AtomicBool::new(false));
                g.spawn_named("held", async move {
                    let nested = GroupBuilder::<()>::new()
                        .name("nested")
                        .run_in(g, async |h| {
                            let child = h.spawn(until(|| looked.load(SeqCst)));
                            inside.store(true, SeqCst);
                            child.await;
                            Ok(())
                        });
                    shield(nested).await.unwrap();
                });
                g.defer(async {
                    assert!(looked.load(SeqCst));
                });
                until(|| inside.load(SeqCst)).await;
                g.stop();
                let dump = runtime.dump();
                let (_, outer) = find(&dump, "outer").unwrap();
                assert!(outer.is_stopping && !outer.is_cancelled);
                g.spawn(shield(async move {
                    watching.store(true, SeqCst);
                    // When its group's cancel has reached the task.
                    until(|| {
                        let dump = runtime.dump();
                        let (_, outer) = find(&dump, "outer").unwrap();
                        task(outer, "held").unwrap().is_cancelled
                    })
                    .await;
                    assert!(current::is_cancelled());
                    let dump = runtime.dump();
                    let (_, outer) = find(&dump, "outer").unwrap();
                    assert!(outer.is_cancelled);
                    assert_eq!(outer.why, Some(CancelKind::BodyFailed));
                    let (_, nested) = find(&dump, "nested").unwrap();
                    assert!(nested.is_shielded && !nested.is_cancelled && nested.is_stopping);
                    assert!(dump.to_string().contains("cancelled: the body failed"));
                    looked.store(true, SeqCst);
                }));
                until(|| watching.load(SeqCst)).await;
                Err::<(), _>("enough")
            },
        ));
        assert_eq!(result.unwrap_err().into_first(), "enough");
    });
}

/// Dumps of a tree that changes all the time show nothing impossible.
#[test]
fn a_tree_that_changes_can_be_dumped() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let over = AtomicBool::new(false);
        let most = AtomicUsize::new(0);
        thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    while !over.load(SeqCst) {
                        let dump = runtime.dump();
                        let mut depth = 0;
                        for group in dump.groups() {
                            assert!(group.depth <= depth, "inside the one before, or beside it");
                            depth = group.depth + 1;
                        }
                        most.fetch_max(dump.groups().len(), SeqCst);
                    }
                });
            }
            for _ in 0..300 {
                runtime.block_on(group(async |g| {
                    for _ in 0..10 {
                        g.spawn(async {
                            group(async |h| {
                                for _ in 0..3 {
                                    h.spawn(spinney::yield_now());
                                }
                            })
                            .await;
                        });
                    }
                }));
            }
            wait_until(|| {
                runtime.block_on(group(async |g| g.spawn(spinney::yield_now()).await));
                most.load(SeqCst) > 0
            });
            over.store(true, SeqCst);
        });
    });
}

/// What a task waits for is found where it will be woken from; of what is not ours nothing is said.
#[test]
fn what_a_task_waits_for_is_said() {
    without_hanging(|| {
        let clock = ManualClock::new();
        let builder = Runtime::builder().workers(2).max_blocking(1).clock(&clock);
        let (runtime, _) = noting(builder);
        let runtime = &runtime;
        let due_at = clock.now() + 60 * SECOND;
        let (release, released) = mpsc::channel::<()>();
        let waits = GroupBuilder::<()>::new().name("waits").run(async |g| {
            let listener = g.keep(TcpListener::bind("127.0.0.1:0").await.unwrap());
            let foreign = g.spawn_named("foreign", pending::<()>());
            let id = foreign.id();
            g.spawn_named("child", foreign);
            g.spawn_named("timer", sleep(60 * SECOND));
            g.spawn_named("both", async {
                let _ = timeout(60 * SECOND, listener.accept()).await;
            });
            g.spawn_named("join", async move {
                let inner = g.group(async |h| {
                    h.spawn(pending::<()>());
                });
                inner.name("inner").await;
            });
            g.spawn_named("joined", async move {
                g.group(async |h| {
                    h.spawn(pending::<()>());
                    h.joined().await;
                })
                .name("open")
                .await;
            });
            let places = g.bounded(1);
            let also = places.clone();
            let first = places.spawn(pending::<()>()).await;
            g.spawn_named("place", async move {
                places.spawn(async {}).await;
            });
            g.spawn_named("closure", async move {
                also.blocking(|| ()).await;
            });
            let called = g.keep(AtomicBool::new(false));
            g.blocking(move || {
                called.store(true, SeqCst);
                let _ = released.recv();
            });
            until(|| called.load(SeqCst)).await;
            let line = g.blocking(|| ()).id();
            let said = |dump: &Dump, name: &str| -> Vec<String> {
                let waits = task(find(dump, "waits").unwrap().1, name);
                let waits = waits.map(|task| task.waits_for.iter().map(ToString::to_string));
                waits.into_iter().flatten().collect()
            };
            let names = ["child", "timer", "both", "join", "joined", "place", "closure"];
            until(|| {
                let dump = runtime.dump();
                let group = find(&dump, "waits").unwrap().1;
                names.iter().all(|name| !said(&dump, name).is_empty())
                    && task(group, "foreign").is_some()
            })
            .await;
            let dump = runtime.dump();
            assert_eq!(said(&dump, "foreign"), [""; 0]);
            assert_eq!(said(&dump, "child"), [format!("task {id}")]);
            assert_eq!(said(&dump, "timer"), ["a timer, due in 60.0s"]);
            assert_eq!(said(&dump, "join"), ["the children of group inner"]);
            assert_eq!(said(&dump, "joined"), ["the children of group open"]);
            let a_place = ["one of 1 places in group waits"];
            assert_eq!(said(&dump, "place"), a_place);
            assert_eq!(said(&dump, "closure"), a_place);
            let group = find(&dump, "waits").unwrap().1;
            let both = &task(group, "both").unwrap().waits_for;
            assert!(
                matches!(both[..], [WaitsFor::Timer { due, .. }, WaitsFor::Readable { .. }] if due == due_at),
                "{both:?}"
            );
            let in_line = group.tasks.iter().find(|task| task.id == line).unwrap();
            assert_eq!(in_line.waits_for, [WaitsFor::BlockingThread]);
            let text = dump.to_string();
            assert!(text.contains(", waits for a timer, due in 60.0s and input at 127.0.0.1:"), "{text}");
            first.cancel().await;
            // One of the two was the first in line, and waits no more.
            until(|| {
                let dump = runtime.dump();
                ["place", "closure"].iter().any(|name| said(&dump, name) != a_place)
            })
            .await;
            drop(release);
            g.cancel(());
            Ok(())
        });
        assert!(runtime.block_on(waits).is_err());
    });
}

/// A wait has lasted since the first dump that saw it, and a task that was polled meanwhile is in a
/// new one.
#[test]
fn how_long_a_task_has_waited_is_known_from_the_dumps_before() {
    without_hanging(|| {
        let clock = ManualClock::new();
        let (runtime, _) = noting(Runtime::builder().workers(2).clock(&clock));
        let runtime = &runtime;
        let waits = GroupBuilder::<()>::new().name("waits").run(async |g| {
            let (wake, woken) = async_channel::unbounded::<()>();
            g.spawn_named("patient", pending::<()>());
            g.spawn_named("woken", async move { while woken.recv().await.is_ok() {} });
            let look = || {
                let dump = runtime.dump();
                let group = find(&dump, "waits").unwrap().1;
                let seen = ["patient", "woken"].map(|name| {
                    let task = task(group, name)?;
                    (task.state == TaskState::Waiting).then_some((task.polls, task.has_waited))
                });
                (seen, dump.to_string())
            };
            until(|| look().0.iter().all(Option::is_some)).await;
            clock.advance(3 * SECOND);
            let (seen, text) = look();
            assert_eq!(seen, [Some((1, 3 * SECOND)); 2]);
            assert!(
                text.contains(": waiting for 3s at least, 1 polls, "),
                "{text}"
            );
            wake.send(()).await.unwrap();
            // Another dump sees that it was polled, and that is a new wait.
            until(|| look().0[1].is_some_and(|(polls, _)| polls == 2)).await;
            clock.advance(2 * SECOND);
            assert_eq!(look().0, [Some((1, 5 * SECOND)), Some((2, 2 * SECOND))]);
            g.cancel(());
            Ok(())
        });
        assert!(runtime.block_on(waits).is_err());
    });
}
