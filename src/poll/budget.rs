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

use crate::unwind;
use std::cell::Cell;
use std::task::{Context, Poll, Waker};

/// Operations that may be ready in one poll. tokio uses 128 for the same purpose; at 1-2 us for a
/// read or write it bounds a poll to about 0.2 ms. A prime, so that no loop keeps step with it:
/// each of its operations is the one that gives way in some poll, also the one that a cut can
/// reach.
const WHOLE: u8 = 127;

/// Operations after each refusal in the same poll.
const FEW: u8 = 8;

crate::sync::thread_local! {
    static LEFT: Cell<u8> = const { Cell::new(WHOLE) };
    // What is left after a refusal: all where no poll of ours is around.
    static REST: Cell<u8> = const { Cell::new(WHOLE) };
}

/// A poll of a task, or of the future of a blocked caller, begins.
#[inline]
pub(crate) fn begin() {
    LEFT.set(WHOLE);
    REST.set(FEW);
}

/// Begins a stretch that is no part of the poll below: it has a budget of its own, and what it
/// spends is not missed afterwards.
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
    missed: bool,
}

impl Apart {
    fn new(missed: bool) -> Self {
        Self {
            left: LEFT.replace(WHOLE),
            rest: REST.replace(FEW),
            missed,
        }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // A refusal in the stretch has left a few units: then all is spent.
        let spent = match self.missed {
            true => WHOLE.saturating_sub(LEFT.get()),
            false => 0,
        };
        LEFT.set(self.left.saturating_sub(spent));
        REST.set(self.rest);
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

/// Leaves a quarter at most: what comes after a timer that was late gives way earlier. Not none: a
/// shield that begins next in a poll of a cut, or a group that is opened next, is not refused.
pub(crate) fn spend_most() {
    LEFT.set(LEFT.get().min(WHOLE / 4));
}

fn refuse<R>(cx: &mut Context<'_>) -> Poll<R> {
    give_way(cx.waker());
    Poll::Pending
}

#[cold]
#[inline(never)]
fn give_way(waker: &Waker) {
    LEFT.set(REST.get());
    // A waker that panics is no business of the leaf.
    if let Err(payload) = unwind::catch(|| waker.wake_by_ref()) {
        unwind::discard(payload);
    }
}
