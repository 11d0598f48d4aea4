//! The errors of a group: all of them, in the order in which they came.

use crate::report::failure::TaskId;
use crate::report::reason::Origin;
use std::error::Error;
use std::fmt;
use std::io;
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
///
/// # Examples
///
/// ```
/// use spinney::{block_on, try_group};
///
/// let errors = block_on(try_group(async |g| {
///     g.spawn_named("lookup", async { Err::<(), _>("no route") }).await;
///     Ok(())
/// }))
/// .unwrap_err();
/// let entry = errors.entries().next().unwrap();
/// assert_eq!((*entry.error, entry.name), ("no route", Some("lookup")));
/// assert!(entry.task.is_some() && !entry.after_cancel);
/// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use spinney::{Group, block_on, try_group};
    /// # let errors = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    /// #     g.cancel("no route");
    /// #     Err::<(), _>("no name")
    /// # }))
    /// # .unwrap_err();
    /// // A call of `cancel` with "no route", and after it a body that returned "no name".
    /// assert_eq!(*errors.first(), "no route");
    /// ```
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "an `Errors` is never empty")]
    pub fn first(&self) -> &E {
        &self.entries.first().expect("never empty").error
    }

    /// The error that ended the group, by value; the others are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use spinney::{Group, block_on, try_group};
    /// # let errors = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    /// #     g.cancel("no route");
    /// #     Err::<(), _>("no name")
    /// # }))
    /// # .unwrap_err();
    /// // A call of `cancel` with "no route", and after it a body that returned "no name".
    /// assert_eq!(errors.into_first(), "no route");
    /// ```
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "an `Errors` is never empty")]
    pub fn into_first(self) -> E {
        self.entries.into_iter().next().expect("never empty").error
    }

    /// The errors that are kept, in the order in which they came.
    ///
    /// # Examples
    ///
    /// ```
    /// # use spinney::{Group, block_on, try_group};
    /// # let errors = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    /// #     g.cancel("no route");
    /// #     Err::<(), _>("no name")
    /// # }))
    /// # .unwrap_err();
    /// // A call of `cancel` with "no route", and after it a body that returned "no name".
    /// assert_eq!(errors.iter().collect::<Vec<_>>(), [&"no route", &"no name"]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.entries.iter().map(|entry| &entry.error)
    }

    /// The errors that are kept, each with its origin.
    ///
    /// # Examples
    ///
    /// ```
    /// # use spinney::{Group, block_on, try_group};
    /// # let errors = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    /// #     g.cancel("no route");
    /// #     Err::<(), _>("no name")
    /// # }))
    /// # .unwrap_err();
    /// // A call of `cancel` with "no route", and after it a body that returned "no name".
    /// let late = errors.entries().filter(|entry| entry.after_cancel);
    /// assert_eq!(late.map(|entry| *entry.error).collect::<Vec<_>>(), ["no name"]);
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use spinney::{Group, block_on, try_group};
    /// # let errors = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    /// #     g.cancel("no route");
    /// #     Err::<(), _>("no name")
    /// # }))
    /// # .unwrap_err();
    /// // A call of `cancel` with "no route", and after it a body that returned "no name".
    /// assert_eq!(errors.len(), 2);
    /// ```
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many more errors there were; each was handed to the runtime's hook.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, Runtime, try_group};
    ///
    /// let runtime = Runtime::builder().workers(1).on_unobserved(|_| ()).build()?;
    /// let result = runtime.block_on(try_group(async |g: Group<'_, '_, u32>| {
    ///     (1..=40).for_each(|number| g.cancel(number));
    ///     Ok(())
    /// }));
    /// let errors = result.unwrap_err();
    /// assert_eq!((errors.len(), errors.omitted()), (32, 8));
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
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

/// # Examples
///
/// ```
/// use spinney::{Errors, Group, block_on, try_group};
/// use std::io;
///
/// fn two() -> io::Result<()> {
///     let kinds = [io::ErrorKind::NotFound, io::ErrorKind::TimedOut];
///     block_on(try_group(async |g: Group<'_, '_, io::Error>| {
///         kinds.map(|kind| g.cancel(kind.into()));
///         Ok(())
///     }))?;
///     Ok(())
/// }
///
/// let error = two().unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::NotFound);
/// let all = error.get_ref().unwrap().downcast_ref::<Errors<io::Error>>();
/// assert_eq!(all.unwrap().len(), 2);
/// ```
impl From<Errors<io::Error>> for io::Error {
    /// One error is that error. Of several, the kind is that of the first, and the [`Errors`] is
    /// inside, with [`get_ref`](io::Error::get_ref): so `?` loses none.
    fn from(errors: Errors<io::Error>) -> Self {
        match errors.len() + errors.omitted {
            1 => errors.into_first(),
            _ => Self::new(errors.first().kind(), errors),
        }
    }
}
