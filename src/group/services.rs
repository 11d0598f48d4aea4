//! Services: children that are not work left. They end when the work has ended, newest first.
//!
//! The services of a group are children of a node of their own, which is shielded: a cascade from above does not reach
//! them. That node counts once in the group, like any inner group, while a service lives. So the count of a group whose
//! work is done is one, or two with the task that ends it (`task::defers`), which cuts the services one by one.
//!
//! Failures of services are the group's: see `Node::receiver`.

#![expect(
    unsafe_code,
    reason = "the node of services reads its parent without the lock"
)]

use crate::group::leaving;
use crate::group::node::{Node, NodeRef, SERVING};
use crate::unwind;
use std::mem;

/// A service, as the task that ends the group sees it.
pub(crate) trait Serving: Send {
    /// Whether its future has been dropped.
    fn is_over(&self) -> bool;

    /// Cuts it.
    fn cut(&self);
}

/// The services of one group.
pub(crate) struct Services {
    /// The node whose children they are.
    pub(crate) node: NodeRef,
    /// In the order of their start; those that ended early are forgotten now and then.
    line: Vec<Box<dyn Serving>>,
}

/// Below this many no search for those that ended early is worth its while.
const FEW: usize = 16;

impl Services {
    /// No services yet. `node` was opened under the group, shielded.
    pub(crate) fn new(node: NodeRef) -> Self {
        node.set_flags(SERVING);
        node.word.watch_each();
        node.slow.lock().ending.become_services();
        Self {
            node,
            line: Vec::new(),
        }
    }

    /// Remembers one that was started. What is forgotten is returned, to be dropped outside the lock.
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

    /// Takes the newest out.
    pub(crate) fn pop(&mut self) -> Option<Box<dyn Serving>> {
        self.line.pop()
    }

    /// The group ends: so does the node of its services, which have all ended.
    pub(crate) fn end(self) {
        if !self.node.word.close() {
            debug_assert!(false, "a group ends after its services");
            // A bug of ours, which is better leaked than freed.
            return mem::forget(self);
        }
        // Failures of services are their group's, and their node keeps nothing.
        let ended = leaving::end(&self.node);
        [ended.recorded, ended.thrown]
            .into_iter()
            .flatten()
            .for_each(unwind::discard);
    }
}

impl Node {
    /// Who records failures of this node's children: the group of which they are services, or the node itself.
    pub(crate) fn receiver(&self) -> &Self {
        if !self.serves() {
            return self;
        }
        // SAFETY: a group ends after its services, so the caller, which is one or has started one, is there before its end.
        unsafe { self.settled_parent() }.unwrap_or(self)
    }
}
