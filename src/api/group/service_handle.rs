//! A weak handle through which services are started by code that outlives the group: executor
//! traits of clients.

use crate::api::group::handle::{Group, Never};
use crate::tree::typed_node::TypedGate;
use std::fmt;

/// Starts services of a group that it may outlive: [`Group::service_handle`].
///
/// It keeps neither the group open nor what it keeps. It is for code that starts tasks of its own
/// and takes an executor, and whose tasks end when that code is not used any more, as those of a
/// client with a pool of connections. As children they would hold a group open that keeps the
/// client. For work, which the group has to wait for, take a [`GroupHandle`](crate::GroupHandle).
///
/// With the feature `hyper` that of a group that cannot fail is hyper's `Executor`.
///
/// # Examples
///
/// ```
/// use spinney::{ServiceHandle, block_on, group};
/// use std::future::pending;
///
/// /// A client, whose connection ends with it, or with the group.
/// struct Client {
///     executor: ServiceHandle,
/// }
///
/// impl Client {
///     fn connect(&self) -> bool {
///         self.executor.spawn(pending::<()>()).is_ok()
///     }
/// }
///
/// let client = block_on(group(async |g| {
///     let client = Client { executor: g.service_handle() };
///     assert!(client.connect());
///     client
/// }));
/// assert!(!client.connect()); // the group has ended
/// ```
pub struct ServiceHandle<E = Never> {
    pub(crate) gate: TypedGate<E>,
}

impl<E> Clone for ServiceHandle<E> {
    fn clone(&self) -> Self {
        Self {
            gate: self.gate.clone(),
        }
    }
}

impl<E: Send + 'static> Group<'_, '_, E> {
    /// A handle that may outlive the group, for clients of which tasks are
    /// [services](Group::service) of the group.
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
        ServiceHandle { gate: self.gate() }
    }
}

impl<E> fmt::Debug for ServiceHandle<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceHandle").finish_non_exhaustive()
    }
}
