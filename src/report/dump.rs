//! A dump: the groups and tasks of a runtime at about one moment, and how they are printed.

use crate::report::failure::{Straggler, TaskId};
use crate::report::reason::CancelKind;
use crate::report::stall::Stall;
use crate::report::waits_for::{self, WaitsFor};
use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

/// The groups and tasks of a runtime at about one moment: [`Runtime::dump`](crate::Runtime::dump).
///
/// It prints as a tree, with what is stalled first.
///
/// # Examples
///
/// ```
/// use spinney::{GroupBuilder, Runtime};
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// let server = GroupBuilder::<()>::new().name("server").run(async |_| {
///     let dump = runtime.dump();
///     assert!(dump.to_string().starts_with("group server at "));
///     Ok(())
/// });
/// runtime.block_on(server).unwrap();
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dump {
    pub(crate) groups: Vec<GroupDump>,
    pub(crate) first_polls: Vec<Straggler>,
    pub(crate) stalled: Vec<Stall>,
}

impl Dump {
    /// The groups, each before those inside it.
    ///
    /// # Examples
    ///
    /// ```
    /// # let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// let groups = runtime.block_on(spinney::group(async |_| runtime.dump().groups().len()));
    /// assert_eq!(groups, 1);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn groups(&self) -> &[GroupDump] {
        &self.groups
    }

    /// Tasks that run on a worker or a blocked caller, and have not been suspended yet: they are in
    /// no group's list, only in its count.
    ///
    /// # Examples
    ///
    /// ```
    /// # let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// # let entered = runtime.enter();
    /// spinney::scope(|g| {
    ///     g.spawn_named("look", async {
    ///         let dump = runtime.dump();
    ///         assert_eq!(dump.first_polls()[0].name.as_deref(), Some("look"));
    ///     });
    /// });
    /// # drop(entered);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn first_polls(&self) -> &[Straggler] {
        &self.first_polls
    }

    /// Tasks that do not return from a poll on a worker, as of the last look at that: after 2 ms if
    /// their thread sleeps in the kernel, after 30 ms if it computes. And tasks that block for each
    /// other in a circle: one [`Stall`] for each circle, as of now.
    ///
    /// # Examples
    ///
    /// ```
    /// # let builder = spinney::Runtime::builder().workers(1).callers_take_part(false);
    /// # let runtime = builder.build()?;
    /// # let entered = runtime.enter();
    /// spinney::scope(|g| {
    ///     g.spawn_named("careless", async {
    ///         while runtime.dump().stalled().is_empty() {} // it computes until it is found to
    ///         let dump = runtime.dump();
    ///         assert_eq!(dump.stalled()[0].name.as_deref(), Some("careless"));
    ///     });
    /// });
    /// # drop(entered);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn stalled(&self) -> &[Stall] {
        &self.stalled
    }
}

/// A group in a [`Dump`].
///
/// # Examples
///
/// ```
/// use spinney::{GroupBuilder, Runtime};
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// let server = GroupBuilder::<()>::new().name("server").run(async |g| {
///     g.stop();
///     let dump = runtime.dump();
///     let server = &dump.groups()[0];
///     assert_eq!(server.name.as_deref(), Some("server"));
///     assert_eq!((server.depth, server.count), (0, 0)); // no child
///     assert!(server.is_stopping && !server.is_cancelled);
///     Ok(())
/// });
/// runtime.block_on(server).unwrap();
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupDump {
    /// How many groups are around it, below the root.
    pub depth: usize,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it was opened.
    pub location: &'static Location<'static>,
    /// Whether it was asked to stop.
    pub is_stopping: bool,
    /// Whether it is being cancelled.
    pub is_cancelled: bool,
    /// Why, if the cancel began in this group.
    pub why: Option<CancelKind>,
    /// Whether it was polled last inside a shield or a defer, so that a cancel from outside does
    /// not reach it.
    pub is_shielded: bool,
    /// Its own deadline; that of a group around it may come first.
    pub deadline: Option<Instant>,
    /// Children and groups inside that it waits for. A group inside counts as one while it has
    /// children itself.
    pub count: usize,
    /// The children that were suspended at least once, or block. The rest is queued, or in its
    /// first poll.
    pub tasks: Vec<TaskDump>,
    /// Where the tasks of `tokio::spawn` were spawned that it waits for: in a build with the
    /// feature `tokio` and `--cfg tokio_unstable`; in any other it waits for none.
    pub tokio_tasks: Vec<&'static Location<'static>>,
    /// Which group it is.
    pub(crate) address: usize,
    /// The data of the wakers that wait for its children.
    pub(crate) awaited_by: Vec<usize>,
    /// The lines for places among its children: how many places there are, and the data of the
    /// wakers in line.
    pub(crate) lines: Vec<(usize, Vec<usize>)>,
}

