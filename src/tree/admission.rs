//! How the holder of a handle gets into its group: through the gate (`group::gate`).

use crate::group::node::Gate;
use crate::tree::leave::Counted;

impl Gate {
    /// As [`Gate::enter`], for a child: the group is closed to handles when its parent has ended,
    /// and while services and defers end.
    pub(crate) fn admit(&self) -> Option<Counted> {
        let counted = self.enter()?;
        // The lock is given back before the count is.
        let admits = counted.slow.lock().ending.admits();
        admits.then_some(counted)
    }

    /// Counts the holder in, if the group has not ended; the count keeps the node from then on.
    pub(crate) fn enter(&self) -> Option<Counted> {
        let node = self.node()?;
        // Outside the lock: an entry may have the group adopted by an ancestor that is cancelled,
        // which calls wakers.
        node.count_in()
    }
}
