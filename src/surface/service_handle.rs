//! A weak handle through which services are started by code that outlives the group: executor traits of clients.

#![expect(unsafe_code, reason = "a gate hands out a counted node")]

use crate::group::node::Gate;
use crate::report::reason::Origin;
use crate::surface::group::Group;
use crate::surface::outcome::Outcome;
use crate::surface::service::serve;
use crate::sync::Arc;
use crate::task::cell::fail_with_panic;
use crate::tree::leave;
use crate::unwind;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

/// Starts services of a group that it may outlive: [`Group::service_handle`].
///
/// It keeps neither the group open nor what it keeps. It is for code that starts tasks of its own and takes an executor, and
/// whose tasks end when nobody uses that code any more, as those of a client with a pool of connections. As children
/// they would hold a group open that keeps the client. For work, which the group has to wait for, take a
/// [`GroupHandle`](crate::GroupHandle).
///
/// With the feature `hyper` that of a group that cannot fail is hyper's `Executor`.
pub struct ServiceHandle<E> {
    gate: Arc<Gate>,
    error: PhantomData<fn(E) -> E>,
}

impl<E> Clone for ServiceHandle<E> {
    fn clone(&self) -> Self {
        Self {
            gate: Arc::clone(&self.gate),
            error: PhantomData,
        }
    }
}

impl<E: Send + 'static> Group<'_, '_, E> {
    /// A handle that may outlive the group, for clients of which tasks are [services](Group::service) of the group.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::pending;
    ///
    /// let handle = spinney::block_on(spinney::group(async |g| {
    ///     let handle = g.service_handle();
    ///     let client = handle.clone(); // what a library is given as its executor
    ///     assert!(client.spawn(pending::<()>()).is_ok());
    ///     handle // the service is cut, and joined
    /// }));
    /// assert!(handle.spawn(async {}).is_err());
    /// ```
    #[must_use]
    pub fn service_handle(self) -> ServiceHandle<E> {
        ServiceHandle {
            gate: self.gate(),
            error: PhantomData,
        }
    }
}

impl<E: Send + 'static> ServiceHandle<E> {
    /// Starts a service, if work of the group may still come.
    ///
    /// It ends as one that [`Group::service`] has started: when body and children have ended it is cut, newest first,
    /// and joined before the group's future resolves. If it returns early the group goes on; if it fails it ends the
    /// group, as any child does.
    ///
    /// # Errors
    ///
    /// Gives the future back, unpolled, once body and children of the group have ended, or its parent has.
    ///
    /// # Panics
    ///
    /// Never. A panic of the future, or of a destructor in it, is the group's.
    ///
    /// # Cancellation
    ///
    /// A group that is being cancelled takes the future and drops it, unpolled, before this returns. A service that
    /// started earlier is cut after the children.
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
        // Counted as work until the service is in its line: the group does not begin to end its services meanwhile.
        let Some(node) = self.gate.admit() else {
            return Err(future);
        };
        // SAFETY: the count that `admit` took keeps the node alive.
        let open = unsafe { node.as_ref() };
        // SAFETY: the node is alive, counted, and its error is `E`; future and value are `'static` and `Send`.
        let service = unsafe { serve::<E, F>(open, future, location) };
        let origin = Origin {
            task: Some(service.id()),
            name: None,
            location,
        };
        // The service may have ended already, and then its value is dropped here, by its destructor.
        if let Err(payload) = unwind::drop_quietly(service) {
            // SAFETY: alive, as above.
            unsafe { fail_with_panic(payload, node, origin) };
        }
        // SAFETY: the count of `admit` is given back; the service has its own.
        unsafe { leave::leave(node) };
        Ok(())
    }
}

impl<E> fmt::Debug for ServiceHandle<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceHandle").finish_non_exhaustive()
    }
}
