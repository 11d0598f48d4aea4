//! The errors of a group: all of them, in the order in which they came.

use crate::report::failure::TaskId;
use crate::report::reason::Origin;
use std::error::Error;
use std::fmt;
use std::panic::Location;

/// Errors that are kept whole; the rest is counted, and each goes to the hook. The bound makes
/// fail-fast safe for servers: a group in which thousands of children fail at once holds 32 errors.
pub(crate) const KEPT_WHOLE: usize = 32;

/// One error with its origin.
struct Recorded<E> {
    error: E,
    origin: Origin,
    after_cancel: bool,
}

/// What failed in a group, in the order of recording: never empty.
///
/// The first error is the cause of the group's end; those that came while it was being torn down
/// have [`ErrorEntry::after_cancel`]. 32 errors are kept whole, the others were handed to the
/// runtime's hook and are counted by [`omitted`](Errors::omitted).
///
/// # Examples
///
/// ```
/// let errors = spinney::block_on(spinney::try_group(async |g| {
///     g.spawn(async { Err::<(), _>("no route") }).await;
///     Ok(())
/// }))
/// .unwrap_err();
/// assert_eq!(*errors.first(), "no route");
/// assert_eq!(errors.len(), 1);
/// ```
pub struct Errors<E> {
    entries: Vec<Recorded<E>>,
    omitted: usize,
}

/// One error of a group, and where it came from.
#[derive(Debug)]
#[non_exhaustive]
pub struct ErrorEntry<'a, E> {
    /// The error.
    pub error: &'a E,
    /// The task that failed; `None` for the group's body and for `cancel`.
    pub task: Option<TaskId>,
    /// The name of the task, if it was given one.
    pub name: Option<&'a str>,
    /// Where the task was spawned; for the body, where the group was opened; for `cancel`, that
    /// call.
    pub location: &'static Location<'static>,
    /// Whether the group was being torn down already.
    pub after_cancel: bool,
}

impl<E> Errors<E> {
    pub(crate) const fn none() -> Self {
        Self {
            entries: Vec::new(),
            omitted: 0,
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.entries.is_empty()
    }

    /// Records an error; gives it back when it is one too many.
    pub(crate) fn record(
        &mut self,
        error: E,
        origin: Origin,
        after_cancel: bool,
    ) -> Result<(), (E, Origin)> {
        if self.entries.len() == KEPT_WHOLE {
            self.omitted += 1;
            return Err((error, origin));
        }
        let after_cancel = after_cancel || !self.entries.is_empty();
        self.entries.push(Recorded {
            error,
            origin,
            after_cancel,
        });
        Ok(())
    }

    pub(crate) fn into_parts(self) -> impl Iterator<Item = (E, Origin)> {
        self.entries
            .into_iter()
            .map(|entry| (entry.error, entry.origin))
    }

    /// The error that ended the group.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "an `Errors` is never empty")]
    pub fn first(&self) -> &E {
        &self.entries.first().expect("never empty").error
    }

    /// The error that ended the group, by value; the others are dropped.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "an `Errors` is never empty")]
    pub fn into_first(self) -> E {
        self.entries.into_iter().next().expect("never empty").error
    }

    /// The errors that are kept, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.entries.iter().map(|entry| &entry.error)
    }

    /// The errors that are kept, each with its origin.
    pub fn entries(&self) -> impl Iterator<Item = ErrorEntry<'_, E>> {
        self.entries.iter().map(|entry| ErrorEntry {
            error: &entry.error,
            task: entry.origin.task,
            name: entry.origin.name.as_deref(),
            location: entry.origin.location,
            after_cancel: entry.after_cancel,
        })
    }

    /// How many errors are kept: 1 to 32.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many more errors there were; each was handed to the runtime's hook.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.omitted
    }
}

impl<E: fmt::Debug> fmt::Debug for Errors<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errors")
            .field("entries", &self.entries().collect::<Vec<_>>())
            .field("omitted", &self.omitted)
            .finish()
    }
}

impl<E: fmt::Display> fmt::Display for Errors<E> {
    /// One line with `{:#}`; else a line for each error, and the further lines of an error, such as
    /// one that is an `Errors` itself, indented below.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = self.len() - 1 + self.omitted;
        if f.alternate() || more == 0 {
            write!(f, "{:#}", self.first())?;
            return match more {
                0 => Ok(()),
                1 => f.write_str(" (and 1 more error)"),
                _ => write!(f, " (and {more} more errors)"),
            };
        }
        write!(f, "{} errors:", more + 1)?;
        for entry in self.entries() {
            f.write_str("\n- ")?;
            match (entry.task, entry.name) {
                (Some(task), name) => write!(f, "{} {task}", name.unwrap_or("task"))?,
                (None, Some(name)) => f.write_str(name)?,
                (None, None) => f.write_str("group")?,
            }
            write!(f, " ({}", entry.location)?;
            f.write_str(if entry.after_cancel {
                ", after the cancel): "
            } else {
                "): "
            })?;
            // The lines of an error that is a tree itself stand below its first one.
            let text = entry.error.to_string();
            let mut lines = text.lines();
            f.write_str(lines.next().unwrap_or_default())?;
            for line in lines {
                write!(f, "\n  {line}")?;
            }
        }
        match self.omitted {
            0 => Ok(()),
            omitted => write!(
                f,
                "\n- and {omitted} more, which the runtime's hook was given"
            ),
        }
    }
}

impl<E: Error + 'static> Error for Errors<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.first().source()
    }
}
