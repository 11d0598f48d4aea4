//! What few groups have, in an allocation of its own, so that a node is small.

use crate::group::arena::Arena;
use crate::group::gate::Gate;
use crate::group::pool::Late;
use crate::report::reason::Reason;
use crate::sync::Arc;
use std::any::Any;
use std::time::Instant;

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
        }
    }
}
