//! The handle of an open group, and the futures that open one.

#![expect(
    unsafe_code,
    reason = "the lifetime `'s` stands for a node that is alive"
)]

use crate::group::node::Gate;
use crate::group::node::Late;
use crate::group::node::{Node, NodeTable};
use crate::report::errors::Errors;
use crate::report::reason::CancelKind;
use crate::report::reason::Origin;
use crate::tree::cascade;
use crate::tree::zero_deadline;

use crate::surface::child::{Failure, Plain, Supervised, Task, Watched, pass_on};
use crate::surface::current::Stopping;
use crate::surface::handle::GroupHandle;
use crate::surface::local::{self, Carrying};
use crate::surface::opened::{Machine, Parent, Setup, Whole};
use crate::surface::outcome::{Never, Outcome};
use crate::sync::Arc;
use crate::task::cell::Birth;
use crate::task::header::{self, Extension};
use crate::task::{closer, run};
use crate::tree::typed_node::Typed;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

struct Table<E>(PhantomData<E>);

impl<E: Send + 'static> Table<E> {
    const TABLE: NodeTable = NodeTable {
        reaper: &crate::tree::reaper::TABLE,
        free: Typed::<E>::free,
        report_errors: Typed::<E>::report,
        start_closer: closer::start,
        mark_member: header::mark_member,
        describe_member: header::describe_member,
    };
}

/// The table of nodes with error type `E`.
pub(crate) const fn table<E: Send + 'static>() -> &'static NodeTable {
    &Table::<E>::TABLE
}

/// Can be neither shortened nor lengthened.
pub(crate) type Invariant<'a> = fn(&'a ()) -> &'a ();

/// An open group: where children are spawned and values kept.
///
/// It is `Copy`, one pointer, and can be used by the body and by every child. Children may borrow whatever outlives
/// `'s`: what the group keeps, and what encloses it (`'p`). Nothing that mentions `'s` can leave the group.
pub struct Group<'s, 'p: 's, E = Never> {
    node: NonNull<Node>,
    lifetimes: PhantomData<(Invariant<'s>, Invariant<'p>)>,
    error: PhantomData<fn(E) -> E>,
}

impl<E> Clone for Group<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Group<'_, '_, E> {}

// SAFETY: the node is `Send` and `Sync`; `'s` keeps it alive; an `E` is only ever moved in, and must be `Send` then.
unsafe impl<E> Send for Group<'_, '_, E> {}
// SAFETY: as above.
unsafe impl<E> Sync for Group<'_, '_, E> {}

impl<E> fmt::Debug for Group<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.untyped().fmt(f)
    }
}

impl<E> Group<'_, '_, E> {
    pub(crate) fn node(self) -> NonNull<Node> {
        self.node
    }

    pub(crate) fn untyped(&self) -> &Node {
        // SAFETY: whoever can use `'s` is the body or a child, or belongs to one: the group has not ended.
        unsafe { self.node.as_ref() }
    }
}

