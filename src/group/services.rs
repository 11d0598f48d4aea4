//! Services: children that do not count as work. They end when the work has ended, newest first.
//!
//! The services of a group are children of a node of their own, which is shielded: a cascade from
//! above does not reach them. That node counts once in the group, like any inner group, while a
//! service lives. So the count of a group whose work is done is one, or two with the closer
//! (`task::closer`), which cuts the services one by one.
//!
//! A failure of a service is one of the group: see `Node::receiver`.

use std::mem;

/// A service, as the closer sees it.
pub(crate) trait Serving: Send {
    /// Whether its future has been dropped.
    fn is_over(&self) -> bool;

    /// Marks it to be cut.
    fn cancel(&self);
}

/// The services of one group; `R` keeps the node whose children they are.
pub(crate) struct Services<R> {
    pub(crate) node: R,
    /// The services that are to be cut, in the order of their start. Those that ended early are
    /// taken out now and then.
    line: Vec<Box<dyn Serving>>,
}

/// With fewer services than this no search for those that ended early is worth its while.
const FEW: usize = 16;

impl<R> Services<R> {
    /// None yet.
    pub(crate) fn none(node: R) -> Self {
        Self {
            node,
            line: Vec::new(),
        }
    }

    /// Adds a service that was started. Returns those that are taken out, to be dropped outside the
    /// lock.
    #[must_use]
    pub(crate) fn push(&mut self, service: Box<dyn Serving>) -> Vec<Box<dyn Serving>> {
        self.line.push(service);
        if self.line.len() < FEW || !self.line.len().is_power_of_two() {
            return Vec::new();
        }
        let (over, left) = mem::take(&mut self.line)
            .into_iter()
            .partition(|service| service.is_over());
        self.line = left;
        over
    }

    /// Takes the newest service out.
    pub(crate) fn pop(&mut self) -> Option<Box<dyn Serving>> {
        self.line.pop()
    }
}
