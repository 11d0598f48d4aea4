//! A weak handle of a group, for code that outlives it: callbacks, foreign executor traits.

use crate::api::group::handle::{Group, Never};
use crate::api::here::current::Stopping;
use crate::tree::typed_node::TypedGate;
use std::fmt;

/// A handle of a group that may outlive it. It keeps neither the group open nor what it keeps.
///
/// # Examples
///
/// ```
/// use spinney::{GroupHandle, block_on, group};
///
/// /// What a library might call from a thread of its own.
/// fn callback(handle: &GroupHandle) -> bool {
///     handle.spawn(async {}).is_ok()
/// }
///
/// let handle = block_on(group(async |g| {
///     assert!(callback(&g.handle()));
///     g.handle()
/// }));
/// assert!(!callback(&handle)); // the group has ended
/// ```
pub struct GroupHandle<E = Never> {
    pub(crate) gate: TypedGate<E>,
}

impl<E> Clone for GroupHandle<E> {
    fn clone(&self) -> Self {
        Self {
            gate: self.gate.clone(),
        }
    }
}

impl<E: Send + 'static> Group<'_, '_, E> {
    /// A handle that may outlive the group, for callbacks and foreign executor traits.
    ///
    /// # Examples
    ///
    /// ```
    /// let handle = spinney::block_on(spinney::group(async |g| g.handle()));
    /// assert!(handle.spawn(async {}).is_err()); // the group has ended
    /// ```
    #[must_use]
    pub fn handle(self) -> GroupHandle<E> {
        GroupHandle { gate: self.gate() }
    }
}

impl<E: Send + 'static> GroupHandle<E> {
    /// Waits until the group is asked to stop, is being cut, or has ended: for code that takes a
    /// shutdown future.
    ///
    /// The future keeps neither the group open nor what it keeps.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let shutdown = g.handle().stopping(); // for a library that takes a shutdown future
    ///     let library = g.spawn(async move { Ok(shutdown.await) });
    ///     g.stop();
    ///     library.await;
    /// }));
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<E> {
        let stopping = self.gate.node().map(|node| Stopping::of(&node));
        async move {
            if let Some(stopping) = stopping {
                stopping.await;
            }
        }
    }
}

impl<E> fmt::Debug for GroupHandle<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupHandle").finish_non_exhaustive()
    }
}
