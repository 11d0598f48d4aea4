//! The future of a group or a race, and how it is polled by hand.

use super::{Boxed, Value};
use crate::program::Id;
use crate::record::{Event, Fault, OnDrop, World, receive};
use spinney::{Errors, yield_now};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::AtomicPtr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread;

/// The future of a group or a race: notes how it ends.
pub(super) struct Opened<'s> {
    _leaving: OnDrop,
    future: Boxed<'s, Result<Value, Errors<Fault>>>,
    ticket: Ticket,
    /// The body, until it was polled, if polls by hand are counted.
    unopened: Option<Id>,
}

struct Ticket {
    world: Arc<World>,
    id: Id,
    resolved: bool,
}

impl<'s> Opened<'s> {
    pub(super) fn new(
        world: &Arc<World>,
        id: Id,
        future: Boxed<'s, Result<Value, Errors<Fault>>>,
    ) -> Self {
        Self {
            _leaving: OnDrop::new(world, Event::Leaving(id)),
            future,
            ticket: Ticket {
                world: Arc::clone(world),
                id,
                resolved: false,
            },
            unopened: None,
        }
    }

    /// Its polls are counted: the first one opens the group, also where the budget of the poll around it is spent.
    pub(super) fn by_hand(mut self, body: Id) -> Self {
        self.unopened = Some(body);
        self
    }

    pub(super) fn forget(self) {
        self.ticket.world.note(Event::Forgotten(self.ticket.id));
        attic(self);
    }
}

/// Forgets something. Its address stays known, so that a search for leaks does not find it.
pub(super) fn attic<T>(forgotten: T) {
    static ATTIC: Mutex<Vec<AtomicPtr<()>>> = Mutex::new(Vec::new());
    let address = Box::into_raw(Box::new(forgotten)).cast();
    let mut attic = ATTIC.lock().unwrap_or_else(PoisonError::into_inner);
    attic.push(AtomicPtr::new(address));
}

impl Future for Opened<'_> {
    type Output = Result<Value, Errors<Fault>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut polled = self.future.as_mut().poll(cx);
        if let (Some(body), true) = (self.unopened.take(), polled.is_pending()) {
            if !self.ticket.world.has_begun(body) {
                // After a refusal there is a unit for the next one.
                polled = self.future.as_mut().poll(cx);
            }
        }
        if let Poll::Ready(result) = &polled {
            let id = self.ticket.id;
            self.ticket.resolved = true;
            let failed = result.as_ref().err().map(|errors| receive(id, errors));
            self.ticket.world.note(Event::Resolved(id, failed));
        }
        polled
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.resolved {
            self.world.note(Event::Gone(self.id, thread::panicking()));
        }
    }
}

pub(super) async fn once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Polls so many times, with a yield after each; the last poll is followed by a yield, too.
pub(super) async fn polls<F: Future + Unpin>(future: &mut F, times: u8) -> Poll<F::Output> {
    for _ in 0..times {
        if let Poll::Ready(value) = once(Pin::new(future)).await {
            return Poll::Ready(value);
        }
        yield_now().await;
    }
    Poll::Pending
}
