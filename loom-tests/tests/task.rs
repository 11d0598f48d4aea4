//! Models of `src/task/{run,header,cell,waker,handle,awaiter,closer}.rs` and `src/tree/reaper.rs`
//! as they are: tasks of a group that are run, woken, cut, completed and taken by several threads
//! at once.
//!
//! But for the awaiter, these files hold no orderings. Those of the awaiter, and of the words
//! below, are weakened in models of their own, without the locks that tasks add.
//!
//! There is no loop of workers here: a thread that queues a job runs the queued jobs itself.

use loom_tests::run::explore_with;
use loom_tests::sync;
use std::cell::Cell;
use std::future::{Future, Ready};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use sync::cell::Racy;
use sync::{Arc, thread};

loom_tests::groups!();
loom_tests::tasks!();

#[path = "support/children.rs"]
mod children;
mod support;

use children::{Plain, Stage, World, spawn, spawn_blocking};
use group::node::Node;
use task::cell::{Birth, OutputRef, TaskCell};
use task::header::TaskTable;
use task::state::State;
use tree::cascade;

use support::{Sleeper, gate_of, read};

/// The owner joins while the child is run by one thread and woken by another: no wake is lost, and
/// the output is there.
#[test]
fn model_wake_and_run() {
    explore_with(2, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        let mut handle = stage.spawn(&world);
        let (pool, theirs) = (Arc::clone(&stage.tree.pool), Arc::clone(&world));
        let waker = thread::spawn(move || {
            theirs.wake();
            pool.run_all();
        });
        stage.end([waker]);
        assert_eq!(world.futures.get(), 1);
        drop(handle.take().expect("an output"));
        assert_eq!(world.outputs.get(), 1);
        drop(handle);
        drop(world.waker.lock().take());
    });
}

/// A cancel of the group against a run and a wake: the child is dropped or completes, once.
#[test]
fn model_cancel_of_the_group() {
    explore_with(2, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        let handle = stage.spawn(&world);
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
        drop(handle);
        assert!(world.outputs.get() <= 1);
        drop(world.waker.lock().take());
    });
}

/// A handle cancels its child, and goes away, while the child runs and completes.
#[test]
fn model_cancel_by_the_handle() {
    explore_with(2, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        let handle = stage.spawn(&world);
        let pool = Arc::clone(&stage.tree.pool);
        let canceller = thread::spawn(move || {
            handle.cancel();
            drop(handle);
            pool.run_all();
        });
        let (pool, theirs) = (Arc::clone(&stage.tree.pool), Arc::clone(&world));
        let waker = thread::spawn(move || {
            theirs.wake();
            pool.run_all();
        });
        stage.end([canceller, waker]);
        assert_eq!(world.futures.get(), 1);
        assert!(world.outputs.get() <= 1);
        drop(world.waker.lock().take());
    });
}

/// A child is put into the queue while its group is cancelled: it is born cancelled, or cut by a
/// reaper, or run.
#[test]
fn model_cancel_of_the_group_of_a_child_in_line() {
    explore_with(2, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        world.flag.set(1);
        let pool = Arc::clone(&stage.tree.pool);
        let node = stage.owner.node.clone();
        let canceller = thread::spawn(move || {
            cascade::cancel(&node, 0);
            drop(node);
            pool.run_all();
        });
        drop(spawn_blocking(&stage.owner.node, &world, stage.kept));
        stage.tree.pool.serve();
        stage.end([canceller]);
        assert_eq!(world.futures.get(), 1);
        assert!(world.outputs.get() <= 1);
        drop(world.waker.lock().take());
    });
}

/// A child in the queue is cut while no thread comes for it: the cut does not wait for one.
#[test]
fn model_cancel_of_the_group_of_a_child_that_nobody_comes_for() {
    explore_with(2, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        let pool = Arc::clone(&stage.tree.pool);
        let line = Arc::clone(&pool);
        let node = stage.owner.node.clone();
        let canceller = thread::spawn(move || {
            cascade::cancel(&node, 0);
            drop(node);
            pool.run_all();
        });
        drop(spawn_blocking(&stage.owner.node, &world, stage.kept));
        stage.end([canceller]);
        assert_eq!((world.futures.get(), world.outputs.get()), (1, 0));
        line.serve();
        drop(world.waker.lock().take());
    });
}

/// The handle of a child in the queue cancels it, and goes away, while a thread comes for it.
#[test]
fn model_cancel_of_a_child_in_line() {
    explore_with(2, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        world.flag.set(1);
        let handle = spawn_blocking(&stage.owner.node, &world, stage.kept);
        let pool = Arc::clone(&stage.tree.pool);
        let server = thread::spawn(move || pool.serve());
        let pool = Arc::clone(&stage.tree.pool);
        let canceller = thread::spawn(move || {
            handle.cancel();
            drop(handle);
            pool.run_all();
        });
        stage.end([server, canceller]);
        assert_eq!(world.futures.get(), 1);
        assert!(world.outputs.get() <= 1);
        drop(world.waker.lock().take());
    });
}

