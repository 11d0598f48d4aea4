//! Dumps of a tree while it is torn down, in every way in which that can happen: each shows a tree.

use crate::common::hangs::without_hanging;
use crate::common::polls::{once, until, wait_until};
use crate::common::runtimes::workers;
use spinney::dump::{Dump, TaskId};
use spinney::{Group, GroupBuilder, group, shield, yield_now};
use std::collections::BTreeSet;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

/// Trees that are torn down, in turn in each way.
const TREES: usize = 100;
const WAYS: usize = 5;

/// Groups in groups, and tasks in each.
const LEVELS: usize = 4;
const TASKS: usize = 4;

/// That a dump shows a tree: each group is inside of the one before, or beside it or one around
/// it; each task is in one place, and in the order of the tasks; what is printed has a line for
/// each of them, at its level.
fn check(dump: &Dump) {
    let mut depth = 0;
    let mut tasks = BTreeSet::<TaskId>::new();
    // What is stalled comes first: on a busy machine a thread may stand still in a poll.
    let mut lines = vec![0; dump.stalled().len()];
    for group in dump.groups() {
        assert!(
            group.depth <= depth,
            "a group without the one around it:\n{dump}"
        );
        depth = group.depth + 1;
        assert!(
            group.tasks.is_sorted_by(|one, next| one.id < next.id),
            "{dump}"
        );
        // The one of the test is around those of the tree.
        let level = group
            .name
            .as_deref()
            .map_or(0, |name| name.parse::<usize>().unwrap() + 1);
        // An adopted group is nearer to the root, never further away.
        assert!(group.depth <= level, "{dump}");
        lines.push(2 * group.depth);
        for task in &group.tasks {
            assert!(tasks.insert(task.id), "a task in two places:\n{dump}");
            lines.push(2 * group.depth + 2);
        }
    }
    for task in dump.first_polls() {
        assert!(!tasks.contains(&task.task), "{dump}");
        lines.push(0);
    }
    let text = dump.to_string();
    let indents = text
        .lines()
        .map(|line| line.len() - line.trim_start().len());
    assert_eq!(indents.collect::<Vec<_>>(), lines, "{text}");
}

/// A group of this level, with tasks that wait, and groups inside down to the last level. A
/// shield holds the innermost body until it may end.
fn level(level: usize, tree: Arc<Tree>) -> Inside {
    Box::pin(async move {
        let group = GroupBuilder::<()>::new().name(level.to_string());
        let group = group.run(async move |g| {
            for _ in 0..TASKS {
                let tree = Arc::clone(&tree);
                g.spawn(async move {
                    let mut never = pin!(pending::<()>());
                    let _ = once(never.as_mut()).await;
                    tree.suspended.fetch_add(1, SeqCst);
                    never.await;
                });
            }
            if level < LEVELS {
                g.spawn(self::level(level + 1, Arc::clone(&tree))).await;
            } else {
                shield(until(|| tree.may_end.load(SeqCst))).await;
            }
            Ok(())
        });
        let _ = group.await;
    })
}

type Inside = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is known of a tree.
#[derive(Default)]
struct Tree {
    /// Tasks that were suspended.
    suspended: AtomicUsize,
    /// What holds the innermost body ends.
    may_end: AtomicBool,
}

/// Builds a tree and tears it down in one of several ways.
async fn up_and_down(way: usize) {
    let tree = &Arc::new(Tree::default());
    let mut outer = pin!(
        GroupBuilder::<()>::new()
            .name("0")
            .run(async |g: Group<'_, '_, ()>| {
                let task = g.spawn(level(1, Arc::clone(tree)));
                until(|| tree.suspended.load(SeqCst) == LEVELS * TASKS).await;
                match way {
                    0 => g.cancel(()),
                    1 => {
                        g.spawn(async { Err::<(), _>(()) });
                        pending::<()>().await;
                    }
                    2 => drop(task.cancel().await),
                    3 => return Err(()),
                    _ => pending::<()>().await,
                }
                Ok(())
            })
    );
    let is_built = || tree.suspended.load(SeqCst) == LEVELS * TASKS;
    if way == 4 {
        // It is dropped when it is whole: what is inside goes to the group around.
        while !is_built() {
            assert!(once(outer.as_mut()).await.is_pending());
            yield_now().await;
        }
        tree.may_end.store(true, SeqCst);
        return;
    }
    while once(outer.as_mut()).await.is_pending() {
        tree.may_end.store(is_built(), SeqCst);
        yield_now().await;
    }
}

#[test]
fn a_tree_that_is_torn_down_is_dumped_as_a_tree() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let (over, dumps) = (AtomicBool::new(false), AtomicUsize::new(0));
        let deepest = AtomicUsize::new(0);
        let look = || {
            let dump = runtime.dump();
            check(&dump);
            dumps.fetch_add(1, SeqCst);
            deepest.fetch_max(dump.groups().len(), SeqCst);
        };
        thread::scope(|threads| {
            threads.spawn(|| {
                while !over.load(SeqCst) {
                    look();
                }
            });
            for tree in 0..TREES {
                runtime.block_on(group(async |_| up_and_down(tree % WAYS).await));
            }
            // A dump met trees while they stood, and others as they fell.
            wait_until(|| dumps.load(SeqCst) > 0);
            over.store(true, SeqCst);
        });
        assert!(deepest.load(SeqCst) >= LEVELS, "no dump met a tree");
        let dump = runtime.dump();
        assert!(
            dump.groups().is_empty() && dump.first_polls().is_empty(),
            "{dump}"
        );
    });
}
