//! Services of a group: children that are not work left.

#![expect(
    unsafe_code,
    reason = "a service is a child of the node of its group's services"
)]

use crate::group::node::{Node, NodeRef, Opening};
use crate::surface::child::{Plain, Task};
use crate::surface::group::{Group, birth, table};
use crate::surface::outcome::Outcome;
use crate::task::handle::Handle;
use crate::task::run;
use crate::tree::typed_node::Typed;
use crate::tree::{leave, service_node};
use std::borrow::Cow;
use std::panic::Location;

impl<'s, E: Send + 'static> Group<'s, '_, E> {
    /// Starts a child that is not work left: it runs until body and children have ended, and is cut then.
    ///
    /// Services end newest first, each joined before the next, in every ending, also when the group fails or is
    /// cancelled; then what they started while ending is joined. A service that returns early is none the worse for it;
    /// one that fails ends the group, as any child does.
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
        // SAFETY: `'s` keeps the group, whose error is `E`; future and value are `Send` and outlive the children and the
        // services of the group (`'s`).
        Task::new(unsafe { serve::<E, F>(self.untyped(), future, Location::caller()) })
    }
}

/// Starts a service of the group; one that is being cancelled takes it as a child that is born cancelled.
///
/// # Safety
///
/// 1. The group is alive and of error type `E`, and does not end before this returns.
/// 2. The future and its value are good for as long as the group has children or services, and may be used from any
///    thread.
pub(crate) unsafe fn serve<E, F>(
    group: &Node,
    future: F,
    location: &'static Location<'static>,
) -> Handle<<F::Output as Outcome<E>>::Value>
where
    E: Send + 'static,
    F: Future<Output: Outcome<E>>,
{
    let birth = birth(None, location);
    if group.is_cancelled() {
        // SAFETY: (1), (2).
        return unsafe { run::spawn::<F, Plain<E>>(group, future, birth) };
    }
    let node = services::<E>(group, location);
    // SAFETY: (1): the group keeps the node of its services, whose error is its own; (2).
    let handle = unsafe { run::spawn::<F, Plain<E>>(&node, future, birth) };
    if let Some(serving) = handle.serving() {
        let over = group.slow.lock().ending.push_service(serving);
        drop(over);
    }
    if group.is_cancelled() {
        // As in Marking and Linking (`group::node`): the canceller marks and then looks for services under the lock, and this
        // one was put into the line under it before the mark is read. If the canceller came first, it is cut here.
        handle.cancel();
    }
    handle
}

/// The node of a group's services, made with the first of them.
fn services<E: Send + 'static>(group: &Node, location: &'static Location<'static>) -> NodeRef {
    let known = || group.slow.lock().ending.services().cloned();
    if let Some(node) = known() {
        return node;
    }
    let opening = Opening {
        parent: None,
        name: Some(Cow::Borrowed("services")),
        location,
        shielded: true,
    };
    let new = service_node::begin(Typed::<E>::open(table::<E>(), group.to_ref(), opening));
    let node = new.node.clone();
    let slower = group.slow.lock().ending.set_services(&group.word, new);
    match slower {
        None => node,
        Some(slower) => {
            leave::end_services_node(slower);
            known().unwrap_or(node)
        }
    }
}
