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
use std::task::{Context, Poll};

/// Operations that may be ready in one poll. tokio uses 128 for the same purpose; at 1-2 us for a
/// read or write it bounds a poll to about 0.2 ms. A prime, so that no loop keeps step with it:
/// each of its operations is the one that gives way in some poll, also the one that a cut can
/// reach.
const WHOLE: u8 = 127;

/// Operations after each refusal in the same poll.
const REST: u8 = 8;

#[derive(Clone, Copy)]
struct Budget {
    left: u8,
    /// What is left after a refusal.
    rest: u8,
}

impl Budget {
    /// Of a poll of ours.
    const OURS: Self = Self {
        left: WHOLE,
        rest: REST,
    };

    /// Where no poll of ours is around.
    const FOREIGN: Self = Self {
        left: WHOLE,
        rest: WHOLE,
    };
}

crate::sync::thread_local! {
    static BUDGET: Cell<Budget> = const { Cell::new(Budget::FOREIGN) };
}

/// A poll of a task, or of the future of a blocked caller, begins.
#[inline]
pub(crate) fn begin() {
    BUDGET.set(Budget::OURS);
}

/// Begins a stretch of this poll that has a budget of its own: it does not suffer from what was
/// spent before, and what it spends is not missed afterwards.
pub(crate) fn apart() -> Apart {
    Apart(BUDGET.replace(Budget::OURS))
}

/// A stretch with a budget of its own; when it is dropped the rest of the other one is there again.
pub(crate) struct Apart(Budget);

impl Drop for Apart {
    fn drop(&mut self) {
        BUDGET.set(self.0);
    }
}

/// Takes a unit; pending if none is left. For what takes it before it does anything else, such as a
/// future that polls another one, at its first poll.
#[inline]
pub(crate) fn spend(cx: &mut Context<'_>) -> Poll<()> {
    let budget = BUDGET.get();
    let Some(left) = budget.left.checked_sub(1) else {
        return refuse(cx);
    };
    BUDGET.set(Budget { left, ..budget });
    Poll::Ready(())
}

/// Polls a leaf with `f`, and takes a unit if it is ready; pending, without a poll, if none is
/// left: what a poll has taken out of a leaf cannot be put back.
#[inline]
pub(crate) fn poll<R>(
    cx: &mut Context<'_>,
    f: impl FnOnce(&mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    if BUDGET.get().left == 0 {
        return refuse(cx);
    }
    let polled = f(cx);
    if polled.is_ready() {
        // Leaves inside this one may have taken the last unit.
        let budget = BUDGET.get();
        let left = budget.left.saturating_sub(1);
        BUDGET.set(Budget { left, ..budget });
    }
    polled
}

/// What is ready in this poll after this gives way first.
pub(crate) fn spend_all() {
    let budget = BUDGET.get();
    BUDGET.set(Budget { left: 0, ..budget });
}

#[cold]
fn refuse<R>(cx: &mut Context<'_>) -> Poll<R> {
    let budget = BUDGET.get();
    let left = budget.rest;
    BUDGET.set(Budget { left, ..budget });
    // A waker that panics is no business of the leaf.
    if let Err(payload) = unwind::catch(|| cx.waker().wake_by_ref()) {
        unwind::discard(payload);
    }
    Poll::Pending
}
