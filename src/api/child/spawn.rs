//! Ordinary children: how they are spawned, by the group or by a handle that may outlive it, and
//! what becomes of their output.

use crate::api::child::outcome::Outcome;
use crate::api::child::task::Task;
use crate::api::group::group_handle::GroupHandle;
use crate::api::group::handle::Group;
use crate::api::here::local;
use crate::report::reason::Origin;
use crate::task::cell::{Birth, Kind, fail_with_panic};
use crate::task::handle::TaskHandle;
use crate::task::header::Extension;
use crate::task::spawn;
use crate::tree::typed_node::{Spawner, Typed, TypedCounted};
use crate::unwind::{self, Payload};
use std::borrow::Cow;
use std::marker::PhantomData;
use std::panic::Location;

/// The kind of an ordinary child: its failure is the group's.
pub(crate) struct OrdinaryKind<E>(PhantomData<E>);

impl<O: Outcome<E>, E: Send + 'static> Kind<O> for OrdinaryKind<E> {
    type Error = E;
    type Value = O::Value;

    fn finish(output: O, group: &Typed<E>, origin: Origin) -> Option<O::Value> {
        match output.into_result() {
            Ok(value) => Some(value),
            Err(error) => {
                group.fail(error, origin);
                None
            }
        }
    }

    fn panicked(payload: Payload, group: &Typed<E>, origin: Origin) -> Option<O::Value> {
        fail_with_panic(payload, group, origin);
        None
    }

    fn unclaimed(value: O::Value, _: &Typed<E>, _: Origin) {
        drop(value);
    }
}

/// How a child begins.
#[inline]
pub(crate) fn birth(
    name: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
) -> Birth {
    Birth {
        location,
        extension: Extension::of(name, local::around()),
    }
}

impl<'s, E: Send + 'static> Group<'s, '_, E> {
    /// Starts a child, which runs in parallel with the body. Its failure is the group's.
    ///
    /// A child returns `()`, or `Result<T, E>` with the group's own error, or never. In a group
    /// that is being cancelled it is dropped without being polled, before this returns.
    ///
    /// The body goes on at once, and may return before the child has begun: only the group waits.
    /// To read what children have done, await their handles, or [`joined`](Group::joined).
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
    #[inline]
    pub fn spawn<F, T>(self, future: F) -> Task<'s, T>
    where
        F: Future<Output: Outcome<E, Value = T>> + Send + 's,
        T: Send + 's,
    {
        self.spawn_at(future, None, Location::caller())
    }

    /// As [`spawn`](Group::spawn), with a name for messages and dumps.
    ///
    /// # Examples
    ///
    /// ```
    /// let name = spinney::block_on(spinney::group(async |g| {
    ///     let child = g.spawn_named("fetch", async { Ok(spinney::current::task_name()) });
    ///     child.await
    /// }));
    /// assert_eq!(name.unwrap(), "fetch");
    /// ```
    #[track_caller]
    pub fn spawn_named<F, T>(self, name: &'static str, future: F) -> Task<'s, T>
    where
        F: Future<Output: Outcome<E, Value = T>> + Send + 's,
        T: Send + 's,
    {
        self.spawn_at(future, Some(Cow::Borrowed(name)), Location::caller())
    }

    #[inline]
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
        Task::new(spawn::spawn_into::<F, OrdinaryKind<E>>(
            self.spawner(),
            future,
            birth,
        ))
    }
}

impl<E: Send + 'static> GroupHandle<E> {
    /// Starts a child, if the group is still open.
    ///
    /// # Examples
    ///
    /// ```
    /// let (handle, sum) = spinney::block_on(spinney::group(async |g| {
    ///     let handle = g.handle();
    ///     let (sender, receiver) = async_channel::bounded(1);
    ///     let started = handle.spawn(async move { _ = sender.send(42).await });
    ///     assert!(started.is_ok());
    ///     (handle, receiver.recv().await.unwrap())
    /// }));
    /// assert_eq!(sum, 42);
    /// assert!(handle.spawn(async {}).is_err()); // the group has ended
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the future back, unpolled, once body and children of the group have ended, or its
    /// parent has.
    ///
    /// # Cancellation
    ///
    /// A group that is being cancelled takes the future and drops it, unpolled, before this
    /// returns.
    ///
    /// # Blocking
    ///
    /// Never blocks, and may be called from any thread.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Result<(), F>
    where
        F: Future<Output: Outcome<E>> + Send + 'static,
    {
        let location = Location::caller();
        let Some(group) = self.gate.admit() else {
            return Err(future);
        };
        let birth = birth(None, location);
        let spawner = Spawner::of_static(&group);
        let child = spawn::spawn_into::<F, OrdinaryKind<E>>(spawner, future, birth);
        detach(&group, child, location);
        Ok(())
    }
}

/// Lets go of a child that a handle has started, while the group is kept open.
pub(crate) fn detach<V, E: Send + 'static>(
    group: &TypedCounted<E>,
    child: TaskHandle<V>,
    location: &'static Location<'static>,
) {
    let origin = Origin {
        task: Some(child.id()),
        name: None,
        location,
    };
    // The child may have ended already, and then its value is dropped here, by its destructor.
    if let Err(payload) = unwind::drop_quietly(child) {
        fail_with_panic(payload, group, origin);
    }
}
