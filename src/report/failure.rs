//! Tasks and failures as people see them: numbers, names, stragglers, and the failures that go to
//! the runtime's hook.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// The number of a task, unique in the process.
///
/// # Examples
///
/// ```
/// let (left, right) = spinney::block_on(spinney::group(async |g| {
///     (g.spawn(async {}).id(), g.spawn(async {}).id())
/// }));
/// assert_ne!(left, right);
/// assert!(left.to_string().starts_with('#'));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub(crate) u64);

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({})", self.0)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The name of a task or group, or `file:line` of where it began.
pub(crate) fn name_or_place(
    name: Option<&Cow<'static, str>>,
    location: &'static Location<'static>,
) -> Cow<'static, str> {
    let place = || Cow::Owned(format!("{}:{}", location.file(), location.line()));
    name.cloned().unwrap_or_else(place)
}

/// A task as a message names it.
pub(crate) fn describe(
    id: TaskId,
    name: Option<&Cow<'static, str>>,
    location: &'static Location<'static>,
) -> String {
    match name {
        Some(name) => format!("task `{name}` {id}, spawned at {location}"),
        None => format!("task {id}, spawned at {location}"),
    }
}

/// An error or a panic that has no receiver, as the runtime's hook sees it.
///
/// # Examples
///
/// ```
/// use spinney::{Group, Runtime, try_group};
/// use std::sync::mpsc;
///
/// let (tell, told) = mpsc::channel();
/// let hook = move |failure| tell.send(failure).unwrap();
/// let runtime = Runtime::builder().workers(1).on_unobserved(hook).build()?;
/// let result = runtime.block_on(try_group(async |g: Group<'_, '_, u32>| {
///     (1..=33).for_each(|number| g.cancel(number)); // 32 of them are kept for the owner
///     Ok(())
/// }));
/// assert!(result.is_err());
/// let failure = told.recv().unwrap();
/// assert_eq!(failure.payload.downcast_ref(), Some(&33_u32));
/// assert_eq!((failure.is_panic, failure.type_name), (false, Some("u32")));
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[non_exhaustive]
pub struct Unobserved {
    /// The error, or the payload of the panic.
    pub payload: Box<dyn Any + Send>,
    /// Whether `payload` is that of a panic.
    pub is_panic: bool,
    /// The name of the error's type; `None` for a panic.
    pub type_name: Option<&'static str>,
    /// The task that failed; `None` for a group's body.
    pub task: Option<TaskId>,
    /// The name of the task, or of the group.
    pub name: Option<String>,
    /// Where the task was spawned, or the group opened.
    pub location: &'static Location<'static>,
    /// The path of its group, names joined by `/`; empty outside every group.
    pub group: String,
}

impl fmt::Debug for Unobserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unobserved")
            .field("is_panic", &self.is_panic)
            .field("task", &self.task)
            .field("name", &self.name)
            .field("location", &self.location)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// The error with which a group of ours ends itself early because its work is done: a race that was
/// won. It is no failure, so the hook never sees it.
pub(crate) struct Over;

/// A task that still runs when a bounded shutdown ends.
///
/// # Examples
///
/// ```
/// # use spinney::{Runtime, group};
/// # use std::sync::{LazyLock, mpsc};
/// # use std::{pin::pin, task::{Context, Waker}, time::Duration};
/// # static RUNTIME: LazyLock<Runtime> =
/// #     LazyLock::new(|| Runtime::builder().workers(1).build().unwrap());
/// # let (go, gone) = mpsc::channel();
/// # let (tell, told) = mpsc::channel();
/// # let entered = RUNTIME.enter();
/// # let mut opened = pin!(group(async move |g| {
/// // The task cannot wait for its own end: a shutdown from inside names its caller.
/// g.spawn_named("admin", async move {
/// #   gone.recv().unwrap(); // until the first poll of the group is over
///     tell.send(RUNTIME.shutdown(Duration::ZERO)).unwrap();
/// });
/// # }));
/// # let _ = opened.as_mut().poll(&mut Context::from_waker(Waker::noop()));
/// # go.send(()).unwrap();
/// let stragglers = told.recv().unwrap().unwrap_err();
/// let caller = stragglers.iter().next().unwrap();
/// assert_eq!(caller.name.as_deref(), Some("admin"));
/// assert!(caller.to_string().starts_with("admin #"));
/// # drop(entered);
/// # RUNTIME.shutdown(Duration::from_secs(60)).unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Straggler {
    /// The task.
    pub task: TaskId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it was spawned.
    pub location: &'static Location<'static>,
    /// How long ago it was spawned, in coarse milliseconds; wraps after 49 days.
    pub age: Duration,
    /// The path of its group, names joined by `/`; empty outside every group, and for a task that
    /// was found running and ended before its group was found.
    pub group: String,
}

impl fmt::Display for Straggler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("task");
        write!(f, "{name} {} spawned at {}", self.task, self.location)?;
        if !self.group.is_empty() {
            write!(f, " in group {}", self.group)?;
        }
        write!(f, ", {:?} old", self.age)
    }
}
