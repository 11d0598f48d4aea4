//! For how long tasks wait, as far as dumps know.
//!
//! No task notes when it begins to wait: that would cost each poll a look at the clock. But it
//! counts its polls, so two dumps that find it waiting after as many polls saw the same wait, and
//! it has lasted since the first of them at least. So what is kept is what the last dump saw, 24
//! bytes for a task, and a program that makes no dumps keeps nothing.

use crate::report::dump::{GroupDump, TaskState};
use crate::report::failure::TaskId;
use crate::sync::Mutex;
use std::time::Duration;

/// A wait that a dump saw.
#[derive(Clone, Copy, Debug)]
struct Wait {
    task: TaskId,
    polls: u32,
    /// Milliseconds from the start of the runtime to the first dump that saw it.
    since: u64,
}

/// The waits that the last dump saw, in the order of their tasks.
#[derive(Debug, Default)]
pub(crate) struct Waited(Mutex<Vec<Wait>>);

impl Waited {
    /// Writes into a dump for how long its tasks have waited; `now` from the start of the runtime.
    pub(crate) fn note(&self, groups: &mut [GroupDump], now: Duration) {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        // Dumps at the same time see each other's waits. No user code runs here.
        let mut before = self.0.lock();
        let mut seen = Vec::with_capacity(before.len());
        let mut next = 0;
        let tasks = groups.iter_mut().flat_map(|group| &mut group.tasks);
        for task in tasks.filter(|task| task.state == TaskState::Waiting) {
            // As a rule it is the one after that before: tasks are shown in their order.
            if before.get(next).is_none_or(|wait| wait.task != task.id) {
                next = before.partition_point(|wait| wait.task < task.id);
            }
            let known = before.get(next).filter(|wait| wait.task == task.id);
            let known = known.filter(|wait| wait.polls == task.polls);
            let wait = known.copied().unwrap_or(Wait {
                task: task.id,
                polls: task.polls,
                since: now,
            });
            // A dump that began later may have come here first.
            task.has_waited = Duration::from_millis(now.saturating_sub(wait.since));
            next += 1;
            seen.push(wait);
        }
        seen.sort_unstable_by_key(|wait| wait.task);
        *before = seen;
    }
}

#[cfg(test)]
mod tests {
    use super::Waited;
    use crate::report::dump::{GroupDump, TaskDump, TaskState};
    use crate::report::failure::TaskId;
    use std::panic::Location;
    use std::time::Duration;

    /// A group with tasks of these numbers, polls and states.
    fn group(tasks: &[(u64, u32, TaskState)]) -> GroupDump {
        let location = Location::caller();
        let task = |&(id, polls, state)| TaskDump {
            id: TaskId(id),
            name: None,
            location,
            age: Duration::ZERO,
            polls,
            state,
            is_cancelled: false,
            waits_for: Vec::new(),
            has_waited: Duration::ZERO,
            address: 0,
            awaited_by: None,
        };
        GroupDump {
            depth: 0,
            name: None,
            location,
            is_stopping: false,
            is_cancelled: false,
            why: None,
            is_shielded: false,
            deadline: None,
            count: tasks.len(),
            tasks: tasks.iter().map(task).collect(),
            tokio_tasks: Vec::new(),
            address: 0,
            awaited_by: Vec::new(),
            lines: Vec::new(),
        }
    }

    #[test]
    fn a_wait_lasts_while_dumps_see_as_many_polls() {
        use TaskState::{Queued, Waiting};
        let waited = Waited::default();
        let seconds = |now, groups: &[&[(u64, u32, TaskState)]]| {
            let mut groups: Vec<_> = groups.iter().map(|tasks| group(tasks)).collect();
            waited.note(&mut groups, Duration::from_secs(now));
            let tasks = groups.iter().flat_map(|group| &group.tasks);
            tasks
                .map(|task| task.has_waited.as_secs())
                .collect::<Vec<_>>()
        };
        assert_eq!(seconds(10, &[&[(7, 1, Waiting), (3, 5, Waiting)]]), [0, 0]);
        // In another order, and one of them was polled.
        let now = seconds(
            12,
            &[&[(3, 6, Waiting)], &[(5, 1, Waiting), (7, 1, Waiting)]],
        );
        assert_eq!(now, [0, 0, 2]);
        // It was woken, and waits no more; the time of another one goes on.
        let now = seconds(15, &[&[(3, 6, Queued), (5, 1, Waiting), (7, 1, Waiting)]]);
        assert_eq!(now, [0, 3, 5]);
        // What a dump did not see waiting begins anew.
        assert_eq!(seconds(16, &[&[(3, 6, Waiting), (7, 1, Waiting)]]), [0, 6]);
        // One that began earlier than the last one.
        assert_eq!(seconds(9, &[&[(7, 1, Waiting)]]), [0]);
    }
}
