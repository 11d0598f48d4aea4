//! An event count for one waiter: it sleeps until a condition may have come true, and costs the
//! thread that makes it true next to nothing.
//!
//! # States
//!
//! The waiter is awake; or it sleeps, or is about to; or it has gone, and there is none any more.
//!
//! # Protocol
//!
//! Falling asleep: 1. say so; 2. WaitFence; 3. look at the condition once more; 4. if it is true,
//! take that back, or, if a raiser was faster, take the token that is on its way; else wait for the
//! token.
//!
//! Making the condition true: 1. do so; 2. RaiseFence; 3. if the waiter sleeps, take that from it,
//! and give it a token. One that is awake will look.
//!
//! Going: 1. say so; 2. WaitFence; 3. look at the condition once more, and do what a raiser does
//! that finds no waiter.
//!
//! # Why nothing is missed
//!
//! Either fence comes first in the one order of fences. If RaiseFence: the waiter's last look sees
//! the condition. If WaitFence: the raiser sees that the waiter sleeps, or has gone. The thread
//! that ends the sleep gives the token, so there is never more than one on its way.

use crate::sync::atomic::{AtomicU32, Ordering, fence};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const GONE: u32 = 2;

/// Whether the waiter sleeps.
#[derive(Debug)]
pub(crate) struct EventCount {
    state: AtomicU32,
}

/// What a raiser finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Waiter {
    /// It will look at the condition.
    Awake,
    /// It slept, and the caller must give it a token.
    Slept,
    /// There is none.
    Gone,
}

impl EventCount {
    /// An event count whose waiter sleeps.
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU32::new(ASLEEP),
        }
    }

    /// After the condition may have come true.
    pub(crate) fn raise(&self) -> Waiter {
        // SeqCst: RaiseFence, pairs with WaitFence in `say`.
        fence(Ordering::SeqCst);
        self.raise_fenced()
    }

    /// As [`EventCount::raise`], after a SeqCst fence of the caller's, which is RaiseFence.
    pub(crate) fn raise_fenced(&self) -> Waiter {
        // Relaxed: ordered by the fence.
        match self.state.load(Ordering::Relaxed) {
            AWAKE => Waiter::Awake,
            ASLEEP if self.take() => Waiter::Slept,
            // Another raiser was faster; or the waiter goes, and looks once more after that.
            ASLEEP => Waiter::Awake,
            _ => Waiter::Gone,
        }
    }

    /// The waiter says that it sleeps. It looks at the condition once more before it does.
    pub(crate) fn fall_asleep(&self) {
        self.say(ASLEEP);
    }

    /// The waiter, or the thread that could not start it, says that there is none from now on, and
    /// looks at the condition once more.
    pub(crate) fn go(&self) {
        self.say(GONE);
    }

    fn say(&self, state: u32) {
        // Relaxed: ordered by the fence.
        self.state.store(state, Ordering::Relaxed);
        // SeqCst: WaitFence, pairs with RaiseFence.
        fence(Ordering::SeqCst);
    }

    /// The waiter stays awake after all; false if a raiser is waking it.
    #[must_use]
    pub(crate) fn stay_awake(&self) -> bool {
        self.take()
    }

    fn take(&self) -> bool {
        // Relaxed: it decides which thread; the token orders what follows.
        self.state
            .compare_exchange(ASLEEP, AWAKE, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}
