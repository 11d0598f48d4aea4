//! `futures_task::Spawn` for handles of groups: for code that takes one and spawns futures without
//! a value, such as `futures::task::SpawnExt` on it.
//!
//! Such a future cannot fail but by a panic, which is the group's.

use crate::api::group::group_handle::GroupHandle;
use crate::api::group::handle::Never;
use crate::api::group::service_handle::ServiceHandle;
use futures_task::{FutureObj, Spawn, SpawnError};

/// Futures become children of the group: work, for which it waits.
///
/// # Examples
///
/// ```
/// use futures_task::Spawn;
/// use spinney::{block_on, group};
///
/// let handle = block_on(group(async |g| {
///     let (answer, answers) = async_channel::bounded(1);
///     let child = Box::new(async move { _ = answer.send(42).await });
///     g.handle().spawn_obj(child.into()).unwrap();
///     assert_eq!(answers.recv().await, Ok(42));
///     g.handle()
/// }));
/// assert!(handle.status().unwrap_err().is_shutdown()); // the group has ended
/// ```
impl Spawn for GroupHandle<Never> {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn(future).map_err(|_| SpawnError::shutdown())
    }

    fn status(&self) -> Result<(), SpawnError> {
        match self.gate.node() {
            Some(_) => Ok(()),
            None => Err(SpawnError::shutdown()),
        }
    }
}

/// Futures become services of the group, which cuts them when body and children have ended.
///
/// # Examples
///
/// ```
/// use futures_task::Spawn;
/// use spinney::{block_on, group};
/// use std::future::pending;
///
/// let handle = block_on(group(async |g| {
///     let services = g.service_handle();
///     services.spawn_obj(Box::new(pending()).into()).unwrap();
///     services // the group ends all the same
/// }));
/// assert!(handle.spawn_obj(Box::new(pending()).into()).is_err());
/// ```
impl Spawn for ServiceHandle<Never> {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn(future).map_err(|_| SpawnError::shutdown())
    }

    fn status(&self) -> Result<(), SpawnError> {
        match self.gate.node() {
            Some(_) => Ok(()),
            None => Err(SpawnError::shutdown()),
        }
    }
}