impl<'s, 'p, E: Send + 'static> Group<'s, 'p, E> {
    /// The handle of a node, for the one call of the closure.
    pub(crate) fn from_node(node: NonNull<Node>) -> Self {
        Self {
            node,
            lifetimes: PhantomData,
            error: PhantomData,
        }
    }

    fn typed(&self) -> &Typed<E> {
        // SAFETY: the node was opened with this error type; `'s` keeps it alive.
        unsafe { Typed::of(self.node) }
    }

    /// Starts a child, which runs in parallel with the body. Its failure is the group's.
    ///
    /// A child returns `()`, or `Result<T, E>` with the group's own error, or never. In a group that is being cancelled
    /// it is dropped without being polled, before this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// let sum = spinney::block_on(spinney::group(async |g| {
    ///     let numbers = g.keep(vec![1, 2, 3]);
    ///     let first = g.spawn(async move { Ok(numbers[0]) });
    ///     let last = g.spawn(async move { Ok(numbers[2]) });
    ///     first.await + last.await
    /// }));
    /// assert_eq!(sum, 4);
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(self, future: F) -> Task<'s, T>
    where
        F: Future<Output: Outcome<E, Value = T>> + Send + 's,
        T: Send + 's,
    {
        self.spawn_at(future, None, Location::caller())
    }

    /// As [`spawn`](Group::spawn), with a name for messages and dumps.
    #[track_caller]
    pub fn spawn_named<F, T>(self, name: &'static str, future: F) -> Task<'s, T>
    where
        F: Future<Output: Outcome<E, Value = T>> + Send + 's,
        T: Send + 's,
    {
        self.spawn_at(future, Some(Cow::Borrowed(name)), Location::caller())
    }

    pub(crate) fn spawn_at<F, T>(
        self,
        future: F,
        name: Option<Cow<'static, str>>,
        location: &'static Location<'static>,
    ) -> Task<'s, T>
    where
        F: Future<Output: Outcome<E, Value = T>> + Send + 's,
        T: Send + 's,
    {
        let birth = birth(name, location);
        // SAFETY: `'s` keeps the node alive, whose error is `E`; future and value are `Send` and outlive the children
        // of the group (`'s`).
        Task::new(unsafe { run::spawn::<F, Plain<E>>(self.untyped(), future, birth) })
    }

    /// Makes a failure that nobody looked at one of the group's.
    pub(crate) fn receive(self, failure: Failure<E>, origin: Origin) {
        // SAFETY: `'s` keeps the node alive, whose error is `E`.
        unsafe { pass_on(failure, self.node, origin) };
    }

    /// Starts a child whose failure belongs to its handle: siblings live on.
    ///
    /// A handle that is dropped unread passes a failure on to the group.
    #[track_caller]
    pub fn supervise<F, T>(self, future: F) -> Supervised<'s, T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 's,
        T: Send + 's,
    {
        let birth = birth(None, Location::caller());
        // SAFETY: as in `spawn_at`.
        let handle = unsafe { run::spawn::<F, Watched<E>>(self.untyped(), future, birth) };
        Supervised::new(handle, self)
    }

    /// Opens a group inside this one: its children also borrow what this group's children may.
    #[track_caller]
    pub fn group<R, F, B>(self, body: F) -> GroupFuture<'s, R, F, B>
    where
        F: for<'i> AsyncFnOnce(Group<'i, 's>) -> R + FnOnce(Group<'s, 's>) -> B,
        B: Future<Output = R>,
    {
        GroupFuture::new(body, self.nested(Location::caller()))
    }

    /// As [`group`](Group::group), for a group that can fail.
    #[track_caller]
    pub fn try_group<R, E2, F, B>(self, body: F) -> TryGroupFuture<'s, R, E2, F, B>
    where
        F: for<'i> AsyncFnOnce(Group<'i, 's, E2>) -> Result<R, E2> + FnOnce(Group<'s, 's, E2>) -> B,
        B: Future<Output = Result<R, E2>>,
        E2: Send + 'static,
    {
        TryGroupFuture::new(body, self.nested(Location::caller()))
    }

    pub(crate) fn nested<E2>(self, location: &'static Location<'static>) -> Setup<E2> {
        Setup {
            parent: Some(Parent(self.node)),
            ..Setup::at(location)
        }
    }

    /// Gives a value to the group, which drops it after the last child, newest first. Children borrow it.
    pub fn keep<T: Send + 'p>(self, value: T) -> &'s T {
        self.keep_mut(value)
    }

    /// As [`keep`](Group::keep), for one borrower that may change the value.
    pub fn keep_mut<T: Send + 'p>(self, value: T) -> &'s mut T {
        let mut place = self.untyped().slow.lock().arena.keep(Box::new(value));
        // SAFETY: the arena drops the value when body and children are gone, so after `'s`; this is the one reference.
        unsafe { place.as_mut() }
    }

    /// Asks the group, and all groups inside it, to stop: a flag for loops, and nothing else.
    pub fn stop(self) {
        cascade::stop(self.untyped());
    }

    /// Whether the group was asked to stop, or is being cancelled.
    #[must_use]
    pub fn is_stopping(self) -> bool {
        self.untyped().is_stopping()
    }

    /// Waits until the group is asked to stop, or is being cancelled.
    pub fn stopping(self) -> impl Future<Output = ()> + Send {
        Stopping::of(self.untyped())
    }

    /// Ends the group with this error: children and body are cut and joined.
    #[track_caller]
    pub fn cancel(self, error: E) {
        let origin = Origin::call(Location::caller());
        self.typed().end(CancelKind::Cancelled, error, origin);
    }

    /// Ends the group with this error unless it has ended after `after`. Inner groups inherit the instant as a minimum.
    ///
    /// `Duration::MAX` means never. Zero means now: polls that run go on to their end, and what they give may come too late.
    #[track_caller]
    pub fn deadline(self, after: Duration, error: E) {
        self.deadline_at(after, error, Location::caller());
    }

    /// Asks the group to stop now, and ends it with this error after the grace.
    ///
    /// `Duration::MAX` means never.
    #[track_caller]
    pub fn stop_within(self, grace: Duration, error: E) {
        self.stop();
        if let Some(at) = self.untyped().spawn().now().checked_add(grace) {
            self.end_at(at, CancelKind::GraceOver, error, Location::caller());
        }
    }

    pub(crate) fn deadline_at(
        self,
        after: Duration,
        error: E,
        location: &'static Location<'static>,
    ) {
        if let Some(at) = self.note_deadline(after) {
            self.end_at(at, CancelKind::Deadline, error, location);
        }
    }

    /// Makes the instant visible to `current::deadline`; `None`: never.
    fn note_deadline(self, after: Duration) -> Option<Instant> {
        let node = self.untyped();
        let at = node.spawn().now().checked_add(after)?;
        let mut slow = node.slow.lock();
        slow.deadline = Some(slow.deadline.map_or(at, |earlier| earlier.min(at)));
        Some(at)
    }

    /// Ends the group at that instant.
    pub(crate) fn end_at(
        self,
        at: Instant,
        kind: CancelKind,
        error: E,
        location: &'static Location<'static>,
    ) {
        let late = self.late(at, kind, error, location);
        let node = self.untyped();
        let timer = node.spawn().call_at(at, late);
        node.slow.lock().kept_open.push(timer);
    }

    /// What ends the group because of that instant.
    fn late(
        self,
        at: Instant,
        kind: CancelKind,
        error: E,
        location: &'static Location<'static>,
    ) -> Late {
        let handle = self.handle();
        let origin = Origin::call(location);
        Box::new(move |pool| handle.cancel_late(pool, at, kind, error, origin))
    }

    /// A deadline that has passed, held back for one poll.
    #[cold]
    pub(crate) fn grant(self, error: E, location: &'static Location<'static>) {
        if let Some(at) = self.note_deadline(Duration::ZERO) {
            let late = self.late(at, CancelKind::Deadline, error, location);
            zero_deadline::hold_back(self.untyped(), late);
        }
    }

    /// Registers async cleanup: it runs after the last child, newest first, in every ending, and cannot be cut.
    pub fn defer<F>(self, cleanup: F)
    where
        F: Future<Output = ()> + Send + 's,
    {
        let locals = local::around();
        let boxed: Pin<Box<dyn Future<Output = ()> + Send + 's>> = match locals.is_none() {
            true => Box::pin(cleanup),
            false => Box::pin(Carrying::new(cleanup, locals)),
        };
        // SAFETY: only the lifetime changes. The future is run, or dropped, before the group ends, and so within `'s`.
        let boxed = unsafe {
            std::mem::transmute::<
                Pin<Box<dyn Future<Output = ()> + Send + 's>>,
                Pin<Box<dyn Future<Output = ()> + Send + 'static>>,
            >(boxed)
        };
        let node = self.untyped();
        node.slow.lock().ending.defer(&node.word, boxed);
    }

    /// A handle that may outlive the group, for callbacks and foreign executor traits.
    #[must_use]
    pub fn handle(self) -> GroupHandle<E> {
        GroupHandle::new(self.gate())
    }

    /// The door of the group, for those who may outlive it.
    pub(crate) fn gate(self) -> Arc<Gate> {
        let node = self.untyped();
        let mut slow = node.slow.lock();
        Arc::clone(
            slow.gate
                .get_or_insert_with(|| Arc::new(Gate::new(node.whole))),
        )
    }
}

