//! An ordinary child's handle: its output, its cancel, its name.

use crate::report::failure::TaskId;
use crate::task::handle::TaskHandle;
use crate::tree::unresolvable::Asked;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A child of a group; awaiting it gives its value.
///
/// A child that fails, or is cut, never gives a value: its awaiter is being dropped. Dropping the
/// handle leaves the child in its group.
///
/// # Examples
///
/// ```
/// use spinney::{Task, block_on, group};
///
/// async fn both(left: Task<'_, u32>, right: Task<'_, u32>) -> u32 {
///     left.await + right.await
/// }
///
/// let sum = block_on(group(async |g| {
///     both(g.spawn(async { Ok(1) }), g.spawn(async { Ok(2) })).await
/// }));
/// assert_eq!(sum, 3);
/// ```
///
/// # Panics
///
/// Awaited where the child was cut and the awaiter is not being cut: it will never have a value.
///
/// # Cancellation
///
/// Dropping a pending await loses nothing.
pub struct Task<'s, T> {
    handle: TaskHandle<T>,
    asked: Asked,
    group: PhantomData<fn(&'s ()) -> &'s ()>,
}

impl<'s, T> Task<'s, T> {
    #[inline]
    pub(crate) fn new(handle: TaskHandle<T>) -> Self {
        Self {
            handle,
            asked: Asked::default(),
            group: PhantomData,
        }
    }

    /// Cuts this child alone, now; the returned future only joins it: `Some` if it had finished.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::pending;
    ///
    /// let value = spinney::block_on(spinney::group(async |g| {
    ///     let child = g.spawn(pending::<()>());
    ///     child.cancel().await
    /// }));
    /// assert_eq!(value, None);
    /// ```
    pub fn cancel(self) -> CancelTask<'s, T> {
        self.handle.cancel();
        CancelTask(self)
    }

    /// Whether the child has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let mut child = g.spawn(async { Ok(1) });
    ///     assert_eq!((&mut child).await, 1);
    ///     assert!(child.is_finished());
    /// }));
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// The child's number.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let child = g.spawn(async { Ok(spinney::current::task_id()) });
    ///     let id = child.id();
    ///     assert_eq!(child.await, Some(id));
    /// }));
    /// ```
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.handle.id()
    }

    /// The child's name, or, if it was given none, where it was spawned: `src/main.rs:12`.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     assert_eq!(g.spawn_named("fetch", async {}).name(), "fetch");
    ///     assert!(g.spawn(async {}).name().contains(".rs:")); // the place of the spawn
    /// }));
    /// ```
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        self.handle.display_name()
    }
}

// Nothing in a handle is pinned.
impl<T> Unpin for Task<'_, T> {}

impl<T> Future for Task<'_, T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Self { handle, asked, .. } = &mut *self;
        handle.poll_value(asked, cx)
    }
}

impl<T> fmt::Debug for Task<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.id())
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// The join of a child that was cancelled: [`Task::cancel`].
///
/// # Examples
///
/// ```
/// use spinney::{Task, future::CancelTask};
/// use std::future::pending;
///
/// fn end<T>(child: Task<'_, T>) -> CancelTask<'_, T> {
///     child.cancel()
/// }
///
/// spinney::block_on(spinney::group(async |g| {
///     assert_eq!(end(g.spawn(pending::<()>())).await, None);
/// }));
/// ```
pub struct CancelTask<'s, T>(Task<'s, T>);

impl<T> Unpin for CancelTask<'_, T> {}

impl<T> Future for CancelTask<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.handle.poll(cx)
    }
}

impl<T> fmt::Debug for CancelTask<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelTask").field(&self.0).finish()
    }
}
