//! Futures of groups that a frame has polled, and goes on without.

use super::foreign::foreign;
use super::nest::finish;
use super::opened::{Opened, once};
use super::{Place, spin};
use crate::program::{Id, What};
use crate::record::{Event, Fault, TICK, To, World};
use spinney::{Wait, shield, timeout};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

/// A future on the shelf.
pub(super) struct Kept<'s> {
    pub(super) group: Id,
    pub(super) mover: Id,
    pub(super) passes_on: Option<Id>,
    pub(super) polled: bool,
    pub(super) future: Held<'s>,
}

/// It may go to a thread if it borrows nothing.
pub(super) enum Held<'s> {
    Free(Opened<'static>),
    Nested(Opened<'s>),
}

impl<'s> Held<'s> {
    fn into_inner(self) -> Opened<'s> {
        match self {
            Self::Free(opened) => opened,
            Self::Nested(opened) => opened,
        }
    }
}

impl<'s> Future for Held<'s> {
    type Output = <Opened<'s> as Future>::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Free(opened) => Pin::new(opened).poll(cx),
            Self::Nested(opened) => Pin::new(opened).poll(cx),
        }
    }
}

impl Place<'_, '_, '_> {
    pub(super) async fn use_shelf(&mut self, which: u8, what: What) -> Result<(), Fault> {
        if self.shelf.is_empty() {
            return Ok(());
        }
        let at = self.shelf.len() - 1 - usize::from(which) % self.shelf.len();
        let mut kept = self.shelf.remove(at);
        let (world, group, passes_on) = (self.world, kept.group, kept.passes_on);
        world.note(Event::Taken(group));
        let result = match what {
            What::Poll | What::Timeout(_) => {
                let polled = match what {
                    What::Timeout(ticks) => {
                        let after = TICK * u32::from(ticks);
                        let result = timeout(after, &mut kept.future).await;
                        result.map_or(Poll::Pending, Poll::Ready)
                    }
                    _ => once(Pin::new(&mut kept.future)).await,
                };
                match polled {
                    Poll::Ready(result) => result,
                    Poll::Pending => {
                        kept.polled = true;
                        world.note(Event::Shelved(group));
                        self.shelf.push(kept);
                        return Ok(());
                    }
                }
            }
            What::Await => foreign(self.bad_for_code(), kept.future.into_inner()).await,
            What::Wait => kept.future.into_inner().wait(),
            What::Drop => {
                drop(kept);
                return Ok(());
            }
            What::Forget => {
                kept.future.into_inner().forget();
                return Ok(());
            }
            What::Move | What::Late => {
                let opened = kept.future.into_inner();
                self.send((kept.mover, group), opened, passes_on, what == What::Late);
                return Ok(());
            }
            What::Thread(polls, spins) => {
                // What was not polled belongs where it is polled first: not to a thread that has no runtime.
                if let (Held::Free(opened), true) = (kept.future, kept.polled) {
                    let abroad = Abroad::new(world, group, opened, polls, spins);
                    self.abroad.push(abroad);
                }
                // The frame does not end before the thread, and is not forgotten before: a group whose future went to a
                // thread counts nowhere while it has no child, and its cleanups may begin after all groups around it.
                if let Some(abroad) = self.abroad.last() {
                    shield(abroad.over()).wait();
                }
                return Ok(());
            }
        };
        finish(world, group, result, passes_on)
    }
}

/// A thread that has the future of a group.
pub(super) struct Abroad(Arc<Latch>);

#[derive(Default)]
struct Latch(Mutex<(bool, Option<Waker>)>);

impl Abroad {
    fn new(world: &Arc<World>, group: Id, opened: Opened<'static>, polls: u8, spins: u8) -> Self {
        let latch = Arc::new(Latch::default());
        let (open, world) = (Arc::clone(&latch), Arc::clone(world));
        thread::spawn(move || {
            by_hand(&world, group, opened, polls, spins);
            drop(world);
            open.open();
        });
        Self(latch)
    }

    /// Waits until the thread has dropped it.
    fn over(&self) -> impl Future<Output = ()> + use<> {
        Over(Arc::clone(&self.0))
    }
}

impl Drop for Abroad {
    fn drop(&mut self) {
        self.over().wait();
    }
}

struct Over(Arc<Latch>);

impl Future for Over {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut latch = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if latch.0 {
            return Poll::Ready(());
        }
        let before = latch.1.replace(cx.waker().clone());
        drop(latch);
        // It may be a foreign one, which panics.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(before)));
        Poll::Pending
    }
}

impl Latch {
    fn open(&self) {
        let mut latch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latch.0 = true;
        let waker = latch.1.take();
        drop(latch);
        let _ = catch_unwind(AssertUnwindSafe(|| waker.map(Waker::wake)));
    }
}

/// Polls with a waker that nobody hears, and drops the future.
fn by_hand(world: &World, group: Id, mut opened: Opened<'static>, polls: u8, spins: u8) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut poll = || {
        for _ in 0..polls {
            spin(spins);
            if Pin::new(&mut opened).poll(&mut cx).is_ready() {
                return;
            }
        }
        spin(spins);
    };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(&mut poll)) {
        let text = payload.downcast_ref::<String>();
        // A thread is not cut: it is told so.
        if !text.is_some_and(|text| text.contains("was ended from outside")) {
            world.received(payload, To::Poller(group));
        }
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(opened))) {
        world.received(payload, To::Poller(group));
    }
}
