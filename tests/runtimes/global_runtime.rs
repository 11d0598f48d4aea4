//! The runtime of free functions: the global one, which starts at its first use, and those that are
//! entered. One test, in a process of its own, to which the global runtime belongs.

use crate::common::process::alone;
use spinney::{Runtime, block_on, group, sleep};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn named(name: &str) -> Runtime {
    // Without callers that take part, every child runs on a worker, whose name tells the runtime.
    let builder = Runtime::builder().workers(1).thread_name(name);
    builder.callers_take_part(false).build().unwrap()
}

/// The runtime on which a child of a free group runs, without the number of its thread.
async fn where_children_run() -> String {
    group(async |g| {
        let child = g.spawn(async { Ok(thread::current().name().unwrap().to_owned()) });
        let name = child.await;
        name.rsplit_once('-').unwrap().0.to_owned()
    })
    .await
}

fn here() -> String {
    futures_lite::future::block_on(where_children_run())
}

fn spinney_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default()
    };
    tasks
        .map(name)
        .filter(|name| name.starts_with("spinney-"))
        .count()
}

#[test]
fn the_global_runtime_and_those_that_are_entered() {
    alone(|| {
        let (a, b, c) = (named("a"), named("b"), named("c"));

        // The runtime that is entered wins, and no global one starts.
        let entered = a.enter();
        assert_eq!(here(), "a");
        assert_eq!(block_on(where_children_run()), "a");
        assert_eq!(spinney_threads(), 0);

        // Entries nest, and may end in any order.
        let second = b.enter();
        assert_eq!(here(), "b");
        let third = c.enter();
        assert_eq!(here(), "c");
        drop(second);
        assert_eq!(here(), "c");
        let again = a.enter();
        assert_eq!(here(), "a");
        drop(entered);
        assert_eq!(here(), "a");
        drop(again);
        assert_eq!(here(), "c");
        drop(third);

        // A `block_on` and a task use their own runtime, whatever was entered around them, even one
        // that has ended.
        let ended = named("ended");
        let around = ended.enter();
        ended.shutdown(Duration::ZERO).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(here)).is_err());
        let inside = a.block_on(async {
            sleep(Duration::from_millis(1)).await;
            assert_eq!(block_on(where_children_run()), "a");
            let entered = b.enter();
            assert_eq!(block_on(where_children_run()), "b");
            drop(entered);
            group(async |g| {
                g.spawn(async {
                    sleep(Duration::from_millis(1)).await;
                    Ok(block_on(where_children_run()))
                })
                .await
            })
            .await
        });
        assert_eq!(inside, "a");
        drop(around);

        // Another thread has entered nothing.
        let _entered = a.enter();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(here()).unwrap());
        assert_eq!(receiver.recv().unwrap(), "spinney");
        assert!(spinney_threads() > 0);

        // The global runtime was started by that: another one is given back, whole.
        let refused = named("late").install_global().unwrap_err();
        assert_eq!(refused.block_on(where_children_run()), "late");
        refused.shutdown(Duration::ZERO).unwrap();
        drop(_entered);
        assert_eq!(here(), "spinney");
    });
}