impl GroupDump {
    /// Its name, or where it was opened.
    pub(crate) fn label(&self) -> String {
        let name = self.name.clone();
        name.unwrap_or_else(|| format!("at {}", self.location))
    }
}

/// A task in a [`Dump`].
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, group, yield_now};
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// runtime.block_on(group(async |g| {
///     let client = g.spawn_named("client", std::future::pending::<()>());
///     while runtime.dump().groups()[0].tasks.is_empty() {
///         yield_now().await; // until it was polled
///     }
///     let dump = runtime.dump();
///     let task = &dump.groups()[0].tasks[0];
///     assert_eq!((task.id, task.polls), (client.id(), 1));
///     assert_eq!(task.name.as_deref(), Some("client"));
///     client.cancel().await;
/// }));
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskDump {
    /// The task.
    pub id: TaskId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it was spawned.
    pub location: &'static Location<'static>,
    /// How long ago it was spawned, in coarse milliseconds; wraps after 49 days.
    pub age: Duration,
    /// How often it was polled; wraps.
    pub polls: u32,
    /// Its state.
    pub state: TaskState,
    /// Whether it is to be cut by itself, or its group's cancel has reached it.
    pub is_cancelled: bool,
    /// What it waits for, as far as that is something of ours: nothing is said of channels and
    /// locks of other libraries, nor of what was polled through another waker than the task's, as
    /// in a `FuturesUnordered`.
    pub waits_for: Vec<WaitsFor>,
    /// For how long it has waited at least: since the first dump of its runtime that saw it in this
    /// wait. Zero in that one: a task does not note when it begins to wait, which would cost each
    /// poll a look at the clock.
    pub has_waited: Duration,
    /// The data of its waker.
    pub(crate) address: usize,
    /// The data of the waker that waits for its value.
    pub(crate) awaited_by: Option<usize>,
}

impl TaskDump {
    /// The task as a straggler, in the group of this path.
    pub(crate) fn straggler(self, group: String) -> Straggler {
        Straggler {
            task: self.id,
            name: self.name,
            location: self.location,
            age: self.age,
            group,
        }
    }
}

/// What a task does at the moment of a [`Dump`].
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, dump::TaskState, group, yield_now};
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// let waiting = || {
///     let dump = runtime.dump();
///     let tasks = dump.groups().iter().flat_map(|group| &group.tasks);
///     tasks.filter(|task| task.state == TaskState::Waiting).count()
/// };
/// runtime.block_on(group(async |g| {
///     let client = g.spawn(std::future::pending::<()>());
///     while waiting() == 0 {
///         yield_now().await; // until it was polled
///     }
///     client.cancel().await;
/// }));
/// assert_eq!(waiting(), 0);
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// It waits to be woken.
    Waiting,
    /// It was woken, and waits for a thread.
    Queued,
    /// It is polled, or blocks in a poll.
    Running,
}

impl TaskState {
    fn text(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Running => "running",
        }
    }
}

/// Levels that are indented at most, so that the text of a deep tree stays linear.
const INDENTED: usize = 40;

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for stall in &self.stalled {
            writeln!(f, "stalled: {stall}")?;
        }
        for group in &self.groups {
            let indent = 2 * group.depth.min(INDENTED);
            writeln!(f, "{:indent$}{group}", "")?;
            for task in &group.tasks {
                writeln!(f, "{:indent$}  {task}", "")?;
            }
            for place in &group.tokio_tasks {
                writeln!(f, "{:indent$}  task of `tokio::spawn` at {place}", "")?;
            }
        }
        for running in &self.first_polls {
            writeln!(f, "running: {running}")?;
        }
        Ok(())
    }
}

impl fmt::Display for GroupDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "group {name} at {}: {}", self.location, self.count)?,
            None => write!(f, "group at {}: {}", self.location, self.count)?,
        }
        f.write_str(" counted")?;
        match (self.is_cancelled, self.why) {
            (true, Some(why)) => write!(f, ", cancelled: {}", why.text())?,
            (true, None) => f.write_str(", cancelled from outside")?,
            (false, _) if self.is_stopping => f.write_str(", stopping")?,
            (false, _) => {}
        }
        if self.is_shielded {
            f.write_str(", shielded")?;
        }
        Ok(())
    }
}

impl fmt::Display for TaskDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("task");
        write!(f, "{name} {} at {}: ", self.id, self.location)?;
        f.write_str(self.state.text())?;
        if !self.has_waited.is_zero() {
            write!(f, " for {:?} at least", self.has_waited)?;
        }
        write!(f, ", {} polls, {:?} old", self.polls, self.age)?;
        f.write_str(if self.is_cancelled { ", cancelled" } else { "" })?;
        waits_for::write_all(f, &self.waits_for)
    }
}
