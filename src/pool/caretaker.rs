//! What is left of a runtime after its workers have gone, and the worker that looks after it.
//!
//! A runtime ends when its root is empty. A group without a child does not count there: its future
//! may be polled on any thread afterwards, and run its defers. Sleeps and sockets may be polled on
//! any thread, at any time. So when something is left at the end, or comes up later, a *caretaker*
//! is started: a worker that runs, and drives, until nothing is left.
//!
//! # Protocol
//!
//! A thread that adds or takes away something after the end comes here. Under the caretaker's lock
//! it finds one, and wakes it, or starts one if something is left. A caretaker leaves under the
//! same lock, and only if nothing is left: `Shared::caretaker_leaves`.

use crate::poll::{frame, tally};
use crate::pool::seats::OwnSeat;
use crate::pool::shared::Shared;
use crate::pool::worker::{self, Kind};
use crate::sync::Weak;
use crate::sync::atomic::{Ordering, fence};

/// After the end of the runtime: from now on what is left, or is added, is looked after.
pub(crate) fn hand_over(shared: &Shared) {
    let this = Weak::clone(&shared.this);
    shared.driver.tell_of_changes(Box::new(move || {
        if let Some(shared) = this.upgrade() {
            look_after(&shared);
        }
    }));
    // SeqCst: pairs with PushFence in `Sleep::notify`, after which a pusher looks whether the
    // runtime has ended.
    fence(Ordering::SeqCst);
    look_after(shared);
}

/// Sees to it that a thread runs what is queued and watches time and I/O, in a runtime that has
/// ended.
#[cold]
pub(crate) fn look_after(shared: &Shared) {
    // What is left belongs to the process of the runtime, which looks after it there.
    if shared.is_elsewhere() {
        return;
    }
    let mut there = shared.caretaker.lock();
    if *there {
        return shared.rouse();
    }
    if shared.is_idle() {
        return;
    }
    let this = shared.this.upgrade();
    let seat = this.zip(shared.seats.claim_from(0));
    *there = seat
        .is_some_and(|(shared, seat)| worker::start(&shared, seat, Kind::Caretaker, "caretaker"));
    let alone = !*there;
    drop(there);
    // No thread can be had: at least what is queued is run here, be it on a seat of another
    // runtime.
    let none = OwnSeat::new(None);
    while let Some(job) = alone.then(|| shared.take_injected(&none, 1)).flatten() {
        tally::with_tally(None, None, || frame::outside(|| shared.run(None, job)));
    }
}
