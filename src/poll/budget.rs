//! The budget of a poll: how many operations on leaves of ours may be ready in it.
//!
//! A loop over what is always ready would have no end, and its poll neither: no cut, no deadline
//! and no other task would have a turn. So a leaf that is ready takes a unit. Where none is left it
//! wakes its waker and is pending, and nothing is lost: it is ready at the next poll.
//!
//! There is one budget for a poll of a task, or of the future of a blocked caller, with all that is
//! polled inside. Once it is spent it stays so until that poll ends, but for a few units after each
//! refusal. Few: a poll of a thousand busy loops ends soon. Not none: the loop that is polled first
//! must not starve what is polled after it, such as the timer that is to end the loop, and a
//! foreign `block_on`, which polls again at once, must get on. Where no poll of ours is around, no
//! one says when a poll ends, and a whole budget follows each refusal.
//!
//! What spends the budget to the last unit, and is pending then for another reason, is never
//! refused, and what is polled after it finds nothing. So after a refusal the polls that follow
//! have a unit less, by chance, until the next one: what keeps step with the budget falls out of
//! it, is refused itself, and leaves a few.
//!
//! A timer that is late is dearer: a loop over such timers does in between what takes longer than
//! its pauses, and 127 times that could be minutes. One of them is ready in a poll.

use crate::rng::Rng;
use crate::unwind;
use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

/// Operations that may be ready in one poll, unless a runtime was built with another number. tokio
/// uses 128 for the same purpose; at 1-2 us for a read or write it bounds a poll to about 0.2 ms. A
/// prime, so that hardly a loop keeps step with it: each of its operations is the one that gives
/// way in some poll, also the one that a cut can reach.
pub(crate) const DEFAULT: u8 = 127;

/// Operations after each refusal in the same poll, if the whole budget is not smaller.
const FEW: u8 = 8;

/// A whole budget after each refusal, where no poll of ours is around.
const ALL: u8 = u8::MAX;

crate::sync::thread_local! {
    // The budget of a poll in the runtime that this thread is in.
    static WHOLE: Cell<u8> = const { Cell::new(DEFAULT) };
    // What a poll begins with: that, or a unit less.
    static FIRST: Cell<u8> = const { Cell::new(DEFAULT) };
    static LEFT: Cell<u8> = const { Cell::new(DEFAULT) };
    // What is left after a refusal.
    static REST: Cell<u8> = const { Cell::new(ALL) };
    // A timer that was late is ready in this poll.
    static LATE: Cell<bool> = const { Cell::new(false) };
    static CHANCE: RefCell<Rng> = const { RefCell::new(Rng::new(0)) };
}

/// Sets the whole budget of the polls on this thread, until what is returned is dropped.
#[inline]
pub(crate) fn set_whole(operations: u8) -> Restored {
    FIRST.set(operations);
    Restored(WHOLE.replace(operations))
}

/// The whole budget that was in force before; it is again when this is dropped.
pub(crate) struct Restored(u8);

impl Drop for Restored {
    #[inline]
    fn drop(&mut self) {
        WHOLE.set(self.0);
        FIRST.set(self.0);
    }
}

/// A poll of a task, or of the future of a blocked caller, begins.
#[inline]
pub(crate) fn begin() {
    LEFT.set(FIRST.get());
    REST.set(FEW);
    LATE.set(false);
}

/// As [`begin`], for the first poll of a wait of sync code, which has a unit at least also where
/// the whole budget is one, and the unit less by chance would leave none. A shield that is waited
/// for in a cut takes it before it begins, and what sync code waits for in a shield must run.
#[inline]
pub(crate) fn begin_wait() {
    begin();
    LEFT.set(FIRST.get().max(1));
}

/// Begins a stretch that is no part of the poll below: it has a budget of its own, and what it
/// spends is not missed afterwards.
#[inline]
pub(crate) fn apart() -> Apart {
    Apart::new(false)
}

/// As [`apart`], for a stretch of this poll that may be the only one which it gets: it does not
/// suffer from what was spent before, but what it spends is missed afterwards.
pub(crate) fn granted() -> Apart {
    Apart::new(true)
}

/// A stretch with a budget of its own; when it is dropped the rest of the other one is there again.
pub(crate) struct Apart {
    left: u8,
    rest: u8,
    late: bool,
    missed: bool,
}

impl Apart {
    #[inline]
    fn new(missed: bool) -> Self {
        Self {
            left: LEFT.replace(WHOLE.get()),
            rest: REST.replace(FEW),
            late: LATE.replace(false),
            missed,
        }
    }
}

impl Drop for Apart {
    #[inline]
    fn drop(&mut self) {
        // A refusal in the stretch has left a few units: then all is spent.
        let spent = match self.missed {
            true => WHOLE.get().saturating_sub(LEFT.get()),
            false => 0,
        };
        LEFT.set(self.left.saturating_sub(spent));
        REST.set(self.rest);
        LATE.set(self.late || (self.missed && LATE.get()));
    }
}

/// Takes a unit; pending if none is left. For what takes it before it does anything else, such as a
/// future that polls another one, at its first poll.
#[inline]
pub(crate) fn spend(cx: &mut Context<'_>) -> Poll<()> {
    let Some(left) = LEFT.get().checked_sub(1) else {
        return refuse(cx);
    };
    LEFT.set(left);
    Poll::Ready(())
}

/// Polls a leaf with `f`, and takes a unit if it is ready; pending, without a poll, if none is
/// left: what a poll has taken out of a leaf cannot be put back.
#[inline]
pub(crate) fn poll<R>(
    cx: &mut Context<'_>,
    f: impl FnOnce(&mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    if LEFT.get() == 0 {
        return refuse(cx);
    }
    let polled = f(cx);
    if polled.is_ready() {
        // Leaves inside this one may have taken the last unit.
        LEFT.set(LEFT.get().saturating_sub(1));
    }
    polled
}

/// Takes a unit or none, by chance: what keeps step with the budget, so that it is always the same
/// operation that is refused, falls out of it.
pub(crate) fn fall_out_of_step() {
    LEFT.set(LEFT.get().saturating_sub(a_unit_or_none()));
}

fn a_unit_or_none() -> u8 {
    CHANCE.with(|chance| chance.borrow_mut().below(2)) as u8
}

/// Lets one late timer be ready in a poll; the next one is pending first, and costs what comes
/// after it nothing.
pub(crate) fn late_timer(cx: &mut Context<'_>) -> Poll<()> {
    if !LATE.replace(true) {
        return Poll::Ready(());
    }
    // Polled again in this poll it gets on, as after any refusal.
    LATE.set(false);
    wake(cx.waker());
    Poll::Pending
}

#[cold]
#[inline(never)]
fn refuse<R>(cx: &mut Context<'_>) -> Poll<R> {
    LEFT.set(REST.get().min(WHOLE.get()));
    FIRST.set(WHOLE.get().saturating_sub(a_unit_or_none()));
    wake(cx.waker());
    Poll::Pending
}

/// A waker that panics is no business of the leaf.
fn wake(waker: &Waker) {
    if let Err(payload) = unwind::catch(|| waker.wake_by_ref()) {
        unwind::discard(payload);
    }
}
