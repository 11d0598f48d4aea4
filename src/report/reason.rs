//! Which task, body or call failed, and why a group is being cut: noted by the first canceller, and
//! read by code that goes on in a shield or a defer.

use crate::report::failure::{TaskId, Unobserved};
use crate::unwind::Payload;
use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

/// What kind of event ended a group, or a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelKind {
    /// A child returned an error.
    ChildFailed,
    /// A child panicked.
    ChildPanicked,
    /// The body returned an error.
    BodyFailed,
    /// The body panicked.
    BodyPanicked,
    /// `Group::cancel` was called.
    Cancelled,
    /// A deadline has passed.
    Deadline,
    /// The grace of `stop_within` has passed.
    GraceOver,
    /// The group's future was dropped before its end.
    Dropped,
    /// The task, or the blocked caller, in which the group was open is being cut.
    OwnerCut,
    /// `Task::cancel` was called, or a service ends with its group.
    TaskCancelled,
    /// The runtime was shut down.
    Shutdown,
}

impl CancelKind {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::ChildFailed => "a child failed",
            Self::ChildPanicked => "a child panicked",
            Self::BodyFailed => "the body failed",
            Self::BodyPanicked => "the body panicked",
            Self::Cancelled => "it was cancelled",
            Self::Deadline => "its deadline has passed",
            Self::GraceOver => "the grace of its stop has passed",
            Self::Dropped => "its future was dropped",
            Self::OwnerCut => "its owner is being cut",
            Self::TaskCancelled => "the task was cancelled",
            Self::Shutdown => "the runtime was shut down",
        }
    }
}

/// The task, the body or the call that failed or cancelled.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) task: Option<TaskId>,
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) location: &'static Location<'static>,
}

impl Origin {
    /// A panic that has no receiver, in the group of this path.
    pub(crate) fn lost_panic(self, payload: Payload, group: String) -> Unobserved {
        Unobserved {
            payload,
            is_panic: true,
            type_name: None,
            task: self.task,
            name: self.name.map(Cow::into_owned),
            location: self.location,
            group,
        }
    }

    /// An error that has no receiver, in the group of this path.
    pub(crate) fn lost_error<E: Send + 'static>(self, error: E, group: String) -> Unobserved {
        Unobserved {
            is_panic: false,
            type_name: Some(std::any::type_name::<E>()),
            ..self.lost_panic(Box::new(error), group)
        }
    }
}

/// The note that a node makes of its first cancel.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    pub(crate) kind: CancelKind,
    pub(crate) origin: Origin,
}

/// Why the code that asks is being cut: [`current::cancel_reason`](crate::current::cancel_reason).
#[derive(Clone, Debug)]
pub struct CancelReason {
    pub(crate) reason: Reason,
    /// The paths of the groups from the innermost one to the one where it began.
    pub(crate) chain: Vec<String>,
}

impl CancelReason {
    /// What happened.
    #[must_use]
    pub fn kind(&self) -> CancelKind {
        self.reason.kind
    }

    /// The task that failed, or was cancelled; `None` for a body or a call.
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        self.reason.origin.task
    }

    /// The name of that task, or of the group whose body it was.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.reason.origin.name.as_deref()
    }

    /// Where that task was spawned, the group was opened, or the call stands that cancelled it.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.reason.origin.location
    }

    /// The paths of the groups that the cancel came down through: the innermost one first, the one
    /// where it began last.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        self.chain.iter().map(String::as_str)
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().text())?;
        if let Some(task) = self.task() {
            write!(f, ": {} {task}", self.name().unwrap_or("task"))?;
        }
        write!(f, " at {}", self.location())?;
        match self.chain.last() {
            Some(group) if !group.is_empty() => write!(f, " in group {group}"),
            _ => Ok(()),
        }
    }
}

impl Origin {
    /// A call in the code of the user.
    pub(crate) fn call(location: &'static Location<'static>) -> Self {
        Self {
            task: None,
            name: None,
            location,
        }
    }

    /// Whether it is a task's or a body's: for the kind of a failure.
    pub(crate) fn failed(&self) -> CancelKind {
        match self.task {
            Some(_) => CancelKind::ChildFailed,
            None => CancelKind::BodyFailed,
        }
    }

    /// As [`Origin::failed`], for a panic.
    pub(crate) fn panicked(&self) -> CancelKind {
        match self.task {
            Some(_) => CancelKind::ChildPanicked,
            None => CancelKind::BodyPanicked,
        }
    }
}
