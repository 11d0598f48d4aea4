//! Supervised children, whose failure belongs to their handle, and is the group's only if the
//! handle is dropped unread.

use crate::api::child::failure::Failure;
use crate::api::child::spawn::birth;
use crate::api::group::handle::Group;
use crate::api::group::lifetime::Invariant;
use crate::report::failure::TaskId;
use crate::report::reason::Origin;
use crate::task::cell::Kind;
use crate::task::handle::TaskHandle;
use crate::task::spawn;
use crate::tree::typed_node::Typed;
use crate::tree::unresolvable::Asked;
use crate::unwind::{self, Payload};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The kind of a supervised child: its failure belongs to its handle.
pub(crate) struct SupervisedKind<E>(PhantomData<E>);

impl<T: Send, E: Send + 'static> Kind<Result<T, E>> for SupervisedKind<E> {
    type Error = E;
    type Value = Result<T, Failure<E>>;

    fn finish(output: Result<T, E>, _: &Typed<E>, _: Origin) -> Option<Result<T, Failure<E>>> {
        Some(output.map_err(Failure::Error))
    }

    fn panicked(payload: Payload, group: &Typed<E>, _: Origin) -> Option<Result<T, Failure<E>>> {
        let cut = group.is_cancelled() && unwind::is_cut(&*payload);
        (!cut).then_some(Err(Failure::Panic(payload)))
    }

    fn unclaimed(value: Result<T, Failure<E>>, group: &Typed<E>, origin: Origin) {
        if let Err(failure) = value {
            failure.pass_on(group, origin);
        }
    }
}

impl<'s, E: Send + 'static> Group<'s, '_, E> {
    /// Starts a child whose failure belongs to its handle: siblings live on.
    ///
    /// A handle that is dropped unread passes a failure on to the group.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Failure, Group, block_on, try_group};
    ///
    /// let result = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    ///     let cache = g.supervise(async { Err::<u8, _>("cold") });
    ///     let value = g.spawn(async { Ok(1) }); // lives on
    ///     match cache.await {
    ///         Ok(value) => Ok(value),
    ///         Err(Failure::Error(_) | Failure::Panic(_)) => Ok(value.await),
    ///     }
    /// }));
    /// assert_eq!(result.unwrap(), 1);
    /// ```
    #[track_caller]
    pub fn supervise<F, T>(self, future: F) -> Supervised<'s, T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 's,
        T: Send + 's,
    {
        let birth = birth(None, Location::caller());
        let handle = spawn::spawn_into::<F, SupervisedKind<E>>(self.spawner(), future, birth);
        Supervised {
            handle,
            asked: Asked::default(),
            group: self.typed(),
            lifetime: PhantomData,
        }
    }
}

/// A child whose failure belongs to its handle: [`Group::supervise`].
///
/// Dropped unread, a failure is passed on to the group, as if the child had been spawned.
///
/// # Examples
///
/// ```
/// use spinney::{Never, Supervised, block_on, group};
///
/// async fn outcome(child: Supervised<'_, u8, Never>) -> &'static str {
///     match child.await {
///         Ok(_) => "value",
///         Err(_) => "failure",
///     }
/// }
///
/// let seen = block_on(group(async |g| outcome(g.supervise(async { Ok(1) })).await));
/// assert_eq!(seen, "value");
/// ```
///
/// # Panics
///
/// Awaited where the child was cut and the awaiter is not being cut: it will never have a value.
///
/// # Cancellation
///
/// Dropping a pending await of `&mut` it loses nothing; dropping it by value passes a failure on.
#[must_use = "a supervised child that is not read passes its failure to the group"]
pub struct Supervised<'s, T, E: Send + 'static> {
    handle: TaskHandle<Result<T, Failure<E>>>,
    asked: Asked,
    group: &'s Typed<E>,
    lifetime: PhantomData<Invariant<'s>>,
}

impl<'s, T, E: Send + 'static> Supervised<'s, T, E> {
    /// Cuts this child alone, now; the returned future only joins it: `Some` if it had finished.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::pending;
    ///
    /// let value = spinney::block_on(spinney::group(async |g| {
    ///     let child = g.supervise(pending::<Result<u8, spinney::Never>>());
    ///     child.cancel().await
    /// }));
    /// assert!(value.is_none());
    /// ```
    pub fn cancel(self) -> CancelSupervised<'s, T, E> {
        self.handle.cancel();
        CancelSupervised(self)
    }

    /// Whether the child has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let mut child = g.supervise(async { Ok(1) });
    ///     assert_eq!((&mut child).await.unwrap(), 1);
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
    ///     let child = g.supervise(async { Ok(spinney::current::task_id()) });
    ///     let id = child.id();
    ///     assert_eq!(child.await.unwrap(), Some(id));
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
    ///     let child = g.supervise(async { Ok(()) });
    ///     assert!(child.name().contains(".rs:")); // the place of the spawn
    ///     let _ = child.await;
    /// }));
    /// ```
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        self.handle.display_name()
    }
}

impl<T, E: Send + 'static> Unpin for Supervised<'_, T, E> {}

impl<T, E: Send + 'static> Future for Supervised<'_, T, E> {
    type Output = Result<T, Failure<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { handle, asked, .. } = &mut *self;
        handle.poll_value(asked, cx)
    }
}

impl<T, E: Send + 'static> Drop for Supervised<'_, T, E> {
    fn drop(&mut self) {
        let origin = Origin {
            task: Some(self.handle.id()),
            name: self.handle.name(),
            location: match self.handle.location() {
                Some(location) => location,
                None => return,
            },
        };
        if let Some(Err(failure)) = self.handle.take() {
            failure.pass_on(self.group, origin);
        }
    }
}

impl<T, E: Send + 'static> fmt::Debug for Supervised<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised")
            .field("id", &self.id())
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// The join of a supervised child that was cancelled: [`Supervised::cancel`].
///
/// # Examples
///
/// ```
/// use spinney::{Never, Supervised, future::CancelSupervised};
/// use std::future::pending;
///
/// fn end<'s>(child: Supervised<'s, u8, Never>) -> CancelSupervised<'s, u8, Never> {
///     child.cancel()
/// }
///
/// spinney::block_on(spinney::group(async |g| {
///     assert!(end(g.supervise(pending())).await.is_none());
/// }));
/// ```
#[must_use = "dropped unread, it passes a failure on to the group"]
pub struct CancelSupervised<'s, T, E: Send + 'static>(Supervised<'s, T, E>);

impl<T, E: Send + 'static> Unpin for CancelSupervised<'_, T, E> {}

impl<T, E: Send + 'static> Future for CancelSupervised<'_, T, E> {
    type Output = Option<Result<T, Failure<E>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.handle.poll(cx)
    }
}

impl<T, E: Send + 'static> fmt::Debug for CancelSupervised<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelSupervised").field(&self.0).finish()
    }
}
