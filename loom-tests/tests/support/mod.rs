//! The common part of the models of groups: a pool that queues jobs for the model's threads, a tree
//! to open groups in, and a blocked owner. Protocols are those of the sources.

#![allow(dead_code, reason = "each model needs a part of it")]

use crate::group::name::{Counted, NamedEnd};
use crate::group::node::{Gate, Host, Node, NodeRef, NodeTable, Opening};
use crate::group::pool::{Grouped, Late, Pool};
use crate::job::{Job, Place, Ticket};
use crate::keyed_queue::KeyedQueue;
use crate::parker::Parker;
use crate::report::failure::Unobserved;
use crate::spans::GroupSpan;
use crate::sync::cell::{Balance, Cell, Racy};
use crate::sync::{Arc, Mutex};
use crate::tree::attach;
use crate::tree::typed_node::Typed;
use std::any::Any;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Wake, Waker};
use std::time::Instant;

/// Queues jobs; the model's threads run them.
#[derive(Default)]
pub struct TestPool {
    jobs: Mutex<Vec<Job>>,
    line: Mutex<KeyedQueue<Ticket>>,
    pub unobserved: Racy,
    tasks: Balance,
    groups: Balance,
}

impl TestPool {
    pub fn next(&self) -> Option<Job> {
        self.jobs.lock().pop()
    }

    /// Runs, as a thread for closures that block, the tasks that wait in the queue.
    pub fn serve(&self) {
        let line = self.line.lock().take();
        for job in line.into_values().filter_map(Ticket::redeem) {
            job.run();
        }
    }

    /// Runs jobs until there is none.
    pub fn run_all(&self) {
        while let Some(job) = self.next() {
            job.run();
        }
    }
}

// SAFETY: it may be shared: jobs may be run by any thread, and the model checker watches the rest.
unsafe impl Sync for TestPool {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for TestPool {}

impl Pool for TestPool {
    fn fork(&self, job: Job) {
        self.tasks.begin();
        self.jobs.lock().push(job);
    }

    fn fork_blocking(&self, ticket: Ticket) {
        let mut line = self.line.lock();
        if ticket.place().enter(line.next_key()) {
            line.push(ticket);
        }
    }

    fn leave_blocking(&self, place: &Place) {
        let mut line = self.line.lock();
        let ticket = place.leave().and_then(|key| line.remove(key));
        drop(line);
        drop(ticket);
    }

    fn wake(&self, job: Job) {
        self.jobs.lock().push(job);
    }

    fn task_begins(&self) {
        self.tasks.begin();
    }

    fn task_ends(&self) {
        self.tasks.end();
    }

    fn group_begins(&self, _: &dyn Grouped) {
        self.groups.begin();
    }

    fn group_ends(&self, _: &dyn Grouped) {
        self.groups.end();
    }

    fn named_opens(&self, _: &str) -> Option<Counted> {
        None
    }

    fn named_ends(&self, _: Counted, _: NamedEnd) {}

    fn unobserved(&self, _: Unobserved) {
        self.unobserved.set(self.unobserved.get() + 1);
    }

    fn count_cut(&self) {}

