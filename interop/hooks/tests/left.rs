//! Groups that do not wait for tasks of `tokio::spawn` say what they leave behind, where tokio has
//! hooks.

#[path = "../../../tests/common/hangs.rs"]
mod hangs;

use hangs::without_hanging;
use spinney::runtime::Tokio;
use spinney::time::ManualClock;
use spinney::{Group, GroupBuilder, Never, Runtime, Unobserved, group, try_group};
use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// After this time a group says what it has left.
const NOTICES: Duration = Duration::from_millis(100);

/// What the hook was told: the text, and the path of the group.
type Heard = Arc<Mutex<Vec<(String, String)>>>;

/// A runtime whose groups wait for none, and what its hook was told.
struct Wood {
    runtime: Runtime,
    clock: ManualClock,
    heard: Heard,
}

impl Wood {
    /// What the hook has heard so far, and was not asked for.
    fn heard(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    /// Lets the time pass after which groups that have ended say what they have left, and waits for
    /// so many reports.
    fn pass(&self, reports: usize) {
        self.clock.advance(NOTICES);
        let heard = || self.heard.lock().unwrap().len();
        while heard() < reports || self.runtime.metrics().live_timers > 0 {
            std::thread::yield_now();
        }
    }

    /// Waits until so many tasks of tokio's are left.
    fn wait_for(&self, alive: u64) {
        while self.runtime.metrics().live_tokio_tasks > alive {
            std::thread::yield_now();
        }
    }
}

/// Both ways to drive tokio.
fn both(test: impl Fn(&Wood) + Send + 'static) {
    without_hanging(move || {
        for how in [Tokio::Parked, Tokio::Background { workers: 2 }] {
            let heard = Heard::default();
            let notes = Arc::clone(&heard);
            let hook = move |failure: Unobserved| {
                let text = failure.payload.downcast_ref::<String>();
                let text = text.cloned().unwrap_or_default();
                notes.lock().unwrap().push((text, failure.group));
            };
            let clock = ManualClock::new();
            let builder = Runtime::builder().workers(2).thread_name("wood").tokio(how);
            let builder = builder.wait_for_tokio_tasks(false).on_unobserved(hook);
            let runtime = builder.clock(&clock).on_stall(drop).build().unwrap();
            test(&Wood {
                runtime,
                clock,
                heard,
            });
        }
    });
}

fn spawn_endless() -> JoinHandle<()> {
    tokio::spawn(pending())
}

/// Whether a report says that so many were all spawned in [`spawn_endless`].
fn says(text: &str, what: &str, count: usize) -> bool {
    let begin = format!(
        "{count} tasks of `tokio::spawn` {what}, spawned at {}:",
        file!()
    );
    text.starts_with(&begin) && text.ends_with(&format!(":5 ({count})"))
}

#[test]
fn a_group_says_how_many_it_leaves_and_where_they_were_spawned() {
    both(|wood| {
        let (begins, begun) = oneshot::channel();
        let named = GroupBuilder::<Never>::new().name("grove");
        let left = named.run(async |g| {
            spawn_endless();
            for _ in 0..2 {
                g.spawn(async { drop(spawn_endless()) });
            }
            g.service(async move {
                spawn_endless();
                begins.send(()).unwrap();
                pending::<()>().await
            });
            begun.await.unwrap();
            let shown = wood.runtime.dump();
            assert!(!shown.groups()[0].tokio_tasks.is_empty());
            Ok(())
        });
        wood.runtime.block_on(left).unwrap();
        assert!(wood.heard().is_empty());
        wood.pass(1);
        let told = wood.heard();
        let what = "alive after the end of the group";
        assert!(says(&told[0].0, what, 4), "{told:?}");
        assert_eq!((told.len(), &*told[0].1), (1, "grove"));
        assert_eq!(wood.runtime.metrics().live_tokio_tasks, 4);
        // They are in no group now, and end with the wood.runtime.
        wood.runtime.shutdown(Duration::ZERO).unwrap();
        let told = wood.heard();
        assert!(
            says(&told[0].0, "ended with the runtime `wood`", 4),
            "{told:?}"
        );
        assert_eq!((told.len(), &*told[0].1), (1, ""));
    });
}

/// The innermost group, once; and one in which all have ended says nothing.
#[test]
fn each_group_says_its_own() {
    both(|wood| {
        let named = GroupBuilder::<Never>::new().name("outer");
        let left = named.run(async |_| {
            spawn_endless();
            let inner = GroupBuilder::<Never>::new().name("inner");
            let inner = inner.run(async |_| {
                spawn_endless();
                tokio::spawn(async {}).await.unwrap();
                Ok(())
            });
            inner.await.unwrap();
            tokio::spawn(async {}).await.unwrap();
            Ok(())
        });
        wood.runtime.block_on(left).unwrap();
        wood.wait_for(2);
        wood.pass(2);
        let told = wood.heard();
        let groups: BTreeSet<_> = told.iter().map(|(_, group)| &**group).collect();
        assert_eq!(groups, BTreeSet::from(["outer", "outer/inner"]));
        assert!(told.iter().all(|(text, _)| text.starts_with("1 task ")));
    });
}

/// What such a task spawns is in the group of the spawner, as long as there is one.
#[test]
fn what_such_a_task_spawns_is_left_by_the_same_group() {
    both(|wood| {
        let (go, gone) = oneshot::channel::<()>();
        let (spawned, is_spawned) = oneshot::channel();
        let later = wood.runtime.block_on(group(async |_: Group<'_, '_>| {
            let later = tokio::spawn(async move {
                drop(spawn_endless());
                spawned.send(()).unwrap();
                gone.await.unwrap();
                // The group has ended.
                drop(spawn_endless());
            });
            is_spawned.await.unwrap();
            later
        }));
        wood.pass(1);
        let told = wood.heard();
        assert!(told[0].0.starts_with("2 tasks "), "{told:?}");
        go.send(()).unwrap();
        wood.runtime.block_on(later).unwrap();
        wood.wait_for(2);
        wood.pass(0);
        assert!(wood.heard().is_empty());
    });
}

/// Those that end soon after their group are not told of, and no timer is left of them.
#[test]
fn what_ends_soon_is_not_told() {
    both(|wood| {
        let (go, gone) = oneshot::channel::<()>();
        let aborted = wood.runtime.block_on(group(async |_: Group<'_, '_>| {
            tokio::spawn(async move { gone.await.unwrap() });
            spawn_endless()
        }));
        assert_eq!(wood.runtime.metrics().live_timers, 1);
        aborted.abort();
        go.send(()).unwrap();
        wood.wait_for(0);
        while wood.runtime.metrics().live_timers > 0 {
            std::thread::yield_now();
        }
        wood.pass(0);
        assert!(wood.heard().is_empty());
    });
}

#[test]
fn a_cut_does_not_wait_either() {
    both(|wood| {
        let failed: Result<(), _> =
            wood.runtime
                .block_on(try_group(async |g: Group<'_, '_, &str>| {
                    spawn_endless();
                    g.cancel("oak");
                    pending().await
                }));
        assert!(failed.is_err());
        wood.pass(1);
        let told = wood.heard();
        assert!(told[0].0.starts_with("1 task of "), "{told:?}");
    });
}

/// By many groups at once, with tasks that end at any time.
#[test]
fn many_groups_leave_many() {
    both(|wood| {
        for _ in 0..50 {
            wood.runtime.block_on(group(async |g: Group<'_, '_>| {
                for child in 0..20 {
                    g.spawn(async move {
                        group(async |_: Group<'_, '_>| {
                            let task = spawn_endless();
                            if child > 0 {
                                task.abort();
                            }
                            tokio::spawn(tokio::task::yield_now());
                        })
                        .await;
                    });
                }
            }));
        }
        wood.wait_for(50);
        wood.pass(50);
        let told = wood.heard();
        assert!(told.iter().all(|(text, _)| text.starts_with("1 task ")));
        assert_eq!(told.len(), 50);
    });
}
