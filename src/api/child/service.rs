//! Services of a group: children that are not work left, started by the group or by a handle that
//! may outlive it.

use crate::api::child::outcome::Outcome;
use crate::api::child::spawn::{OrdinaryKind, birth, detach};
use crate::api::child::task::Task;
use crate::api::group::handle::Group;
use crate::api::group::service_handle::ServiceHandle;
use crate::group::services::Serving;
use crate::task::cell::Birth;
use crate::task::handle::TaskHandle;
use crate::task::spawn;
use crate::tree::attach::attach;
use crate::tree::typed_node::Spawner;
use std::panic::Location;

impl<'s, E: Send + 'static> Group<'s, '_, E> {
    /// Starts a child that is not work left: it runs until body and children have ended, and is cut
    /// then.
    ///
    /// Services end newest first, each joined before the next, in every ending, also when the group
    /// fails or is cancelled; then what they started while ending is joined. A service that returns
    /// early is none the worse for it; one that fails ends the group, as any child does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    /// use std::time::Duration;
    ///
    /// let beats = spinney::block_on(spinney::group(async |g| {
    ///     let beats = g.keep(AtomicU32::new(0));
    ///     g.service(async {
    ///         loop {
    ///             beats.fetch_add(1, Relaxed);
    ///             spinney::sleep(Duration::from_millis(1)).await;
    ///         }
    ///     });
    ///     spinney::sleep(Duration::from_millis(5)).await; // the work
    ///     beats.load(Relaxed)
    /// }));
    /// assert!(beats > 0);
    /// ```
    #[track_caller]
    pub fn service<F, T>(self, future: F) -> Task<'s, T>
    where
        F: Future<Output: Outcome<E, Value = T>> + Send + 's,
        T: Send + 's,
    {
        Task::new(serve(self.spawner(), future, Location::caller()))
    }
}

impl<E: Send + 'static> ServiceHandle<E> {
    /// Starts a service, if work of the group may still come.
    ///
    /// It ends as one that [`Group::service`] has started: when body and children have ended it is
    /// cut, newest first, and joined before the group's future resolves. If it returns early the
    /// group goes on; if it fails it ends the group, as any child does.
    ///
    /// # Errors
    ///
    /// Gives the future back, unpolled, once body and children of the group have ended, or its
    /// parent has.
    ///
    /// # Panics
    ///
    /// Never. A panic of the future, or of a destructor in it, is the group's.
    ///
    /// # Cancellation
    ///
    /// A group that is being cancelled takes the future and drops it, unpolled, before this
    /// returns. A service that started earlier is cut after the children.
    ///
    /// # Blocking
    ///
    /// Never blocks, and may be called from any thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_channel::bounded;
    ///
    /// // A client: requests go to a task, which ends when the last sender is dropped.
    /// let (client, requests) = bounded::<u32>(1);
    /// let (answer, answers) = bounded(1);
    /// let (client, sum) = spinney::block_on(spinney::group(async |g| {
    ///     let connection = async move {
    ///         while let Ok(request) = requests.recv().await {
    ///             _ = answer.send(request + 1).await;
    ///         }
    ///     };
    ///     assert!(g.service_handle().spawn(connection).is_ok());
    ///     client.send(41).await.unwrap();
    ///     let sum = answers.recv().await.unwrap();
    ///     (client, sum) // the group ends although the client is still there
    /// }));
    /// assert_eq!(sum, 42);
    /// assert!(client.is_closed());
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Result<(), F>
    where
        F: Future<Output: Outcome<E>> + Send + 'static,
    {
        let location = Location::caller();
        // Counted as work until the service is in its line: the group does not begin to end its
        // services meanwhile.
        let Some(group) = self.gate.admit() else {
            return Err(future);
        };
        let service = serve(Spawner::of_static(&group), future, location);
        detach(&group, service, location);
        Ok(())
    }
}

/// Starts a service of the group; one that is being cancelled takes it as a child that is born
/// cancelled.
fn serve<'s, E, F, T>(
    spawner: Spawner<'_, 's, E>,
    future: F,
    location: &'static Location<'static>,
) -> TaskHandle<T>
where
    E: Send + 'static,
    F: Future<Output: Outcome<E, Value = T>> + Send + 's,
    T: Send + 's,
{
    let birth = birth(None, location);
    let group = spawner.group();
    attach(group);
    if group.is_cancelled() {
        return spawn::spawn_into::<F, OrdinaryKind<E>>(spawner, future, birth);
    }
    let (handle, is_late) = line_up(spawner, future, birth, |serving| serving);
    if is_late {
        handle.cancel();
    }
    handle
}

/// Starts a service of a group that is attached, and puts it into the line of those that the closer
/// ends, as `asked` has it. True: the group is being cancelled, and the caller ends the service.
pub(super) fn line_up<'s, E, F, T>(
    spawner: Spawner<'_, 's, E>,
    future: F,
    birth: Birth,
    asked: impl FnOnce(Box<dyn Serving>) -> Box<dyn Serving>,
) -> (TaskHandle<T>, bool)
where
    E: Send + 'static,
    F: Future<Output: Outcome<E, Value = T>> + Send + 's,
    T: Send + 's,
{
    let group = spawner.group();
    let handle = spawner.with_services(birth.location, |services| {
        spawn::spawn_into::<F, OrdinaryKind<E>>(services, future, birth)
    });
    if let Some(serving) = handle.serving() {
        let serving = asked(serving);
        let over = group.slow.lock().ending.push_service(serving);
        drop(over);
    }
    // As in Marking and Linking (`group::node`): the canceller marks and then looks for services
    // under the lock, and this one was put into the line under it before the mark is read. If the
    // canceller came first, it is seen here.
    (handle, group.is_cancelled())
}
