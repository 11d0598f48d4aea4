//! What stands for `census` where tokio has no hooks: without `--cfg tokio_unstable`, or without
//! the feature `tokio`. tokio says how many tasks there are, and neither whose nor from where.

use crate::driver::beside::Builder;
use crate::group::pool::{Grouped, Pool};
use crate::sync::Arc;
use std::panic::Location;

/// The tasks of `tokio::spawn` of a runtime: nothing is known of them.
pub(crate) struct Census(());

impl Census {
    pub(crate) fn new(_: bool) -> Arc<Self> {
        Arc::new(Self(()))
    }

    pub(crate) fn install(self: &Arc<Self>, _: &mut Builder) {}

    pub(crate) fn belongs_to(&self, _: usize) {}

    /// No group is known to leave one.
    #[inline]
    pub(crate) fn leave(self: &Arc<Self>, _: &dyn Pool, _: &dyn Grouped) {}

    /// No group waits for one.
    pub(crate) fn let_go(&self) -> bool {
        false
    }

    pub(crate) fn note_left(&self) -> Option<usize> {
        None
    }

    pub(crate) fn end(&self) -> Vec<&'static Location<'static>> {
        Vec::new()
    }

    pub(crate) fn each(&self, _: impl FnMut(Option<usize>, &'static Location<'static>)) {}
}
