//! A latch: set once by one thread, awaited by another, in whose frame it lives.
//!
//! # States
//!
//! | state | meaning |
//! |---|---|
//! | `OPEN` | not set; the slot belongs to the waiter |
//! | `AWAITED` | not set; a waker is in the slot, which belongs to the setter |
//! | `SET` | the setter touches the latch no more |
//!
//! # Protocol
//!
//! Waiting: 1. put a waker into the slot; 2. `OPEN` -> `AWAITED`. If it is `SET` by then, the wait
//! is over. Setting: 1. `OPEN` -> `SET`, and the setter is done; or, if it is `AWAITED`, 2. take
//! the waker; 3. store `SET`; 4. wake.
//!
//! # Why nothing is touched too late
//!
//! The waiter's frame goes away once it has seen `SET`. The setter's last access is the one that
//! makes it so; the waker that it calls afterwards is its own.

#![expect(unsafe_code, reason = "the slot is handed over by the state")]

use crate::sync::atomic::{AtomicUsize, Guess, Ordering};
use crate::sync::cell::UnsafeCell;
use std::ptr::NonNull;
use std::task::Waker;

const OPEN: usize = 0;
const AWAITED: usize = 1;
const SET: usize = 2;

/// A latch, open at first.
pub(crate) struct Latch {
    state: AtomicUsize,
    waker: UnsafeCell<Option<Waker>>,
}

// SAFETY: the slot is reached by one thread at a time: by the waiter while the state is `OPEN`, by
// the setter while it is `AWAITED`, by none afterwards.
unsafe impl Sync for Latch {}

impl Latch {
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicUsize::new(OPEN),
            waker: UnsafeCell::new(None),
        }
    }

    /// Whether it was set. What its setter wrote is visible then.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        // Acquire: pairs with both Release accesses in `set`.
        self.state.load(Ordering::Acquire) == SET
    }

    /// Whether it was set; else `waker` is woken when it is. Later calls bring the same waker, or
    /// one that wakes the same thread.
    ///
    /// # Safety
    ///
    /// Only one thread calls this, the one whose frame the latch is in.
    pub(crate) unsafe fn wait(&self, waker: &Waker) -> bool {
        if self.state.guess() == OPEN {
            let waker = waker.clone();
            let place = |slot: *mut Option<Waker>| {
                // SAFETY: the state was open: if the setter has set it since, it did so without a
                // look at the slot. So the slot is the waiter's, which is the caller.
                unsafe { slot.replace(Some(waker)) }
            };
            let old = self.waker.with_mut(place);
            crate::waiters::discard(old);
            // Release: gives the slot to the setter, which acquires it in `set`. Relaxed on
            // failure: `is_set` looks again.
            let _ =
                self.state
                    .compare_exchange(OPEN, AWAITED, Ordering::Release, Ordering::Relaxed);
        }
        self.is_set()
    }

    /// Sets it.
    ///
    /// # Safety
    ///
    /// It was not set before. The latch is there until it is seen set, and may be gone from then
    /// on.
    pub(crate) unsafe fn set(this: NonNull<Self>) {
        // SAFETY: it was not set before, so it is there.
        let latch = unsafe { this.as_ref() };
        // Release: pairs with `is_set`. Acquire on failure: pairs with the Release in `wait`, for
        // the waker.
        let open = latch
            .state
            .compare_exchange(OPEN, SET, Ordering::Release, Ordering::Acquire);
        if open.is_ok() {
            return;
        }
        // SAFETY: the state is awaited, so the slot is the setter's, which is the caller: no other
        // thread reaches it.
        let waker = latch.waker.with_mut(|slot| unsafe { (*slot).take() });
        // Release: pairs with `is_set`; the waker was taken before the frame can go away. An RMW,
        // because the model checker does not know that a plain store comes after the waiter's RMWs.
        latch.state.swap(SET, Ordering::Release);
        if let Some(waker) = waker {
            crate::waiters::wake(waker);
        }
    }
}