/// An awaiter waits for the output while the child completes elsewhere; it is taken once, and the
/// group joins.
#[test]
fn model_await() {
    explore_with(2, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        world.flag.set(1);
        let mut handle = stage.spawn(&world);
        let pool = Arc::clone(&stage.tree.pool);
        let runner = thread::spawn(move || pool.run_all());
        let waiting = Sleeper::new();
        let awaiting = Arc::clone(&waiting);
        let taken = Arc::new(Racy::default());
        let theirs = Arc::clone(&taken);
        let joiner = thread::spawn(move || {
            let waker = Waker::from(Arc::clone(&awaiting));
            let mut cx = Context::from_waker(&waker);
            loop {
                match handle.poll(&mut cx) {
                    Poll::Ready(output) => return theirs.set(output.is_some().into()),
                    Poll::Pending => awaiting.park(),
                }
            }
        });
        stage.end([runner, joiner]);
        assert_eq!(taken.get(), 1, "the output is lost");
        assert_eq!(world.futures.get(), 1);
        assert_eq!(world.outputs.get(), 1);
        drop(waiting);
        drop(world.waker.lock().take());
    });
}

/// Two wakers outlive the task: they are woken, cloned and dropped while it completes and is freed.
#[test]
fn model_late_wakers() {
    explore_with(2, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        drop(stage.spawn(&world));
        stage.tree.pool.run_all();
        let waker = world.waker.lock().take().expect("it waits");
        let wakers = [waker.clone(), waker];
        world.flag.set(1);
        let threads = wakers.map(|waker| {
            let pool = Arc::clone(&stage.tree.pool);
            thread::spawn(move || {
                let again = waker.clone();
                waker.wake();
                pool.run_all();
                again.wake();
            })
        });
        stage.end(threads);
        assert_eq!(world.futures.get(), 1);
        assert_eq!(world.outputs.get(), 1);
        // The last poll registered again.
        drop(world.waker.lock().take());
    });
}

/// Two members that wait: a reaper marks and cuts them while one is woken and completes, and leaves
/// the list.
#[test]
fn model_members_against_the_reaper() {
    explore_with(2, || {
        let stage = Stage::new();
        let worlds = [Arc::new(World::default()), Arc::new(World::default())];
        for world in &worlds {
            drop(stage.spawn(world));
        }
        stage.tree.pool.run_all();
        let pool = Arc::clone(&stage.tree.pool);
        let node = stage.owner.node.clone();
        let canceller = thread::spawn(move || {
            cascade::cancel(&node, 0);
            drop(node);
            pool.run_all();
        });
        let (pool, theirs) = (Arc::clone(&stage.tree.pool), Arc::clone(&worlds[0]));
        let waker = thread::spawn(move || {
            theirs.wake();
            pool.run_all();
        });
        stage.end([canceller, waker]);
        for world in &worlds {
            assert_eq!(world.futures.get(), 1);
            drop(world.waker.lock().take());
        }
    });
}

/// What is in a task behind its output is dropped with it.
#[test]
fn model_a_task_drops_each_of_its_fields() {
    #[derive(Default)]
    struct Behind;

    impl Drop for Behind {
        fn drop(&mut self) {
            DROPS.set(DROPS.get() + 1);
        }
    }

    type Whole = TaskCell<Ready<()>, Plain, Behind>;

    thread_local!(static DROPS: Cell<u32> = const { Cell::new(0) });
    static TABLE: TaskTable = Whole::table(task::run::JOB);

    explore_with(2, || {
        let stage = Stage::new();
        let before = DROPS.get();
        let birth = Birth {
            location: Location::caller(),
            extension: None,
        };
        let node = &stage.owner.node;
        // SAFETY: the table is that of these types.
        let task = unsafe { Whole::allocate(&TABLE, node, State::stillborn(), None, birth) };
        // SAFETY: (1): a task born cancelled has one reference, for its handle. (2): of this type.
        drop(unsafe { OutputRef::<()>::new(task) });
        assert_eq!(DROPS.get() - before, 1);
        stage.end([]);
    });
}

/// A child that is spawned while its group is cancelled is dropped, by whichever of both sees the
/// other.
#[test]
fn model_spawn_against_cancel() {
    explore_with(2, || {
        let stage = Stage::new();
        let worlds = [Arc::new(World::default()), Arc::new(World::default())];
        let pool = Arc::clone(&stage.tree.pool);
        let node = stage.owner.node.clone();
        let canceller = thread::spawn(move || {
            cascade::cancel(&node, 0);
            drop(node);
            pool.run_all();
        });
        let pool = Arc::clone(&stage.tree.pool);
        let (node, theirs, kept) = (stage.owner.node.clone(), Arc::clone(&worlds[0]), stage.kept);
        assert!(node.enter());
        let spawner = thread::spawn(move || {
            drop(spawn(&node, &theirs, kept));
            let counted = node.as_ptr();
            drop(node);
            pool.run_all();
            // SAFETY: (1): the count that was taken above is given up: a sibling that spawns keeps
            // its group open meanwhile. (2): the node is not used afterwards.
            unsafe { tree::leave::leave(counted) };
        });
        drop(stage.spawn(&worlds[1]));
        stage.end([canceller, spawner]);
        for world in &worlds {
            assert_eq!(world.futures.get(), 1);
            assert_eq!(world.outputs.get(), 0);
            drop(world.waker.lock().take());
        }
    });
}

