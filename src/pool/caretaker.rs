//! What is left of a runtime after its workers have gone, and who looks after it.
//!
//! A runtime ends when its root is empty. A group without a child does not count there: its future may be polled by
//! somebody else afterwards, and run its defers. Sleeps and sockets may be polled by anybody, at any time. So when something
//! is left at the end, or comes up later, a *caretaker* is started: a worker that runs, and drives, until nothing is
//! left.
//!
//! # Protocol
//!
//! Whoever adds or takes away something after the end comes here. Under the caretaker's lock it finds one, and wakes it, or
//! starts one if something is left. A caretaker leaves under the same lock, and only if nothing is left.

use crate::poll::frame;
use crate::poll::tally;
use crate::pool::shared::Shared;
use crate::pool::worker::{self, Kind};
use crate::sync::atomic::{Ordering, fence};
use crate::sync::{Arc, Weak};

impl Shared {
    /// After the end of the runtime: from now on what is left, or is added, is looked after.
    pub(crate) fn hand_over(&self) {
        let this = Weak::clone(&self.this);
        self.driver.tell_of_changes(Box::new(move || {
            if let Some(shared) = this.upgrade() {
                shared.look_after();
            }
        }));
        // SeqCst: pairs with PushFence in `Sleep::notify`, after which a pusher looks whether the runtime has ended.
        fence(Ordering::SeqCst);
        self.look_after();
    }

    /// Sees to it that somebody runs what is queued and watches time and I/O, in a runtime that has ended.
    #[cold]
    pub(crate) fn look_after(&self) {
        // What is left belongs to the process of the runtime, which looks after it there.
        if self.is_elsewhere() {
            return;
        }
        let mut there = self.caretaker.lock();
        if *there {
            return self.rouse();
        }
        if self.is_idle() {
            return;
        }
        let seat = self.this.upgrade().zip(self.seats.claim_from(0));
        let starts = |(shared, seat): (Arc<Self>, usize)| {
            worker::start(&shared, seat, Kind::Caretaker, "caretaker")
        };
        *there = seat.is_some_and(starts);
        let alone = !*there;
        drop(there);
        // No thread can be had: at least what is queued is run here, be it on a seat of another runtime.
        while let Some(job) = alone.then(|| self.take_injected(None)).flatten() {
            tally::with_books(None, None, || frame::outside(|| job.run()));
        }
    }

    /// Whether nothing is queued and nothing waits for time or I/O.
    pub(crate) fn is_idle(&self) -> bool {
        !self.has_work() && self.driver.is_idle()
    }

    /// Whether the caretaker has left: nothing is left.
    pub(crate) fn caretaker_leaves(&self) -> bool {
        let mut there = self.caretaker.lock();
        let leaves = self.is_idle();
        *there = !leaves;
        leaves
    }
}
