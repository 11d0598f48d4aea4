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
//! # Locks
//!
//! No count is taken or given back under the lock: both may call wakers.

use crate::driver::beside::Builder;
use crate::group::node::{Node, NodeRef};
use crate::poll::frame::{self, Frame};
use crate::sync::{Arc, Mutex, OnceLock};
use crate::tree::leave::Counted;
use std::collections::HashMap;
use std::mem;
use std::panic::Location;
use tokio::task::{Id, try_id};

/// The tasks of `tokio::spawn` of a runtime.
pub(crate) struct Census {
    state: Mutex<State>,
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
    /// Of the group that spawned it.
    count: Option<Counted>,
}

impl Census {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
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
        let count = self.group_here().and_then(|group| group.count_in());
        let mut state = self.state.lock();
        // What came too late is dropped after the lock.
        let (count, late) = match state.counts {
            true => (count, None),
            false => (None, count),
        };
        if !state.ended {
            state.tasks.insert(id, Escapee { place, count });
        }
        drop(state);
        drop(late);
    }

    fn ends(&self, id: Id) {
        // Not under the lock, which is given back in this statement. A closure of `spawn_blocking`
        // is not in the table.
        let ended = self.state.lock().tasks.remove(&id);
        drop(ended);
    }

    /// The group in which a task counts that is spawned here.
    fn group_here(&self) -> Option<NodeRef> {
        let own = |frame: &Frame<'_>| {
            let group = frame.own_group().filter(|group| self.has(group))?;
            Some(group.to_ref())
        };
        frame::current(|frame| frame.and_then(own)).or_else(|| {
            let state = self.state.lock();
            let spawner = state.tasks.get(&try_id()?)?;
            Some(spawner.count.as_ref()?.to_ref())
        })
    }

    /// Whether it is a group of this runtime: the root is none.
    fn has(&self, node: &Node) -> bool {
        node.parent_ptr().is_some() && self.pool.get() == Some(&node.pool_ptr().addr().get())
    }

    /// Groups wait for no task of tokio's from now on; whether one did.
    pub(crate) fn let_go(&self) -> bool {
        let mut state = self.state.lock();
        state.counts = false;
        let tasks = state.tasks.values_mut();
        let counts: Vec<_> = tasks.filter_map(|task| task.count.take()).collect();
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
            let group = task.count.as_ref().map(|group| group.whole.addr().get());
            f(group, task.place);
        }
    }
}
