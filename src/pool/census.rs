//! Tasks of `tokio::spawn` as children of the groups that spawned them, where tokio has the hooks
//! for that: in a build with `--cfg tokio_unstable`. `no_census` stands for it in any other.
//!
//! # Protocol
//!
//! 1. tokio calls [`Census::begins`] on the thread of the spawner, before any other thread can run
//!    the task. The group is that of the innermost poll of ours on this thread; or else that of the
//!    task of tokio's which is polled here, if that counts itself: whoever drives tokio does so
//!    with no frame. It gets one more child.
//! 2. tokio calls [`Census::ends`] once for each task, when its future has been dropped. The count
//!    is given back.
//! 3. A shutdown lets go (`pool::shutdown`): all counts are given back, and none is taken from then
//!    on. tokio ends afterwards, with the tasks.
//!
//! # Why that is sound
//!
//! Such a task has no cell, no link in its group and no waker of ours: it is one [`Counted`], as an
//! entry at a gate is, or a group inside. That is taken where the group is open, because a frame in
//! it is on this stack, or because the task that spawns is counted in it and cannot end meanwhile;
//! where it is not, `count_in` refuses. It keeps the word open and so the node alive, in whichever
//! thread it is; any thread may give it back. Nothing is borrowed: tokio wants `'static`.
//!
//! # Why no group waits for ever
//!
//! A count is in the table, and leaves it by 2 or 3. After tokio has closed its list it ends a new
//! task first and calls step 1 then, so that step 2 has come before it: but no count is taken any
//! more, because 3 comes before that list is closed. Whether counts are taken is asked under the
//! lock under which they are put into the table. A panic of a task is no way around step 2.
//!
//! A group of another runtime does not count: what lets go here knows nothing of its end there.
//!
//! # Where no group waits
//!
//! A runtime may be told that its groups wait for none of them. Then an entry has no count: it has
//! its group, by a reference to the memory of that, until the group or the task ends. A group that
//! ends takes its entries out, and they are reported.
//!
//! # Locks
//!
//! No count is taken or given back under the lock: both may call wakers.

use crate::driver::beside::Builder;
use crate::group::node::{Node, NodeRef};
use crate::group::pool::{Grouped, Pool};
use crate::poll::frame::{self, Frame};
use crate::pool::told::told;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, OnceLock};
use crate::tree::leave::Counted;
use crate::tree::paths;
use std::any::Any;
use std::collections::HashMap;
use std::mem;
use std::panic::Location;
use std::time::Duration;
use tokio::task::{Id, try_id};

/// So long a task may take to notice that its group has ended, and to end, before it is reported.
const NOTICES: Duration = Duration::from_millis(100);

/// The tasks of `tokio::spawn` of a runtime.
pub(crate) struct Census {
    state: Mutex<State>,
    /// Groups wait.
    waits: bool,
    /// Entries that have their group, which has not ended, and no count in it.
    known: AtomicUsize,
    /// Where the pool of the runtime is: to be compared.
    pool: OnceLock<usize>,
}

struct State {
    tasks: HashMap<Id, Escapee>,
    /// Counts are taken.
    counts: bool,
    /// tokio has ended.
    ended: bool,
    /// Where those were spawned that ended with it.
    left: Vec<&'static Location<'static>>,
}

/// A task of `tokio::spawn` that is alive.
struct Escapee {
    place: &'static Location<'static>,
    /// The group that spawned it.
    spawner: Option<Spawner>,
}

/// The group that spawned a task of tokio's.
enum Spawner {
    /// It waits.
    Waits(Counted),
    /// It does not, and has not ended.
    Knows(NodeRef),
    /// It has ended.
    Left(Arc<Left>),
}

impl Spawner {
    /// The group, if it has not ended.
    fn group(&self) -> Option<&Node> {
        match self {
            Self::Waits(count) => Some(count),
            Self::Knows(group) => Some(group),
            Self::Left(_) => None,
        }
    }
}

