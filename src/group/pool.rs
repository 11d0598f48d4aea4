//! The pool, as groups and tasks see it: the runtime that runs their jobs is floors above.

use crate::group::name::{Counted, NamedEnd};
use crate::job::{Job, Place, Ticket};
use crate::report::failure::Unobserved;
use std::any::Any;
use std::borrow::Cow;
use std::time::Instant;

/// A call at a later instant. It catches the panics of user code in it, and hands them to the pool.
pub(crate) type Late = Box<dyn FnOnce(&dyn Pool) + Send>;

/// A group, as a trace sees it.
pub(crate) trait Grouped {
    /// Which one it is, while it is open.
    fn address(&self) -> usize;

    /// The one around it; zero if there is none.
    fn address_of_parent(&self) -> usize;

    /// Its name, or the place where it was opened.
    fn label(&self) -> Cow<'static, str>;
}

/// The pool, as groups and tasks see it. One object for each runtime; it outlives every node.
pub(crate) trait Pool: Send + Sync {
    /// Counts a task that begins and queues its job: newest first on the pushing worker, stealable,
    /// and a sleeper is woken for it if no worker searches.
    fn fork(&self, job: Job);

    /// Queues a job that was woken: in order, stealable, and a sleeper is woken for it if no worker
    /// searches.
    fn wake(&self, job: Job);

    /// Queues the ticket of a task that blocks the thread that runs it, for a thread of its own.
    fn fork_blocking(&self, ticket: Ticket);

    /// Takes a ticket out of that queue, or sees to it that it does not get there: its task was
    /// cut.
    fn leave_blocking(&self, place: &Place);

    /// Counts a task that begins, and is not forked.
    fn task_begins(&self);

    /// Counts a task that has ended on a thread that has no counts.
    fn task_ends(&self);

    /// Counts a group that begins.
    fn group_begins(&self, group: &dyn Grouped);

    /// Counts a group that has ended.
    fn group_ends(&self, group: &dyn Grouped);

    /// Counts a group that is opened under a name; the answer is where, if there is room for the
    /// name.
    fn named_opens(&self, name: &str) -> Option<Counted>;

    /// Counts the end of such a group.
    fn named_ends(&self, group: Counted, how: NamedEnd);

    /// Hands a failure that has no receiver to the hook. That is user code: no lock may be held.
    fn unobserved(&self, failure: Unobserved);

    /// Counts a task that has no output because it was cut, or born cancelled.
    fn count_cut(&self);

    /// Whether the runtime was shut down: a group that is first polled now panics.
    fn is_shut_down(&self) -> bool;

    /// Now, on the clock of this runtime.
    fn now(&self) -> Instant;

    /// Calls `call` with this pool at `at`, unless the returned value is dropped before.
    fn call_at(&self, at: Instant, call: Late) -> Box<dyn Any + Send>;

    /// Milliseconds since the runtime was built, coarse and wrapping, for the age of tasks. Cheap:
    /// no clock is read.
    fn coarse_millis(&self) -> u32;

    /// The name of the runtime, for messages.
    fn name(&self) -> &str;
}
