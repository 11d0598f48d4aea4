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

/// Where the tasks are in the dump that wait, by the data of their wakers.
struct Waiting(HashMap<usize, (usize, usize)>);

impl Waiting {
    fn of(groups: &[GroupDump]) -> Self {
        // At once: it is the larger part of what a dump of many tasks costs.
        let most = groups.iter().map(|group| group.tasks.len()).sum();
        let mut waiting = HashMap::with_capacity(most);
        for (at, group) in groups.iter().enumerate() {
            for (place, task) in group.tasks.iter().enumerate() {
                if task.state == TaskState::Waiting {
                    waiting.insert(task.address, (at, place));
                }
            }
        }
        Self(waiting)
    }

    /// The task of this waker waits for this.
    fn note(&self, groups: &mut [GroupDump], waker: usize, waits_for: WaitsFor) {
        if let Some((at, place)) = self.0.get(&waker) {
            let known = &mut groups[*at].tasks[*place].waits_for;
            // As a rule it is the only one.
            known.reserve_exact(1);
            known.push(waits_for);
        }
    }

    /// What is in the tree itself: children, and joins of groups.
    fn note_tree(&self, groups: &mut [GroupDump]) {
        for at in 0..groups.len() {
            for waker in std::mem::take(&mut groups[at].awaited_by) {
                let label = groups[at].label();
                self.note(groups, waker, WaitsFor::Children(label));
            }
            for (limit, line) in std::mem::take(&mut groups[at].lines) {
                for waker in line {
                    let group = groups[at].label();
                    self.note(groups, waker, WaitsFor::Place { group, limit });
                }
            }
            for place in 0..groups[at].tasks.len() {
                let task = &groups[at].tasks[place];
                if let (Some(waker), id) = (task.awaited_by, task.id) {
                    self.note(groups, waker, WaitsFor::Child(id));
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
    let waiting = Waiting::of(&groups);
    waiting.note_tree(&mut groups);
    shared
        .driver
        .each_wait(|waits_for, waker| waiting.note(&mut groups, waker, waits_for));
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
