//! Models of `src/api/group/machine.rs` and `src/tree/owner.rs`: the future of a group inside a
//! task, against its child and against a cut of the task. The task is dropped when its group is
//! quiet, and not before.

use loom_tests::run::explore_with;
use loom_tests::sync;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};
use sync::cell::Racy;
use sync::{Arc, thread};

loom_tests::groups!();
loom_tests::tasks!();

#[path = "../../src/api"]
mod api {
    #[path = "../../src/api/group"]
    pub mod group {
        #[expect(dead_code, reason = "models need a part of it")]
        pub mod body;
        #[expect(dead_code, reason = "models need a part of it")]
        pub mod machine;

        #[expect(dead_code, reason = "models need a part of it")]
        pub mod lifetime;

        /// The name of a group in its body: only its node.
        pub mod handle {
            use crate::api::group::lifetime::Alive;
            use crate::group::node::Node;
            use std::panic::Location;
            use std::time::{Duration, Instant};

            pub struct Group<'s, 'p, E>(Alive<'s, 'p, E>);

            impl<E> Clone for Group<'_, '_, E> {
                fn clone(&self) -> Self {
                    *self
                }
            }

            impl<E> Copy for Group<'_, '_, E> {}

            impl<'s, E> Group<'s, '_, E> {
                pub fn node_as_it_is(self) -> &'s Node {
                    self.0.node()
                }
            }

            impl<'s, 'p, E: Send + 'static> Group<'s, 'p, E> {
                pub fn new(alive: Alive<'s, 'p, E>) -> Self {
                    Self(alive)
                }

                pub fn grant(self, _: E, _: &'static Location<'static>) {
                    unreachable!("no deadlines")
                }

                pub fn deadline_since(
                    self,
                    _: Instant,
                    _: Duration,
                    _: E,
                    _: &'static Location<'static>,
                ) {
                    unreachable!("no deadlines")
                }
            }
        }
    }
}

/// Groups here are opened in tasks.
mod pool {
    pub mod global {
        use crate::group::node::NodeRef;

        pub struct Nowhere;

        impl Nowhere {
            pub fn root(&self) -> NodeRef {
                unreachable!("groups are opened in tasks")
            }
        }

        pub fn runtime() -> Nowhere {
            Nowhere
        }
    }
}

#[path = "support/children.rs"]
mod children;
mod support;

use api::group::body::Plain as Unfailing;
use api::group::handle::Group;
use api::group::machine::{Machine, Setup};
use children::{Plain, Stage, World, spawn};
use support::{keep, read};
use task::cell::Birth;
use task::handle::TaskHandle;

use tree::cascade;

/// A task that awaits a group.
struct Outer<F, B> {
    machine: Machine<'static, F, B, u32, u32>,
    /// A value of the group around the task.
    kept: NonNull<support::Kept>,
    dropped: Arc<Racy>,
}

impl<F, B> Future for Outer<F, B>
where
    F: FnOnce(Group<'static, 'static, u32>) -> B,
    B: Future<Output = u32>,
{
    type Output = Option<u32>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
        read(self.kept);
        // SAFETY: the pin of the field is structural: the machine is never moved out of a pinned
        // task.
        let machine = unsafe { self.map_unchecked_mut(|this| &mut this.machine) };
        // SAFETY: the closure uses the group while its body runs, and so for any lifetime of it.
        let polled =
            unsafe { machine.poll_with(cx, |closure, group| closure(group), |_| {}, Unfailing) };
        polled.map(Result::ok)
    }
}

impl<F, B> Drop for Outer<F, B> {
    fn drop(&mut self) {
        read(self.kept);
        self.dropped.set(self.dropped.get() + 1);
    }
}

/// A body that waits for a child.
struct Body(TaskHandle<support::Kept>);

impl Future for Body {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        self.0.poll(cx).map(|_| 5)
    }
}

/// Spawns a task whose group has a child that waits for `world`.
fn spawn_outer(
    stage: &Stage,
    world: &Arc<World>,
    inner_drops: &Arc<Racy>,
    dropped: &Arc<Racy>,
) -> TaskHandle<Option<u32>> {
    let (world, drops) = (Arc::clone(world), Arc::clone(inner_drops));
    let closure = move |group: Group<'static, 'static, u32>| {
        let node = group.node_as_it_is();
        Body(spawn(node, &world, keep(node, &drops)))
    };
    let outer = Outer {
        machine: Machine::new(closure, Setup::at(Location::caller())),
        kept: stage.kept,
        dropped: Arc::clone(dropped),
    };
    let birth = Birth {
        location: Location::caller(),
        extension: None,
    };
    // SAFETY: the group is open, and has the one error type.
    unsafe { task::spawn::spawn::<_, Plain>(&stage.owner.node, outer, birth) }
}

/// The child of the group ends on another thread while the task joins: the group answers after it,
/// once.
#[test]
fn model_group_in_a_task() {
    explore_with(2, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        let (inner_drops, dropped) = (Arc::new(Racy::default()), Arc::new(Racy::default()));
        let mut handle = spawn_outer(&stage, &world, &inner_drops, &dropped);
        let (pool, theirs) = (Arc::clone(&stage.tree.pool), Arc::clone(&world));
        let waker = thread::spawn(move || {
            theirs.wake();
            pool.run_all();
        });
        stage.end([waker]);
        assert_eq!(handle.take(), Some(Some(5)));
        assert_eq!(world.futures.get(), 1);
        assert_eq!(inner_drops.get(), 1);
        assert_eq!(dropped.get(), 1);
        drop(world.waker.lock().take());
    });
}

/// A cut of the task against the end of the child: the child is dropped before the group, the group
/// before the task, and no thread waits for ever.
#[test]
fn model_cut_of_a_task_with_a_group() {
    explore_with(1, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        let (inner_drops, dropped) = (Arc::new(Racy::default()), Arc::new(Racy::default()));
        drop(spawn_outer(&stage, &world, &inner_drops, &dropped));
        // The task has polled its group, and both wait.
        stage.tree.pool.run_all();
        let (pool, theirs) = (Arc::clone(&stage.tree.pool), Arc::clone(&world));
        let waker = thread::spawn(move || {
            theirs.wake();
            pool.run_all();
        });
        let pool = Arc::clone(&stage.tree.pool);
        let node = stage.owner.node.clone();
        let canceller = thread::spawn(move || {
            cascade::cancel(&node, 0);
            drop(node);
            pool.run_all();
        });
        stage.end([waker, canceller]);
        assert_eq!(world.futures.get(), 1);
        assert_eq!(inner_drops.get(), 1);
        assert_eq!(dropped.get(), 1);
        drop(world.waker.lock().take());
    });
}

/// A cancel of the handle against the first poll, which opens the group.
#[test]
fn model_cut_against_the_first_poll() {
    explore_with(1, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        let (inner_drops, dropped) = (Arc::new(Racy::default()), Arc::new(Racy::default()));
        let handle = spawn_outer(&stage, &world, &inner_drops, &dropped);
        let pool = Arc::clone(&stage.tree.pool);
        let canceller = thread::spawn(move || {
            handle.cancel();
            drop(handle);
            pool.run_all();
        });
        let pool = Arc::clone(&stage.tree.pool);
        let runner = thread::spawn(move || pool.run_all());
        stage.end([canceller, runner]);
        assert_eq!(world.futures.get(), inner_drops.get());
        assert_eq!(dropped.get(), 1);
        drop(world.waker.lock().take());
    });
}

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures_below(&["src/group/word.rs", "src/task/state.rs"]);
}
