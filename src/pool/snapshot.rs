//! A dump of a runtime: its tree at about one moment, and what its tasks wait for.
//!
//! A task that waits has left a clone of its waker where it will be woken: at a timer, a source, a
//! child, a group, a line for a place among children. So nothing is noted when it begins to wait,
//! and it costs nothing: the dump goes to these places, and finds the task by the data of the
//! waker, which no reader follows. A place with another waker, of an executor inside the task, is
//! not found.

use crate::pool::shared::Shared;
use crate::report::dump::{Dump, GroupDump, TaskState};
use crate::report::waits_for::WaitsFor;
use crate::tree::{attach, survey};
use std::collections::HashMap;

/// What is waited for, by the data of the waker.
#[derive(Default)]
struct Waits(HashMap<usize, Vec<WaitsFor>>);

impl Waits {
    fn add(&mut self, waker: usize, waits_for: WaitsFor) {
        self.0.entry(waker).or_default().push(waits_for);
    }

    /// What is in the tree itself: children, and joins of groups.
    fn add_tree(&mut self, groups: &[GroupDump]) {
        for group in groups {
            for waker in &group.awaited_by {
                self.add(*waker, WaitsFor::Children(group.label()));
            }
            for (limit, line) in &group.lines {
                for waker in line {
                    let (group, limit) = (group.label(), *limit);
                    self.add(*waker, WaitsFor::Place { group, limit });
                }
            }
            for task in &group.tasks {
                if let Some(waker) = task.awaited_by {
                    self.add(waker, WaitsFor::Child(task.id));
                }
            }
        }
    }
}

/// [`Runtime::dump`](crate::Runtime::dump).
pub(crate) fn take(shared: &Shared) -> Dump {
    attach::attach_here();
    shared.driver.tick(); // for ages
    let groups = shared.open_root().map(|root| survey::groups(&root));
    let mut groups = groups.unwrap_or_default();
    shared.show_escapees(&mut groups);
    let mut waits = Waits::default();
    waits.add_tree(&groups);
    shared
        .driver
        .each_wait(|waits_for, waker| waits.add(waker.data().addr(), waits_for));
    let tasks = groups.iter_mut().flat_map(|group| &mut group.tasks);
    for task in tasks.filter(|task| task.state == TaskState::Waiting) {
        task.waits_for
            .extend(waits.0.remove(&task.address).unwrap_or_default());
    }
    shared.waited.note(&mut groups, shared.driver.passed());
    let first_polls = shared.all_running(|running| {
        let mut tasks = groups.iter().flat_map(|group| &group.tasks);
        tasks.all(|task| task.id != running)
    });
    Dump {
        groups,
        first_polls,
        stalled: shared.stalled(),
    }
}
