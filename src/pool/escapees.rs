//! What has left the tree of groups: tasks of `tokio::spawn`, which end with the runtime at the
//! latest, and are reported then.

use crate::driver::beside::Owned;
use crate::pool::shared::Shared;
use crate::report::failure::Unobserved;
use std::time::Duration;

/// tokio's runtime, which our threads drive no more.
pub(crate) struct Escapees<'a> {
    shared: &'a Shared,
    owned: Option<Owned>,
}

impl Shared {
    /// Has our threads drive tokio no more; `None` if one does not come back from it, for so many
    /// steps of a wait.
    pub(crate) fn leave_tokio(&self, step: Duration, steps: u32) -> Option<Escapees<'_>> {
        let owned = match self.driver.beside() {
            Some(beside) => beside.leave(step, steps).ok()?,
            None => None,
        };
        Some(Escapees {
            shared: self,
            owned,
        })
    }
}

impl Escapees<'_> {
    /// Ends the tasks that are left, and waits for closures of `spawn_blocking`, for `limit` at
    /// most. No thread of ours is left that could be in one of them.
    pub(crate) fn end(self, limit: Duration) {
        let alive = self.owned.map_or(0, |owned| owned.end(limit));
        let location = self.shared.driver.beside().map(|beside| beside.location);
        let Some(location) = location.filter(|_| alive > 0) else {
            return;
        };
        let tasks = if alive == 1 { "task" } else { "tasks" };
        let name = &self.shared.name;
        let text = format!("{alive} {tasks} of `tokio::spawn` ended with the runtime `{name}`");
        self.shared.report(Unobserved {
            payload: Box::new(text),
            is_panic: false,
            type_name: None,
            task: None,
            name: Some("tokio".to_owned()),
            location,
            group: String::new(),
        });
    }
}
