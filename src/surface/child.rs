//! A child's handle: its output, its cancel, its name.

#![expect(
    unsafe_code,
    reason = "kinds receive the group of their child as an untyped node"
)]

use crate::group::node::Node;
use crate::report::failure::TaskId;
use crate::report::reason::Origin;
use crate::surface::group::{Group, Invariant};
use crate::surface::outcome::Outcome;
use crate::task::cell::{Kind, fail_with_panic};
use crate::task::handle::Handle;
use crate::tree::typed_node::Typed;
use crate::tree::unresolvable::{Asked, dead};
use crate::unwind::{self, Payload};
use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// The kind of an ordinary child: its failure is the group's.
pub(crate) struct Plain<E>(PhantomData<E>);

impl<O: Outcome<E>, E: Send + 'static> Kind<O> for Plain<E> {
    type Value = O::Value;

    unsafe fn finish(output: O, node: NonNull<Node>, origin: Origin) -> Option<O::Value> {
        match output.into_result() {
            Ok(value) => Some(value),
            Err(error) => {
                // SAFETY: the caller's promise: the group of this child, whose error is `E`.
                unsafe { Typed::<E>::of(node) }.fail(error, origin);
                None
            }
        }
    }

    unsafe fn panicked(payload: Payload, node: NonNull<Node>, origin: Origin) -> Option<O::Value> {
        // SAFETY: the caller's promise.
        unsafe { fail_with_panic(payload, node, origin) };
        None
    }

    unsafe fn unclaimed(value: O::Value, _: NonNull<Node>, _: Origin) {
        drop(value);
    }
}

/// The kind of a supervised child: its failure belongs to its handle.
pub(crate) struct Watched<E>(PhantomData<E>);

impl<T: Send, E: Send + 'static> Kind<Result<T, E>> for Watched<E> {
    type Value = Result<T, Failure<E>>;

    unsafe fn finish(
        output: Result<T, E>,
        _: NonNull<Node>,
        _: Origin,
    ) -> Option<Result<T, Failure<E>>> {
        Some(output.map_err(Failure::Error))
    }

    unsafe fn panicked(
        payload: Payload,
        node: NonNull<Node>,
        _: Origin,
    ) -> Option<Result<T, Failure<E>>> {
        // SAFETY: the caller's promise: alive.
        let cancelled = unsafe { node.as_ref() }.is_cancelled();
        (!cancelled || !unwind::is_cut(&*payload)).then_some(Err(Failure::Panic(payload)))
    }

    unsafe fn unclaimed(value: Result<T, Failure<E>>, node: NonNull<Node>, origin: Origin) {
        if let Err(failure) = value {
            // SAFETY: the caller's promise.
            unsafe { pass_on(failure, node, origin) };
        }
    }
}

/// A failure that nobody looked at is a failing child after all.
///
/// # Safety
///
/// `node` is alive and of error type `E`.
pub(crate) unsafe fn pass_on<E: Send + 'static>(
    failure: Failure<E>,
    node: NonNull<Node>,
    origin: Origin,
) {
    match failure {
        // SAFETY: the caller's promise.
        Failure::Error(error) => unsafe { Typed::<E>::of(node) }.fail(error, origin),
        // SAFETY: the caller's promise.
        Failure::Panic(payload) => unsafe { fail_with_panic(payload, node, origin) },
    }
}

/// Why a supervised child has no value.
pub enum Failure<E> {
    /// It returned this error.
    Error(E),
    /// It panicked with this payload.
    Panic(Box<dyn Any + Send>),
}

impl<E: fmt::Debug> fmt::Debug for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => f.debug_tuple("Error").field(error).finish(),
            Self::Panic(payload) => f
                .debug_tuple("Panic")
                .field(&unwind::message(&**payload))
                .finish(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panic(payload) => write!(f, "panicked: {}", unwind::message(&**payload)),
        }
    }
}

impl<E: Error + 'static> Error for Failure<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Error(error) => error.source(),
            Self::Panic(_) => None,
        }
    }
}

/// A child of a group; awaiting it gives its value.
///
/// A child that fails, or is cut, never gives a value: whoever could await it is being dropped. Dropping the handle
/// leaves the child in its group.
///
/// # Cancellation
///
/// Dropping a pending await loses nothing.
pub struct Task<'s, T> {
    handle: Handle<T>,
    asked: Asked,
    group: PhantomData<fn(&'s ()) -> &'s ()>,
}

impl<'s, T> Task<'s, T> {
    pub(crate) fn new(handle: Handle<T>) -> Self {
        Self {
            handle,
            asked: Asked::default(),
            group: PhantomData,
        }
    }

    /// Cuts this child alone, now; the returned future only joins it: `Some` if it had finished.
    pub fn cancel(self) -> CancelTask<'s, T> {
        self.handle.cancel();
        CancelTask(self)
    }

    /// Whether the child has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// The child's number.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.handle.id()
    }

    /// The child's name, or, if it was given none, where it was spawned: `src/main.rs:12`.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        self.handle.display_name()
    }
}

// Nothing in a handle is pinned.
impl<T> Unpin for Task<'_, T> {}

impl<T> Future for Task<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.handle.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(value)) => Poll::Ready(value),
            Poll::Ready(None) => {
                let Self { handle, asked, .. } = &mut *self;
                dead(|| handle.describe(), asked, cx)
            }
        }
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

/// A child whose failure belongs to its handle: [`Group::supervise`].
///
/// Dropped unread, a failure is passed on to the group, as if the child had been spawned.
#[must_use = "a supervised child that nobody reads passes its failure to the group"]
pub struct Supervised<'s, T, E: Send + 'static> {
    handle: Handle<Result<T, Failure<E>>>,
    asked: Asked,
    node: NonNull<Node>,
    group: PhantomData<Invariant<'s>>,
    error: PhantomData<fn(E) -> E>,
}

// SAFETY: the node is `Send` and `Sync`, and `'s` keeps it alive.
unsafe impl<T: Send, E: Send> Send for Supervised<'_, T, E> {}
// SAFETY: as above; a shared handle only reads the state.
unsafe impl<T: Send, E: Send> Sync for Supervised<'_, T, E> {}

impl<'s, T, E: Send + 'static> Supervised<'s, T, E> {
    pub(crate) fn new(handle: Handle<Result<T, Failure<E>>>, group: Group<'s, '_, E>) -> Self {
        Self {
            handle,
            asked: Asked::default(),
            node: group.node(),
            group: PhantomData,
            error: PhantomData,
        }
    }

    /// Cuts this child alone, now; the returned future only joins it: `Some` if it had finished.
    pub fn cancel(self) -> CancelSupervised<'s, T, E> {
        self.handle.cancel();
        CancelSupervised(self)
    }

    /// Whether the child has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// The child's number.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.handle.id()
    }

    /// The child's name, or, if it was given none, where it was spawned: `src/main.rs:12`.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        self.handle.display_name()
    }
}

impl<T, E: Send + 'static> Unpin for Supervised<'_, T, E> {}

impl<T, E: Send + 'static> Future for Supervised<'_, T, E> {
    type Output = Result<T, Failure<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.handle.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(result)) => Poll::Ready(result),
            Poll::Ready(None) => {
                let Self { handle, asked, .. } = &mut *self;
                dead(|| handle.describe(), asked, cx)
            }
        }
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
            // SAFETY: `'s` keeps the group open while this value exists; its error is `E`.
            unsafe { pass_on(failure, self.node, origin) };
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