    fn is_shut_down(&self) -> bool {
        false
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn call_at(&self, _: Instant, _: Late) -> Box<dyn Any + Send> {
        Box::new(()) // no model waits for time
    }

    fn coarse_millis(&self) -> u32 {
        0
    }

    fn name(&self) -> &str {
        "model"
    }
}

/// A runtime as far as groups are concerned.
pub struct Tree {
    pub pool: Arc<TestPool>,
    pub root: NodeRef,
}

impl Tree {
    pub fn new() -> Self {
        let pool = Arc::new(TestPool::default());
        let dynamic: Arc<dyn Pool> = Arc::clone(&pool) as Arc<dyn Pool>;
        Self {
            root: NodeRef::root(dynamic),
            pool,
        }
    }
}

/// The owner of a group here: there is one error type.
pub type Owner = crate::tree::owner::Owner<u32>;

/// Groups without members and defers.
static BARE: NodeTable = NodeTable {
    reaper: &crate::tree::reaper::TABLE,
    free: Typed::<u32>::free,
    report_errors: Typed::<u32>::report,
    start_closer: |_| unreachable!("neither services nor defers"),
    mark_member: |_| unreachable!("no members"),
    describe_member: |_| unreachable!("no members"),
    keep_member: |_| unreachable!("no members"),
    release_member: |_| unreachable!("no members"),
};

/// Opens a group that will have neither members nor defers.
pub fn open_bare(parent: &Node) -> Owner {
    open(parent, &BARE)
}

/// As [`open_bare`], for a group that is attached late, as by the first poll of its future.
pub fn open_unattached(parent: &Node) -> Owner {
    attach::attach(parent);
    open_with(parent, &BARE, true)
}

/// Opens a group, attached at once.
pub fn open(parent: &Node, table: &'static NodeTable) -> Owner {
    open_with(parent, table, false)
}

fn open_with(parent: &Node, table: &'static NodeTable, unattached: bool) -> Owner {
    let opening = Opening {
        name: None,
        location: Location::caller(),
        shielded: false,
        unattached,
        span: GroupSpan::none(),
    };
    // SAFETY: (1): the tables of the models are those of `Typed<u32>`. (2): their members are
    // tasks, or there are none.
    Owner::new(unsafe { Typed::<u32>::open(table, parent.to_ref(), opening) })
}

/// A host at a place of its own, which ends with this value.
pub(crate) struct OwnHost(Pin<Box<Host>>);

impl OwnHost {
    pub fn new() -> Self {
        Self(Box::pin(Host::new()))
    }

    pub fn at(&self) -> Pin<&Host> {
        self.0.as_ref()
    }
}

impl Deref for OwnHost {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.0
    }
}

impl Drop for OwnHost {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// A gate that leads to a group, which is given it, and so shuts it at its end.
pub fn gate_of(owner: &Owner) -> Arc<Gate> {
    let gate = Arc::new(Gate::new(owner.node.to_ref()));
    owner.node.slow.lock().rare().gate = Some(Arc::clone(&gate));
    gate
}

/// A value that a group keeps: it says when it was dropped, and fails a model in which it is read
/// afterwards.
pub struct Kept {
    value: Cell<u32>,
    drops: Arc<Racy>,
}

impl Kept {
    pub fn new(drops: &Arc<Racy>) -> Self {
        Self {
            value: Cell::new(7),
            drops: Arc::clone(drops),
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
    }
}

/// Gives a value to a group's arena.
pub fn keep(node: &Node, drops: &Arc<Racy>) -> NonNull<Kept> {
    // SAFETY: it is `'static`.
    unsafe { node.slow.lock().arena.keep(Box::new(Kept::new(drops))) }
}

/// A child's work: it reads the value that its group keeps, and leaves.
pub fn finish(node: NonNull<Node>, kept: NonNull<Kept>) {
    read(kept);
    // SAFETY: (1): the caller has entered, and its count is given up. (2): nothing of the node is
    // touched afterwards.
    unsafe { crate::tree::leave::leave(node) };
}

pub fn read(kept: NonNull<Kept>) {
    // SAFETY: the arena owns it while children are counted, which the value itself checks.
    assert_eq!(unsafe { kept.as_ref() }.value.get(), 7);
}

/// The waker of a blocked owner. Models hold it to their end: the checker does not see the counts
/// of an `Arc`.
pub struct Sleeper(Parker);

impl Sleeper {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Parker::new()))
    }

    pub fn park(&self) {
        self.0.park();
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        let _ = self.0.unpark();
    }
}

/// Joins a group and ends it, as its future does.
pub fn join(owner: Owner, sleeper: &Arc<Sleeper>) {
    let waker = Waker::from(Arc::clone(sleeper));
    while owner.poll_end(&waker).is_pending() {
        sleeper.park();
    }
}

/// An owner that does not wait.
pub trait End {
    /// Ends the group, if no child is counted.
    fn ended(&mut self) -> bool;
}

impl End for Owner {
    fn ended(&mut self) -> bool {
        self.poll_end(Waker::noop()).is_ready()
    }
}
