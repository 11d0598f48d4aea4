//! Blocked tasks that wait for each other in a circle: none of them goes on by itself.
//!
//! A task that blocks its thread for a child that it awaits is known here while it sleeps; and so
//! are the tasks below it on the same stack, each of which goes on only when the one above has
//! returned. Whichever wait closes a circle finds it, and the circle is reported, once.
//!
//! Only waits for one child, and for nothing else of ours, are known: what waits for a timer as
//! well, say, may go on. Of a future that awaits one of several children the last one counts, and
//! wakers of other libraries are not seen: so a circle through a future that any of several things
//! may wake is reported though it may end.
//!
//! The table is that of the process, as a circle may go through several runtimes.

use crate::poll::frame::{self, AwaitedTask, TaskView};
use crate::poll::running::Seen;
use crate::report::failure::{Straggler, TaskId};
use crate::sync::Mutex;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ptr;

/// Circles that were reported are remembered up to this number.
const REMEMBERED: usize = 64;

/// A task that waits, as far as a report names it.
#[derive(Clone)]
struct Waiter {
    straggler: Straggler,
    /// The address of its group, which is compared, and not followed.
    group: usize,
    awaits: TaskId,
}

impl Waiter {
    fn of(task: &TaskView<'_>, awaits: TaskId) -> Self {
        Self {
            straggler: Straggler {
                task: task.id,
                name: task.name.map(ToString::to_string),
                location: task.location,
                age: task.task.age(),
                group: String::new(),
            },
            group: ptr::from_ref(task.task.group()).addr(),
            awaits,
        }
    }

    fn into_seen(self) -> Seen {
        Seen {
            straggler: self.straggler,
            group: self.group,
            computes: false,
        }
    }
}

struct Table {
    waiters: BTreeMap<TaskId, Waiter>,
    /// The first task of each circle that was reported.
    reported: BTreeSet<TaskId>,
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    waiters: BTreeMap::new(),
    reported: BTreeSet::new(),
});

impl Table {
    /// The circle in which this task is, if it is in one: itself, the task that it awaits, and so
    /// on.
    fn circle(&self, task: TaskId) -> Option<Vec<TaskId>> {
        let mut circle = Vec::new();
        let mut at = task;
        // It may lead into a circle of others.
        while circle.len() <= self.waiters.len() {
            circle.push(at);
            at = self.waiters.get(&at)?.awaits;
            if at == task {
                return Some(circle);
            }
        }
        None
    }

    fn seen(&self, circle: &[TaskId]) -> Vec<Seen> {
        let waiters = circle.iter().filter_map(|task| self.waiters.get(task));
        waiters.cloned().map(Waiter::into_seen).collect()
    }
}

/// The tasks of this thread are known to wait while this lives.
#[derive(Default)]
pub(super) struct Known(Vec<TaskId>);

impl Drop for Known {
    fn drop(&mut self) {
        if self.0.is_empty() {
            return;
        }
        let mut table = TABLE.lock();
        for task in &self.0 {
            table.waiters.remove(task);
        }
        if table.waiters.is_empty() {
            table.reported.clear();
        }
    }
}

/// The thread is about to sleep until this task has ended. A circle that this closes, and that was
/// not reported before, is handed to `report`.
pub(super) fn enter(awaited: Option<AwaitedTask>, report: impl FnOnce(Vec<Seen>)) -> Known {
    let Some(awaited) = awaited else {
        return Known::default();
    };
    let mut waiters: Vec<Waiter> = Vec::new();
    frame::each_task(|task| {
        let above = waiters.last().map(|waiter| waiter.straggler.task);
        if above != Some(task.id) {
            waiters.push(Waiter::of(task, above.unwrap_or(awaited.id)));
        }
    });
    let Some(innermost) = waiters.first().map(|waiter| waiter.straggler.task) else {
        return Known::default();
    };
    let mut known = Known::default();
    let mut table = TABLE.lock();
    // Parts of a task may wait on several threads: one of them stands for it.
    if table.waiters.contains_key(&innermost) {
        return known;
    }
    for waiter in waiters {
        let task = waiter.straggler.task;
        if let Entry::Vacant(place) = table.waiters.entry(task) {
            place.insert(waiter);
            known.0.push(task);
        }
    }
    let closed = table.circle(innermost);
    let new = closed.filter(|circle| {
        let first = circle.iter().min().copied().unwrap_or(innermost);
        if table.reported.contains(&first) {
            return false;
        }
        if table.reported.len() == REMEMBERED {
            table.reported.clear();
        }
        table.reported.insert(first)
    });
    let seen = new.map(|circle| table.seen(&circle));
    drop(table);
    if let Some(seen) = seen {
        report(seen);
    }
    known
}

/// Whether a task waits, as far as is known here.
pub(super) fn waits(task: TaskId) -> bool {
    TABLE.lock().waiters.contains_key(&task)
}

/// All circles of the process, as of this moment.
pub(super) fn all() -> Vec<Vec<Seen>> {
    let table = TABLE.lock();
    let mut shown = BTreeSet::new();
    let mut circles = Vec::new();
    for &task in table.waiters.keys() {
        if shown.contains(&task) {
            continue;
        }
        if let Some(circle) = table.circle(task) {
            shown.extend(circle.iter().copied());
            circles.push(table.seen(&circle));
        }
    }
    circles
}
