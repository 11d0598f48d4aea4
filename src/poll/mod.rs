//! Where a thread is in the tree of groups, and its notes while it polls.
//!
//! `frame` is one poll on the stack: its group, host, task and shields; `own_cancel` waits for the
//! cancel of the task that is polled; `budget` bounds what is ready in it; `locals` are the values
//! of task-locals; `tally` has the notes of the thread, `running` publishes the task that it polls,
//! and `live` counts tasks and groups that began and ended.

pub(crate) mod budget;
pub(crate) mod frame;
pub(crate) mod live;
pub(crate) mod locals;
pub(crate) mod own_cancel;
pub(crate) mod running;
pub(crate) mod tally;
