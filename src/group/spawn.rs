//! What a group needs of the pool behind it: a way to queue jobs, and an ear for errors that nobody receives.

use crate::group::node::Node;
use crate::group::report::Unobserved;
use crate::job::{Job, Ticket};
use crate::waiters::Waiters;
use std::any::Any;
use std::time::Instant;

/// What is done at a later instant. It catches what user code in it throws, and hands it to the pool.
pub(crate) type Late = Box<dyn FnOnce(&dyn Spawn) + Send>;

/// The pool, as groups and tasks see it. One object for each runtime; it outlives every node.
pub(crate) trait Spawn: Send + Sync {
    /// Counts a task that begins and queues its job: newest first on the pushing worker, stealable, and someone is woken
    /// for it.
    fn fork(&self, job: Job);

    /// Queues a job that was woken, of this group: in order, stealable, and someone is woken for it. The group is not
    /// used once the job is out.
    fn wake(&self, job: Job, group: &Node);

    /// Queues a job that blocks the thread that runs it: on a thread of its own.
    fn fork_blocking(&self, ticket: Ticket);

    /// Counts a task that begins, and is not forked.
    fn task_begins(&self);

    /// Counts a task that has ended on a thread that has no ledger.
    fn task_ends(&self);

    /// Counts a group that begins.
    fn group_begins(&self);

    /// Counts a group that has ended.
    fn group_ends(&self);

    /// Hands over a failure that nobody can be given. User code (the hook) runs inside: no lock may be held.
    fn unobserved(&self, failure: Unobserved);

    /// Counts a task that has no output because it was cut, or born cancelled.
    fn count_cut(&self);

    /// Callers that are blocked inside tasks of this runtime, whom a mark on their task must reach.
    fn blocked(&self) -> &Waiters;

    /// Whether the runtime was shut down: a group that is first polled now panics.
    fn is_shut_down(&self) -> bool;

    /// Now, on the clock of this runtime.
    fn now(&self) -> Instant;

    /// Calls `call` with this pool at `at`, unless what is returned is dropped before.
    fn call_at(&self, at: Instant, call: Late) -> Box<dyn Any + Send>;

    /// Milliseconds since the runtime was built, coarse and wrapping, for the age of tasks. Cheap: no clock is read.
    fn coarse_millis(&self) -> u32;

    /// The name of the runtime, for messages.
    fn name(&self) -> &str;
}
