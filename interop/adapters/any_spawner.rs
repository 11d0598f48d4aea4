//! any_spawner's executor on spinney: its tasks are children of one group.
//!
//! With `any_spawner` without features.

use any_spawner::{CustomExecutor, PinnedFuture, PinnedLocalFuture};
use spinney::GroupHandle;

/// The executor of the process: give it to `Executor::init_custom_executor`, with the handle of the
/// group in which the whole program runs, for it is set once.
///
/// Nobody joins such a task but the group, and a panic of one is the group's. After the end of the
/// group a task is dropped.
#[derive(Clone, Debug)]
pub struct InGroup(pub GroupHandle);

impl CustomExecutor for InGroup {
    #[track_caller]
    fn spawn(&self, future: PinnedFuture<()>) {
        let _ = self.0.spawn(future);
    }

    /// # Panics
    ///
    /// Always: children run on all workers, so what stays on its thread cannot be one.
    fn spawn_local(&self, _: PinnedLocalFuture<()>) {
        panic!("spinney runs no future that is not `Send`");
    }

    /// Does nothing: workers poll.
    fn poll_local(&self) {}
}
