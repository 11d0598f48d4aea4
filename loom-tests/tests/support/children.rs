//! The common part of models of tasks: a child that waits for a flag, and a group with a kept value
//! around it.

#![allow(dead_code, reason = "each model needs a part of it")]

use crate::group::node::{Node, NodeTable};
use crate::report::reason::Origin;
use crate::support::{self, Kept, Owner, Sleeper, Tree, join, keep, read};
use crate::sync::cell::{Cell, Racy};
use crate::sync::{Arc, Mutex, thread};
use crate::task::cell::{Birth, Kind};
use crate::task::closer::Closer;
use crate::task::handle::TaskHandle;
use crate::task::header;
use crate::tree::typed_node::Typed;
use crate::unwind::Payload;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

/// Groups with tasks as members.
pub static TABLE: NodeTable = NodeTable {
    reaper: &crate::tree::reaper::TABLE,
    free: Typed::<u32>::free,
    report_errors: Typed::<u32>::report,
    start_closer: Typed::<u32>::start_closer::<Closer>,
    mark_member: header::mark_member,
    describe_member: header::describe_member,
    keep_member: header::keep_member,
    release_member: header::release_member,
};

pub fn open(parent: &Node) -> Owner {
    support::open(parent, &TABLE)
}

/// Children whose output is not looked at.
pub struct Plain;

impl<T> Kind<T> for Plain {
    type Error = u32;
    type Value = T;

    fn finish(output: T, _: &Typed<u32>, _: Origin) -> Option<T> {
        Some(output)
    }

    fn panicked(_: Payload, _: &Typed<u32>, _: Origin) -> Option<T> {
        unreachable!("no child panics")
    }

    fn unclaimed(value: T, _: &Typed<u32>, _: Origin) {
        drop(value);
    }
}

/// The flag for which a child waits, and the traces that it leaves.
#[derive(Default)]
pub struct World {
    pub flag: Racy,
    pub waker: Mutex<Option<Waker>>,
    /// Futures and outputs that were dropped.
    pub futures: Arc<Racy>,
    pub outputs: Arc<Racy>,
}

impl World {
    /// Lets the child go on; whether it had left a waker.
    pub fn wake(&self) -> bool {
        self.flag.set(1);
        let waker = self.waker.lock().take();
        let some = waker.is_some();
        if let Some(waker) = waker {
            waker.wake();
        }
        some
    }
}

/// A future that waits for the flag; two polls at once, or one after the end, fail the model.
pub struct Child {
    world: Arc<World>,
    polls: Cell<u32>,
    kept: NonNull<Kept>,
}

impl Future for Child {
    type Output = Kept;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Kept> {
        self.polls.set(self.polls.get() + 1);
        read(self.kept);
        let old = self.world.waker.lock().replace(cx.waker().clone());
        drop(old);
        if self.world.flag.get() == 1 {
            Poll::Ready(Kept::new(&self.world.outputs))
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.polls.set(0);
        read(self.kept);
        self.world.futures.set(self.world.futures.get() + 1);
    }
}

/// A group with a kept value, and its children.
pub struct Stage {
    pub tree: Tree,
    pub owner: Owner,
    pub kept: NonNull<Kept>,
    pub drops: Arc<Racy>,
    pub sleeper: Arc<Sleeper>,
}

impl Stage {
    pub fn new() -> Self {
        let tree = Tree::new();
        let drops = Arc::new(Racy::default());
        let owner = open(&tree.root);
        Self {
            kept: keep(&owner.node, &drops),
            owner,
            tree,
            drops,
            sleeper: Sleeper::new(),
        }
    }

    pub fn spawn(&self, world: &Arc<World>) -> TaskHandle<Kept> {
        spawn(&self.owner.node, world, self.kept)
    }

    /// Runs the queued jobs, joins, and checks that the group ended once. Objects that the threads
    /// share are dropped after them.
    pub fn end(self, threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
        self.tree.pool.run_all();
        join(self.owner, &self.sleeper);
        assert_eq!(self.drops.get(), 1);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(self.tree.root.is_empty());
    }
}

fn child(world: &Arc<World>, kept: NonNull<Kept>) -> (Child, Birth) {
    let child = Child {
        world: Arc::clone(world),
        polls: Cell::new(0),
        kept,
    };
    let birth = Birth {
        location: Location::caller(),
        extension: None,
    };
    (child, birth)
}

pub fn spawn(node: &Node, world: &Arc<World>, kept: NonNull<Kept>) -> TaskHandle<Kept> {
    let (child, birth) = child(world, kept);
    // SAFETY: (1): the node is alive, and of the one error type. (2): the child owns its values,
    // and points to one that its group keeps.
    unsafe { crate::task::spawn::spawn::<_, Plain>(node, child, birth) }
}

/// A child that waits in the queue for a thread of its own.
pub fn spawn_blocking(node: &Node, world: &Arc<World>, kept: NonNull<Kept>) -> TaskHandle<Kept> {
    let (child, birth) = child(world, kept);
    // SAFETY: (1): the node is alive, and of the one error type. (2): the child owns its values,
    // and points to one that its group keeps.
    unsafe { crate::task::spawn::spawn_blocking::<_, Plain>(node, child, birth) }
}
