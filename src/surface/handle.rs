//! A weak handle of a group, for code that outlives it: callbacks, foreign executor traits.

#![expect(unsafe_code, reason = "a gate hands out a counted node")]

use crate::group::node::Gate;
use crate::group::node::Spawn;
use crate::report::reason::CancelKind;
use crate::report::reason::Origin;
use crate::surface::child::Plain;
use crate::surface::current::Stopping;
use crate::surface::group::birth;
use crate::surface::outcome::Outcome;
use crate::sync::Arc;
use crate::task::cell::fail_with_panic;
use crate::task::run;
use crate::tree::leave;
use crate::tree::typed_node::Typed;
use crate::unwind;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::time::Instant;

/// A handle of a group that may outlive it. It keeps neither the group open nor what it keeps.
pub struct GroupHandle<E> {
    gate: Arc<Gate>,
    error: PhantomData<fn(E) -> E>,
}

impl<E> Clone for GroupHandle<E> {
    fn clone(&self) -> Self {
        Self {
            gate: Arc::clone(&self.gate),
            error: PhantomData,
        }
    }
}

impl<E: Send + 'static> GroupHandle<E> {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self {
            gate,
            error: PhantomData,
        }
    }

    /// Starts a child, if the group is still open.
    ///
    /// # Errors
    ///
    /// Gives the future back, unpolled, once body and children of the group have ended, or its parent has.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Result<(), F>
    where
        F: Future<Output: Outcome<E>> + Send + 'static,
    {
        let location = Location::caller();
        let Some(node) = self.gate.admit() else {
            return Err(future);
        };
        // SAFETY: the count that `admit` took keeps the node alive.
        let open = unsafe { node.as_ref() };
        // SAFETY: the node is alive and its error is `E`; the future is `'static` and `Send`.
        let child = unsafe { run::spawn::<F, Plain<E>>(open, future, birth(None, location)) };
        let origin = Origin {
            task: Some(child.id()),
            name: None,
            location,
        };
        // The child may have ended already, and then its value is dropped here, by its destructor.
        if let Err(payload) = unwind::drop_quietly(child) {
            // SAFETY: alive, as above.
            unsafe { fail_with_panic(payload, node, origin) };
        }
        // SAFETY: the count of `admit` is given back; the child has its own.
        unsafe { leave::leave(node) };
        Ok(())
    }

    /// Waits until the group is asked to stop, is being cut, or has ended: for code that takes a shutdown future.
    ///
    /// The future keeps neither the group open nor what it keeps.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<E> {
        let stopping = self.gate.node().map(|node| Stopping::of(&node));
        async move {
            if let Some(stopping) = stopping {
                stopping.await;
            }
        }
    }

    /// Ends the group with an error at the instant `at`, if it has not ended. Of deadlines at one instant the outermost
    /// speaks: it cancels the groups inside, too. What an error that is not used throws from its destructor goes to the
    /// hook.
    pub(crate) fn cancel_late(
        &self,
        pool: &dyn Spawn,
        at: Instant,
        kind: CancelKind,
        error: E,
        origin: Origin,
    ) {
        let Some(node) = self.gate.enter() else {
            // The group ended while its timer fired.
            if let Err(payload) = unwind::drop_quietly(error) {
                pool.unobserved(origin.lost_panic(payload, String::new()));
            }
            return;
        };
        // SAFETY: the count that `enter` took keeps the node alive; its error is `E`.
        let group = unsafe { Typed::<E>::of(node) };
        let outer_speaks = kind == CancelKind::Deadline && group.node.is_ended_by_outer(at);
        if !outer_speaks {
            group.end(kind, error, origin);
        } else if let Err(payload) = unwind::drop_quietly(error) {
            group.node.report_panic(payload, origin);
        }
        // SAFETY: that count is given back.
        unsafe { leave::leave(node) };
    }
}

impl<E> fmt::Debug for GroupHandle<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupHandle").finish_non_exhaustive()
    }
}
