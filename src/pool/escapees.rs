//! What is in no list of a group: tasks of `tokio::spawn`, which end with the runtime at the
//! latest, and are reported then. Whether their groups wait for them, or report them at their own
//! end, is a matter of the `census`.

use crate::driver::beside::Owned;
use crate::pool::shared::Shared;
use crate::pool::told::told;
use crate::report::dump::GroupDump;
use crate::sync::Arc;
use std::collections::HashMap;
use std::panic::Location;
use std::time::Duration;

/// tokio's runtime, which our threads drive no more.
pub(crate) struct Escapees<'a> {
    shared: &'a Shared,
    owned: Option<Owned>,
}

impl Shared {
    /// Groups wait for no task of tokio's from now on; whether one did. A shutdown does this before
    /// it ends tokio, whatever it found.
    pub(crate) fn let_go_escapees(&self) -> bool {
        self.census.let_go()
    }

    /// Where those were spawned that are alive, as far as that is known.
    pub(crate) fn places_of_escapees(&self) -> Vec<&'static Location<'static>> {
        let mut places = Vec::new();
        self.census.each(|_, place| places.push(place));
        places
    }

    /// Shows them in the groups in which they count.
    pub(crate) fn show_escapees(&self, groups: &mut [GroupDump]) {
        let mut places = HashMap::<_, Vec<_>>::new();
        self.census.each(|group, place| {
            places.entry(group).or_default().push(place);
        });
        for group in groups {
            let here = places.remove(&Some(group.address));
            group.tokio_tasks = here.unwrap_or_default();
            group.tokio_tasks.sort();
        }
    }

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
        let census = Arc::clone(&self.shared.census);
        let left = move || census.note_left();
        let alive = self.owned.map_or(0, |owned| owned.end(limit, left));
        let places = self.shared.census.end();
        let location = self.shared.driver.beside().map(|beside| beside.location);
        let Some(location) = location.filter(|_| alive > 0) else {
            return;
        };
        let what = format!("ended with the runtime `{}`", self.shared.name);
        let failure = told(alive, &what, places, location, String::new());
        self.shared.report(failure);
    }
}