/// How a child begins.
pub(crate) fn birth(
    name: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
) -> Birth {
    Birth {
        location,
        extension: Extension::of(name, local::around()),
    }
}

/// Opens a group whose body and children cannot fail; resolves when all of them have ended.
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
/// The first panic of the body or of a child resumes in whoever awaits the group, after all children have ended.
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

/// How the closure of a group is called.
///
/// A function pointer, and not a bound on `Future`: with `F: FnOnce(..) -> B` there, whoever needs the output of a group's
/// future as a projection would have to prove `B` again, and cannot where lifetimes are erased, which is in every check
/// that an `async` block is `Send`.
type Call<'s, E, F, B> = fn(F, Group<'s, 's, E>) -> B;

/// The future of [`group`].
#[must_use = "a group does nothing unless it is awaited"]
pub struct GroupFuture<'s, R, F, B> {
    machine: Machine<F, B, R, Never>,
    call: Call<'s, Never, F, B>,
    lifetime: PhantomData<Invariant<'s>>,
}

/// The future of [`try_group`].
#[must_use = "a group does nothing unless it is awaited"]
pub struct TryGroupFuture<'s, R, E: Send + 'static, F, B> {
    machine: Machine<F, B, R, E>,
    call: Call<'s, E, F, B>,
    lifetime: PhantomData<Invariant<'s>>,
}

impl<'s, R, F: FnOnce(Group<'s, 's>) -> B, B> GroupFuture<'s, R, F, B> {
    fn new(body: F, setup: Setup<Never>) -> Self {
        Self {
            machine: Machine::new(body, setup),
            call: |body, group| body(group),
            lifetime: PhantomData,
        }
    }
}

impl<'s, R, E: Send + 'static, F: FnOnce(Group<'s, 's, E>) -> B, B> TryGroupFuture<'s, R, E, F, B> {
    pub(crate) fn new(body: F, setup: Setup<E>) -> Self {
        Self {
            machine: Machine::new(body, setup),
            call: |body, group| body(group),
            lifetime: PhantomData,
        }
    }
}

impl<R, F, B: Future<Output = R>> Future for GroupFuture<'_, R, F, B> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let call = self.call;
        // SAFETY: structural pinning: the machine is never moved out.
        let machine = unsafe { self.map_unchecked_mut(|this| &mut this.machine) };
        let polled = machine.poll(
            cx,
            |body, group| call(body, Group::from_node(group.node())),
            |_| {},
            Whole,
        );
        polled.map(|result| match result {
            Ok(value) => value,
            Err(errors) => match errors.into_first() {},
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
        let call = self.call;
        // SAFETY: structural pinning: the machine is never moved out.
        let machine = unsafe { self.map_unchecked_mut(|this| &mut this.machine) };
        machine.poll(
            cx,
            |body, group| call(body, Group::from_node(group.node())),
            |_| {},
            |output| output,
        )
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
