//! The futures of groups, and the functions that make them: free groups, and groups inside groups.

use crate::api::group::body::{Call, Plain};
use crate::api::group::handle::{Group, Never};
use crate::api::group::lifetime::Invariant;
use crate::api::group::machine::{Machine, Setup};
use crate::report::errors::Errors;
use pin_project_lite::pin_project;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Opens a group whose body and children cannot fail; resolves when all of them have ended.
///
/// The body does not wait for its children, the group does: lines that come after them stand after
/// this, or after [`g.joined().await`](Group::joined). The body is an async closure, `async |g|`;
/// of a closure with an `async` block inside, `|g| async move {}`, the compiler says that it is
/// "not general enough".
///
/// # Examples
///
/// ```
/// let n = spinney::block_on(spinney::group(async |g| {
///     let child = g.spawn(async { Ok(20) });
///     child.await + 1
/// }));
/// assert_eq!(n, 21);
/// ```
///
/// # Panics
///
/// The first panic of the body or of a child resumes in the awaiter of the group, after all
/// children have ended.
///
/// # Cancellation
///
/// A group that is dropped early cancels its children at once; the enclosing group joins them.
#[track_caller]
pub fn group<R, F, B>(body: F) -> GroupFuture<'static, R, F, B>
where
    F: for<'s> AsyncFnOnce(Group<'s, 'static>) -> R + FnOnce(Group<'static, 'static>) -> B,
    B: Future<Output = R>,
{
    GroupFuture::new(body, Setup::at(Location::caller()))
}

/// Opens a group that can fail: the first error of the body or of a child cancels the rest.
///
/// # Examples
///
/// ```
/// use spinney::Group;
///
/// let result = spinney::block_on(spinney::try_group(async |g: Group<'_, '_, String>| {
///     g.spawn(async { Err::<(), _>("no".to_owned()) }).await;
///     Ok(())
/// }));
/// assert_eq!(result.unwrap_err().into_first(), "no");
/// ```
///
/// # Errors
///
/// All errors of the group, in the order in which they came: [`Errors`].
///
/// # Panics
///
/// As [`group`]; errors that the panic outranks go to the runtime's hook.
#[track_caller]
pub fn try_group<R, E, F, B>(body: F) -> TryGroupFuture<'static, R, E, F, B>
where
    F: for<'s> AsyncFnOnce(Group<'s, 'static, E>) -> Result<R, E>
        + FnOnce(Group<'static, 'static, E>) -> B,
    B: Future<Output = Result<R, E>>,
    E: Send + 'static,
{
    TryGroupFuture::new(body, Setup::at(Location::caller()))
}

impl<'s, E: Send + 'static> Group<'s, '_, E> {
    /// Opens a group inside this one: its children also borrow what this group's children may.
    ///
    /// # Examples
    ///
    /// ```
    /// let sum = spinney::block_on(spinney::group(async |g| {
    ///     let numbers = g.keep([1, 2, 3]);
    ///     g.group(async |inner| {
    ///         let first = inner.spawn(async { Ok(numbers[0]) });
    ///         let last = inner.spawn(async { Ok(numbers[2]) });
    ///         first.await + last.await
    ///     })
    ///     .await // both have ended
    /// }));
    /// assert_eq!(sum, 4);
    /// ```
    ///
    /// # Panics
    ///
    /// As the free [`group`](crate::group).
    ///
    /// # Cancellation
    ///
    /// A cancel of this group cuts the inner one, too. Dropped early, the inner group is joined by
    /// this one.
    #[track_caller]
    pub fn group<R, F, B>(self, body: F) -> GroupFuture<'s, R, F, B>
    where
        F: for<'i> AsyncFnOnce(Group<'i, 's>) -> R + FnOnce(Group<'s, 's>) -> B,
        B: Future<Output = R>,
    {
        GroupFuture::new(body, Setup::within(self, Location::caller()))
    }

    /// As [`group`](Group::group), for a group that can fail.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, block_on, group};
    ///
    /// let text = block_on(group(async |g| {
    ///     let inner = g.try_group(async |inner: Group<'_, '_, &'static str>| {
    ///         inner.spawn(async { Err::<(), _>("no") }).await;
    ///         Ok(())
    ///     });
    ///     match inner.await {
    ///         Ok(()) => "yes",
    ///         Err(errors) => errors.into_first(), // and this group goes on
    ///     }
    /// }));
    /// assert_eq!(text, "no");
    /// ```
    ///
    /// # Errors
    ///
    /// All errors of the inner group, in the order in which they came.
    ///
    /// # Panics
    ///
    /// As the free [`try_group`](crate::try_group).
    ///
    /// # Cancellation
    ///
    /// A cancel of this group cuts the inner one, too. Dropped early, the inner group is joined by
    /// this one.
    #[track_caller]
    pub fn try_group<R, E2, F, B>(self, body: F) -> TryGroupFuture<'s, R, E2, F, B>
    where
        F: for<'i> AsyncFnOnce(Group<'i, 's, E2>) -> Result<R, E2> + FnOnce(Group<'s, 's, E2>) -> B,
        B: Future<Output = Result<R, E2>>,
        E2: Send + 'static,
    {
        TryGroupFuture::new(body, Setup::within(self, Location::caller()))
    }
}

