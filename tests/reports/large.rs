//! A group with many children is dumped whole, in parts between which others come and go.

use crate::common::hangs::without_hanging;
use crate::common::polls::until;
use crate::common::runtimes::workers;
use spinney::{Group, group, yield_now};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// More than a dump looks at under one lock.
const STAY: usize = 1_500;

const DUMPS: usize = 100;

#[test]
fn a_group_with_many_children_is_dumped_whole_while_others_come_and_go() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let runtime = &runtime;
        let (dumps, met) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (dumps, met) = (&dumps, &met);
        let looks = || {
            let dump = runtime.dump();
            let tasks = dump.groups().iter().flat_map(|group| &group.tasks);
            let (stay, others): (Vec<_>, Vec<_>) =
                tasks.partition(|task| task.name.as_deref() == Some("stays"));
            met.fetch_add(others.len(), SeqCst);
            // In the order of their numbers, and so none twice.
            assert!(stay.is_sorted_by(|one, next| one.id < next.id));
            stay.len()
        };
        std::thread::scope(|threads| {
            threads.spawn(|| {
                while looks() < STAY {}
                for _ in 0..DUMPS {
                    assert_eq!(looks(), STAY);
                    dumps.fetch_add(1, SeqCst);
                }
                while met.load(SeqCst) == 0 {
                    looks();
                }
                dumps.fetch_add(1, SeqCst);
            });
            runtime.block_on(group(async |g: Group<'_, '_>| {
                let waiting: Vec<_> = (0..STAY)
                    .map(|_| g.spawn_named("stays", pending::<()>()))
                    .collect();
                // They are suspended, and so in the list of the group, newest first.
                while dumps.load(SeqCst) <= DUMPS {
                    for _ in 0..300 {
                        g.spawn(async {
                            for _ in 0..3 {
                                yield_now().await;
                            }
                        });
                    }
                    yield_now().await;
                    until(|| runtime.metrics().live_tasks <= STAY as u64 + 300).await;
                }
                for task in waiting {
                    task.cancel().await;
                }
            }));
        });
    });
}
