//! A task that does not return from a poll, as the hook and dumps see it.

use crate::report::failure::{Straggler, TaskId};
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// A task that does not return from a poll, and so keeps a worker, or that waits for itself through
/// others: what the hook of
/// [`on_stall`](crate::RuntimeBuilder::on_stall) is given, and what a
/// [`Dump`](crate::dump::Dump::stalled) shows.
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, dump::ThreadState, group};
/// use std::sync::mpsc;
///
/// let (tell, told) = mpsc::channel();
/// let builder = Runtime::builder().workers(1).callers_take_part(false);
/// let runtime = builder.on_stall(move |stall| tell.send(stall).unwrap()).build()?;
/// let stall = runtime.block_on(group(async |g| {
///     let wait = move || told.recv().unwrap(); // in the kernel, until the report has come
///     g.spawn_named("careless", async move { Ok(wait()) }).await
/// }));
/// assert_eq!(stall.name.as_deref(), Some("careless"));
/// assert_eq!(stall.location.file(), file!());
/// # #[cfg(target_os = "linux")]
/// assert_eq!(stall.thread, ThreadState::Sleeps);
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stall {
    /// The task.
    pub task: TaskId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it was spawned.
    pub location: &'static Location<'static>,
    /// The path of its group, names joined by `/`; empty outside every group, and for a task that
    /// returned before its group was found.
    pub group: String,
    /// For how long it has not returned, in whole milliseconds: ticks of the thread that looks,
    /// which take longer where the machine is busy.
    pub lasts: Duration,
    /// What its thread does.
    pub thread: ThreadState,
    /// The tasks for which it waits, each for the next one, if they wait for each other in a
    /// circle: the last one waits for this task. Empty if `thread` is not [`ThreadState::Waits`].
    pub waits_for: Vec<Straggler>,
}

impl Stall {
    pub(crate) fn new(task: Straggler, lasts: Duration, thread: ThreadState) -> Self {
        Self {
            task: task.task,
            name: task.name,
            location: task.location,
            group: task.group,
            lasts,
            thread,
            waits_for: Vec::new(),
        }
    }

    /// Of tasks each of which waits for the next one, and the last for the first.
    pub(crate) fn circle(mut tasks: Vec<Straggler>) -> Self {
        let first = tasks.remove(0);
        Self {
            waits_for: tasks,
            ..Self::new(first, Duration::ZERO, ThreadState::Waits)
        }
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("task");
        write!(f, "{name} {} spawned at {}", self.task, self.location)?;
        if !self.group.is_empty() {
            write!(f, " in group {}", self.group)?;
        }
        if self.thread == ThreadState::Waits {
            for task in &self.waits_for {
                let name = task.name.as_deref().unwrap_or("task");
                write!(
                    f,
                    " waits for {name} {} spawned at {}",
                    task.task, task.location
                )?;
                f.write_str(if task.group.is_empty() {
                    ""
                } else {
                    " in group "
                })?;
                write!(f, "{}, which", task.group)?;
            }
            let first = match self.waits_for.is_empty() {
                true => "itself",
                false => "the first",
            };
            return write!(f, " waits for {first}: this ends when one of them is cut");
        }
        write!(f, " has not returned for {:?}, ", self.lasts)?;
        f.write_str(match self.thread {
            ThreadState::Waits => "",
            ThreadState::Sleeps => "and its thread sleeps",
            ThreadState::Computes => "and its thread computes",
        })
    }
}

/// What the thread of a [`Stall`] does.
///
/// # Examples
///
/// ```
/// use spinney::dump::{Stall, ThreadState};
///
/// fn advice(stall: &Stall) -> &'static str {
///     match stall.thread {
///         ThreadState::Sleeps => "what blocks belongs into `blocking`",
///         _ => "`compute` for what computes, `cooperative` for a loop over channels",
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ThreadState {
    /// It sleeps in the kernel: it waits for a lock, a channel, a file, another executor.
    Sleeps,
    /// It computes, or the system does not say what it does.
    Computes,
    /// It waits, as in [`block_on`](crate::block_on()), for a task that waits for it in turn, be
    /// it through others: see [`Stall::waits_for`].
    Waits,
}
