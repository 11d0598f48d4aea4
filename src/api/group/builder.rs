//! Options of a group, and the place to name its error type.

use crate::api::group::futures::TryGroupFuture;
use crate::api::group::handle::Group;
use crate::api::group::machine::Setup;
use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// Options of a group.
///
/// # Examples
///
/// ```
/// use spinney::GroupBuilder;
///
/// let group = GroupBuilder::<String>::new().name("import").run(async |g| {
///     g.spawn(async { Ok(()) }).await;
///     Ok(3)
/// });
/// assert_eq!(spinney::block_on(group).unwrap(), 3);
/// ```
#[must_use = "a builder does nothing until it runs a body"]
pub struct GroupBuilder<E> {
    name: Option<Cow<'static, str>>,
    deadline: Option<(Duration, E)>,
}

impl<E: Send + 'static> GroupBuilder<E> {
    /// No name, no deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{GroupBuilder, block_on};
    ///
    /// let group = GroupBuilder::<&'static str>::new().run(async |_| Err::<(), _>("no"));
    /// assert_eq!(block_on(group).unwrap_err().into_first(), "no");
    /// ```
    pub const fn new() -> Self {
        Self {
            name: None,
            deadline: None,
        }
    }

    /// The group's name, for messages, dumps and
    /// [`current::group_path`](crate::current::group_path).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{GroupBuilder, Never, block_on, current};
    ///
    /// let path = block_on(GroupBuilder::<Never>::new().name("server").run(async |_| {
    ///     Ok(current::group_path().unwrap().to_string())
    /// }));
    /// assert_eq!(path.unwrap(), "server");
    /// ```
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Ends the group with this error if it has not ended `after` its first poll.
    ///
    /// `Duration::MAX` means never. Zero grants that poll: if the body gives its value in it, does
    /// not block, and leaves no child, the deadline was met.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{GroupBuilder, block_on};
    /// use std::future::pending;
    /// use std::time::Duration;
    ///
    /// let group = GroupBuilder::new()
    ///     .deadline(Duration::from_millis(1), "too late")
    ///     .run(async |_| Ok(pending::<()>().await));
    /// assert_eq!(block_on(group).unwrap_err().into_first(), "too late");
    /// ```
    pub fn deadline(mut self, after: Duration, error: E) -> Self {
        self.deadline = Some((after, error));
        self
    }

    /// Opens the group: [`try_group`](crate::try_group) with these options.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{GroupBuilder, Never, block_on};
    ///
    /// let sum = block_on(GroupBuilder::<Never>::new().name("sum").run(async |g| {
    ///     Ok(g.spawn(async { Ok(1) }).await + g.spawn(async { Ok(2) }).await)
    /// }));
    /// assert_eq!(sum.unwrap(), 3);
    /// ```
    ///
    /// # Errors
    ///
    /// All errors of the group, in the order in which they came.
    ///
    /// # Panics
    ///
    /// As [`try_group`](crate::try_group).
    ///
    /// # Cancellation
    ///
    /// As [`group`](crate::group).
    #[track_caller]
    pub fn run<R, F, B>(self, body: F) -> TryGroupFuture<'static, R, E, F, B>
    where
        F: for<'s> AsyncFnOnce(Group<'s, 'static, E>) -> Result<R, E>
            + FnOnce(Group<'static, 'static, E>) -> B,
        B: Future<Output = Result<R, E>>,
    {
        let setup = Setup::at(Location::caller());
        TryGroupFuture::new(body, setup.with(self.name, self.deadline))
    }
}

impl<E: Send + 'static> GroupBuilder<E> {
    /// Opens the group inside `group`: [`Group::try_group`] with these options.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{GroupBuilder, block_on, group};
    ///
    /// let sum = block_on(group(async |g| {
    ///     let numbers = g.keep([1, 2]);
    ///     let inner = GroupBuilder::<&'static str>::new().name("inner");
    ///     let sum = inner.run_in(g, async |inner| {
    ///         Ok(inner.spawn(async { Ok(numbers.iter().sum::<u32>()) }).await)
    ///     });
    ///     sum.await.unwrap_or(0)
    /// }));
    /// assert_eq!(sum, 3);
    /// ```
    ///
    /// # Errors
    ///
    /// All errors of the inner group, in the order in which they came.
    ///
    /// # Panics
    ///
    /// As [`try_group`](crate::try_group).
    ///
    /// # Cancellation
    ///
    /// A cancel of `group` cuts the inner group, too. Dropped early, it is joined by `group`.
    #[track_caller]
    pub fn run_in<'s, R, F, B, E0>(
        self,
        group: Group<'s, '_, E0>,
        body: F,
    ) -> TryGroupFuture<'s, R, E, F, B>
    where
        F: for<'i> AsyncFnOnce(Group<'i, 's, E>) -> Result<R, E> + FnOnce(Group<'s, 's, E>) -> B,
        B: Future<Output = Result<R, E>>,
        E0: Send + 'static,
    {
        let setup = Setup::within(group, Location::caller());
        TryGroupFuture::new(body, setup.with(self.name, self.deadline))
    }
}

impl<E: Send + 'static> Default for GroupBuilder<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> fmt::Debug for GroupBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupBuilder")
            .field("name", &self.name)
            .field("deadline", &self.deadline.as_ref().map(|(after, _)| after))
            .finish()
    }
}