pin_project! {
    /// The future of [`group`].
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::future::GroupFuture;
    ///
    /// /// A group that is opened when it is awaited.
    /// struct Later<R, F, B>(GroupFuture<'static, R, F, B>);
    ///
    /// let later = Later(spinney::group(async |g| g.spawn(async { Ok(7) }).await));
    /// assert_eq!(spinney::block_on(later.0), 7);
    /// ```
    #[must_use = "a group does nothing unless it is awaited"]
    pub struct GroupFuture<'s, R, F, B> {
        #[pin]
        machine: Machine<'s, F, B, R, Never>,
        call: Call<'s, Never, F, B>,
        lifetime: PhantomData<Invariant<'s>>,
    }
}

pin_project! {
    /// The future of [`try_group`].
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, block_on, future::TryGroupFuture, try_group};
    ///
    /// /// A group that is opened when it is awaited.
    /// struct Later<R, F, B>(TryGroupFuture<'static, R, u8, F, B>);
    ///
    /// let later = Later(try_group(async |_: Group<'_, '_, u8>| Err::<(), _>(7)));
    /// assert_eq!(block_on(later.0).unwrap_err().into_first(), 7);
    /// ```
    #[must_use = "a group does nothing unless it is awaited"]
    pub struct TryGroupFuture<'s, R, E, F, B>
    where
        E: Send,
        E: 'static,
    {
        #[pin]
        machine: Machine<'s, F, B, R, E>,
        call: Call<'s, E, F, B>,
        lifetime: PhantomData<Invariant<'s>>,
    }
}

impl<'s, R, F, B> GroupFuture<'s, R, F, B>
where
    F: for<'i> AsyncFnOnce(Group<'i, 's>) -> R + FnOnce(Group<'s, 's>) -> B,
{
    fn new(body: F, setup: Setup<'s, Never>) -> Self {
        Self {
            machine: Machine::new(body, setup),
            call: Call::of_body(),
            lifetime: PhantomData,
        }
    }
}

impl<'s, R, E, F, B> TryGroupFuture<'s, R, E, F, B>
where
    E: Send + 'static,
    F: for<'i> AsyncFnOnce(Group<'i, 's, E>) -> Result<R, E> + FnOnce(Group<'s, 's, E>) -> B,
{
    pub(crate) fn new(body: F, setup: Setup<'s, E>) -> Self {
        Self {
            machine: Machine::new(body, setup),
            call: Call::of_body(),
            lifetime: PhantomData,
        }
    }
}

impl<R, F, B> GroupFuture<'_, R, F, B> {
    /// The group's name, for messages, dumps and
    /// [`current::group_path`](crate::current::group_path).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{block_on, current, group};
    ///
    /// let path = block_on(group(async |_| current::group_path()).name("server"));
    /// assert_eq!(path.unwrap().to_string(), "server");
    /// ```
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.machine.set_name(name.into());
        self
    }
}

impl<R, E: Send + 'static, F, B> TryGroupFuture<'_, R, E, F, B> {
    /// As [`GroupFuture::name`].
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, block_on, current, group};
    ///
    /// let path = block_on(group(async |g| {
    ///     let conn = g.try_group(async |_: Group<'_, '_, u8>| Ok(current::group_path()));
    ///     conn.name("conn").await
    /// }).name("server"));
    /// assert_eq!(path.unwrap().unwrap().to_string(), "server/conn");
    /// ```
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.machine.set_name(name.into());
        self
    }
}

impl<R, F, B: Future<Output = R>> Future for GroupFuture<'_, R, F, B> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.project();
        this.machine
            .poll(cx, *this.call, Plain)
            .map(|result| match result {
                Ok(value) => value,
                Err(errors) => match *errors.first() {},
            })
    }
}

impl<R, E, F, B> Future for TryGroupFuture<'_, R, E, F, B>
where
    B: Future<Output = Result<R, E>>,
    E: Send + 'static,
{
    type Output = Result<R, Errors<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.machine.poll(cx, *this.call, |output| output)
    }
}

macro_rules! debug_by_state {
    ($($name:ident [$($generics:tt)*] $type:ty),*) => {$(
        impl<$($generics)*> fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("open", &self.machine.owner().map(|owner| &owner.node))
                    .finish_non_exhaustive()
            }
        }
    )*};
}

debug_by_state!(
    GroupFuture [R, F, B] GroupFuture<'_, R, F, B>,
    TryGroupFuture [R, E: Send + 'static, F, B] TryGroupFuture<'_, R, E, F, B>
);