/// A group that has ended, for those that it has left.
struct Left {
    group: NodeRef,
    /// Has them reported; it ends with the last of them.
    timer: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Census {
    /// `waits`: groups wait.
    pub(crate) fn new(waits: bool) -> Arc<Self> {
        Arc::new(Self {
            waits,
            known: AtomicUsize::new(0),
            state: Mutex::new(State {
                tasks: HashMap::new(),
                counts: true,
                ended: false,
                left: Vec::new(),
            }),
            pool: OnceLock::new(),
        })
    }

    /// Has tokio call this census.
    pub(crate) fn install(self: &Arc<Self>, builder: &mut Builder) {
        let (begins, ends) = (Arc::clone(self), Arc::clone(self));
        builder.on_task_spawn(move |task| begins.begins(task.id(), task.spawned_at()));
        builder.on_task_terminate(move |task| ends.ends(task.id()));
    }

    /// Groups of the pool at this address count.
    pub(crate) fn belongs_to(&self, pool: usize) {
        self.pool.get_or_init(|| pool);
    }

    fn begins(&self, id: Id, place: &'static Location<'static>) {
        match self.waits {
            true => self.begins_counted(id, place),
            false => self.begins_known(id, place),
        }
    }

    fn begins_counted(&self, id: Id, place: &'static Location<'static>) {
        let group = self.group_polled_here(|group| group.to_ref());
        let group = group.or_else(|| self.state.lock().group_of_spawner());
        let count = group.and_then(|group| group.count_in());
        let mut state = self.state.lock();
        // What came too late is dropped after the lock.
        let (count, late) = match state.counts {
            true => (count, None),
            false => (None, count),
        };
        if !state.ended {
            let spawner = count.map(Spawner::Waits);
            state.tasks.insert(id, Escapee { place, spawner });
        }
        drop(state);
        drop(late);
    }

    fn begins_known(&self, id: Id, place: &'static Location<'static>) {
        // Of services it is their group that says so.
        let polled = self.group_polled_here(|group| group.receiver().to_ref());
        let mut state = self.state.lock();
        // The group of the spawner has not ended if the spawner has it, under this lock.
        let group = polled.or_else(|| state.group_of_spawner());
        if !state.ended {
            if group.is_some() {
                // Relaxed: as in `leave`, here and at each other place.
                self.known.fetch_add(1, Ordering::Relaxed);
            }
            let spawner = group.map(Spawner::Knows);
            state.tasks.insert(id, Escapee { place, spawner });
        }
    }

    fn ends(&self, id: Id) {
        // Not under the lock, which is given back in this statement. A closure of `spawn_blocking`
        // is not in the table.
        let ended = self.state.lock().tasks.remove(&id);
        let ended = ended.and_then(|task| task.spawner);
        if let Some(Spawner::Knows(_)) = ended {
            // Relaxed: as in `leave`.
            self.known.fetch_sub(1, Ordering::Relaxed);
        }
        drop(ended);
    }

    /// Calls `f` with the group of the innermost poll of ours on this thread, if that is of this
    /// runtime.
    fn group_polled_here(&self, f: impl FnOnce(&Node) -> NodeRef) -> Option<NodeRef> {
        let own = |frame: &Frame<'_>| frame.own_group().filter(|group| self.has(group)).map(f);
        frame::current(|frame| frame.and_then(own))
    }

    /// A group ends: what is alive of what was spawned in it is in no group from now on.
    #[inline]
    pub(crate) fn leave(self: &Arc<Self>, pool: &dyn Pool, group: &dyn Grouped) {
        // Relaxed: what was spawned in a poll of the group was entered before the end of that poll,
        // which the end of the group comes after. An entry of such a task's may be made meanwhile.
        if self.known.load(Ordering::Relaxed) > 0 {
            self.leave_known(pool, group.address());
        }
    }

    #[cold]
    fn leave_known(self: &Arc<Self>, pool: &dyn Pool, address: usize) {
        let Some(left) = self.mark_left(address) else {
            return;
        };
        let (census, theirs) = (Arc::downgrade(self), Arc::downgrade(&left));
        let tell = move |pool: &dyn Pool| {
            if let (Some(census), Some(left)) = (census.upgrade(), theirs.upgrade()) {
                census.tell_left(&left, pool);
            }
        };
        let timer = pool.call_at(pool.now() + NOTICES, Box::new(tell));
        *left.timer.lock() = Some(timer);
    }

    /// Marks the entries that have this group, which ends; `None`: there are none.
    fn mark_left(&self, address: usize) -> Option<Arc<Left>> {
        let mut left = None;
        let mut groups = Vec::new();
        let mut state = self.state.lock();
        for task in state.tasks.values_mut() {
            let own = |spawner: &mut Spawner| match spawner {
                Spawner::Knows(group) => group.address() == address,
                _ => false,
            };
            if let Some(Spawner::Knows(group)) = task.spawner.take_if(own) {
                let left = left.get_or_insert_with(|| {
                    let (group, timer) = (group.to_ref(), Mutex::new(None));
                    Arc::new(Left { group, timer })
                });
                task.spawner = Some(Spawner::Left(Arc::clone(left)));
                groups.push(group);
            }
        }
        drop(state);
        // Relaxed: as in `leave`.
        self.known.fetch_sub(groups.len(), Ordering::Relaxed);
        left
    }

    /// Has the hook told of those that a group has left and that are alive.
    fn tell_left(&self, left: &Arc<Left>, pool: &dyn Pool) {
        let own = |task: &&Escapee| match &task.spawner {
            Some(Spawner::Left(theirs)) => Arc::ptr_eq(theirs, left),
            _ => false,
        };
        let state = self.state.lock();
        let tasks = state.tasks.values().filter(own);
        let places: Vec<_> = tasks.map(|task| task.place).collect();
        drop(state);
        if let Some(first) = places.iter().min().copied() {
            let (count, group) = (places.len(), paths::path(&left.group));
            let what = "alive after the end of the group";
            pool.unobserved(told(count, what, places, first, group));
        }
    }

    /// Whether it is a group of this runtime: the root is none.
    fn has(&self, node: &Node) -> bool {
        node.parent_ptr().is_some() && self.pool.get() == Some(&node.pool_ptr().addr().get())
    }

    /// Groups wait for no task of tokio's from now on; whether one did.
    pub(crate) fn let_go(&self) -> bool {
        let mut state = self.state.lock();
        state.counts = false;
        let counted = |spawner: &mut Spawner| matches!(spawner, Spawner::Waits(_));
        let tasks = state.tasks.values_mut();
        let counts = tasks.filter_map(|task| task.spawner.take_if(counted));
        let counts: Vec<_> = counts.collect();
        drop(state);
        !counts.is_empty()
    }

    /// tokio is about to drop the tasks that are left; how many these are, where that is known.
    /// tokio calls step 2 before it takes a task off its own list, and so may count one that has
    /// ended.
    pub(crate) fn note_left(&self) -> Option<usize> {
        let mut state = self.state.lock();
        state.left = state.tasks.values().map(|task| task.place).collect();
        Some(state.left.len())
    }

    /// tokio has ended. Where the tasks were spawned that it had left.
    pub(crate) fn end(&self) -> Vec<&'static Location<'static>> {
        let mut state = self.state.lock();
        state.ended = true;
        let tasks = mem::take(&mut state.tasks);
        let left = mem::take(&mut state.left);
        drop(state);
        drop(tasks);
        left
    }

    /// Calls `f` with the address of the group in which it counts, and with the place, of each task
    /// that is alive.
    pub(crate) fn each(&self, mut f: impl FnMut(Option<usize>, &'static Location<'static>)) {
        for task in self.state.lock().tasks.values() {
            let group = task.spawner.as_ref().and_then(Spawner::group);
            f(group.map(Node::address), task.place);
        }
    }
}

impl State {
    /// The group of the task of tokio's that is polled here, if that has one.
    fn group_of_spawner(&self) -> Option<NodeRef> {
        let spawner = self.tasks.get(&try_id()?)?.spawner.as_ref()?;
        Some(spawner.group()?.to_ref())
    }
}