/// An owner goes away while its last children leave: its defers run once, after them, before the
/// group ends.
#[test]
fn model_defers_of_an_orphan() {
    explore_with(2, || {
        let Stage {
            tree,
            owner,
            kept,
            drops,
            sleeper: _,
        } = Stage::new();
        let worlds = [Arc::new(World::default()), Arc::new(World::default())];
        let deferred = Arc::new(Racy::default());
        let (theirs, children) = (Arc::clone(&deferred), worlds.clone());
        register(
            &owner.node,
            Defer(move || {
                read(kept);
                for child in &children {
                    assert_eq!(child.futures.get(), 1, "a defer runs after the children");
                }
                theirs.set(theirs.get() + 1);
            }),
        );
        for world in &worlds {
            world.flag.set(1);
            drop(spawn(&owner.node, world, kept));
        }
        let runner = Arc::clone(&tree.pool);
        let runner = thread::spawn(move || runner.run_all());
        owner.abandon(|| {}, || {});
        tree.pool.run_all();
        runner.join().unwrap();
        tree.pool.run_all();
        assert_eq!(deferred.get(), 1);
        assert_eq!(drops.get(), 1);
        assert!(tree.root.is_empty());
        for world in &worlds {
            drop(world.waker.lock().take());
        }
    });
}

/// An owner joins: its defers run once, newest first, after the children and before it is ready.
#[test]
fn model_defers_of_a_joined_group() {
    explore_with(2, || {
        let stage = Stage::new();
        let world = Arc::new(World::default());
        world.flag.set(1);
        let deferred = Arc::new(Racy::default());
        for expected in [1, 0] {
            let (deferred, child, kept) = (Arc::clone(&deferred), Arc::clone(&world), stage.kept);
            let defer = Defer(move || {
                read(kept);
                assert_eq!(child.futures.get(), 1, "a defer runs after the children");
                assert_eq!(deferred.get(), expected, "newest first");
                deferred.set(expected + 1);
            });
            register(&stage.owner.node, defer);
        }
        drop(stage.spawn(&world));
        let pool = Arc::clone(&stage.tree.pool);
        let runner = thread::spawn(move || pool.run_all());
        let Stage {
            tree,
            owner,
            sleeper,
            drops,
            kept: _,
        } = stage;
        let waker = Waker::from(Arc::clone(&sleeper));
        while owner.poll_end(&waker).is_pending() {
            // The owner runs the jobs that it queued, and those that were woken for it.
            tree.pool.run_all();
            sleeper.park();
        }
        assert_eq!(deferred.get(), 2, "ready before the defers");
        assert_eq!(drops.get(), 1);
        drop(owner);
        runner.join().unwrap();
        assert!(tree.root.is_empty());
        drop(world.waker.lock().take());
    });
}

/// A handle admits a child while the defers of its group begin: the child is over before the first
/// of them, or refused.
#[test]
fn model_a_handle_against_the_defers() {
    explore_with(2, || {
        let Stage {
            tree,
            owner,
            sleeper,
            drops,
            kept,
        } = Stage::new();
        let gate = gate_of(&owner);
        let work = Arc::new(Racy::default());
        let seen = Arc::new(Racy::default());
        let (theirs, noted) = (Arc::clone(&work), Arc::clone(&seen));
        register(
            &owner.node,
            Defer(move || {
                read(kept);
                noted.set(1 + theirs.get());
            }),
        );
        let (handle, child) = (Arc::clone(&gate), Arc::clone(&work));
        let pool = Arc::clone(&tree.pool);
        let stranger = thread::spawn(move || {
            let counted = handle.admit();
            let admitted = counted.is_some();
            if let Some(counted) = counted {
                read(kept);
                child.set(1);
                drop(counted);
            }
            // To leave may have woken the closer, also after a refusal.
            pool.run_all();
            admitted
        });
        let waker = Waker::from(Arc::clone(&sleeper));
        while owner.poll_end(&waker).is_pending() {
            tree.pool.run_all();
            sleeper.park();
        }
        assert_eq!(drops.get(), 1);
        drop(owner);
        let admitted = stranger.join().unwrap();
        assert_eq!(
            seen.get(),
            1 + u32::from(admitted),
            "the defer comes after the work"
        );
        assert!(gate.admit().is_none());
        assert!(tree.root.is_empty());
    });
}

fn register(node: &Node, defer: impl Future<Output = ()> + Send + 'static) {
    node.slow.lock().ending.defer(&node.word, Box::pin(defer));
}

/// A defer that is done at its first poll.
struct Defer<F>(F);

// SAFETY: it may be sent: the model checker watches the objects that it touches.
unsafe impl<F> Send for Defer<F> {}

impl<F: Fn() + Unpin> Future for Defer<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        (self.0)();
        Poll::Ready(())
    }
}

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures_below(&["src/group/word.rs", "src/task/state.rs"]);
}
