//! What few groups have, in an allocation of its own, so that a node is small.

use crate::group::arena::Arena;
use crate::group::gate::Gate;
use crate::group::pool::Late;
use crate::report::reason::Reason;
use crate::sync::Arc;
use std::any::Any;
use std::task::Waker;
use std::time::Instant;

/// A line of callers that wait for a place among the group's children.
pub(crate) trait PlaceLine {
    /// Calls `f`, which is no user code, with each waker in line; how many places there are.
    fn each_wait(&self, f: &mut dyn FnMut(&Waker)) -> usize;
}

/// Finds a line, if it is there still. It is called under the node's lock, and what it gives is
/// dropped outside.
pub(crate) type FindLine = Box<dyn Fn() -> Option<Box<dyn PlaceLine>> + Send>;

/// The rarely used part of a node, under its lock; `R` is a counted reference to a node. Made when
/// the first of it comes.
pub(crate) struct Rare<R> {
    /// Values that were lent to the group; its future claims them back.
    pub(crate) lent: Arena,
    /// Why it was cancelled, if that began here.
    pub(crate) reason: Option<Reason>,
    pub(crate) gate: Option<Arc<Gate<R>>>,
    /// Timers of deadlines and of graces, and the error of a deadline that was not used: they live
    /// as long as the group.
    pub(crate) kept_open: Vec<Box<dyn Any + Send>>,
    /// A deadline of zero, until the poll that it grants is over: see `tree::zero_deadline`.
    pub(crate) held_back: Option<Late>,
    /// The group's own deadline; the effective one is the minimum over the ancestors.
    pub(crate) deadline: Option<Instant>,
    /// The lines in which a caller has waited, for dumps.
    pub(crate) lines: Vec<FindLine>,
}

impl<R> Default for Rare<R> {
    fn default() -> Self {
        Self {
            lent: Arena::new(),
            reason: None,
            gate: None,
            kept_open: Vec::new(),
            held_back: None,
            deadline: None,
            lines: Vec::new(),
        }
    }
}
