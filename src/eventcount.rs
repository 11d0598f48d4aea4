//! An event count for one waiter: it sleeps until a condition may have come true, and costs the
//! thread that makes it true next to nothing.
//!
//! # States
//!
//! One flag: the waiter sleeps, or is about to; or it is awake.
//!
//! # Protocol
//!
//! Falling asleep: 1. set the flag; 2. WaitFence; 3. look at the condition once more; 4. if it is
//! true, take the flag back, or, if a raiser was faster, take the token that is on its way; else
//! wait for the token.
//!
//! Making the condition true: 1. do so; 2. RaiseFence; 3. if the flag is set, take it, and give the
//! waiter a token.
//!
//! # Why nothing is missed
//!
//! Either fence comes first in the one order of fences. If RaiseFence: the waiter's last look sees
//! the condition. If WaitFence: the raiser sees the flag. The thread that takes the flag gives the
//! token, so there is never more than one on its way.

use crate::sync::atomic::{AtomicBool, Ordering, fence};

/// Whether the waiter sleeps.
#[derive(Debug)]
pub(crate) struct EventCount {
    asleep: AtomicBool,
}

impl EventCount {
    /// An event count whose waiter sleeps.
    pub(crate) fn new() -> Self {
        Self {
            asleep: AtomicBool::new(true),
        }
    }

    /// After the condition may have come true: whether the caller must wake the waiter.
    #[must_use]
    pub(crate) fn raise(&self) -> bool {
        // SeqCst: RaiseFence, pairs with WaitFence in `fall_asleep`.
        fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence.
        self.asleep.load(Ordering::Relaxed) && self.take()
    }

    /// The waiter says that it sleeps. It looks at the condition once more before it does.
    pub(crate) fn fall_asleep(&self) {
        // Relaxed: ordered by the fence.
        self.asleep.store(true, Ordering::Relaxed);
        // SeqCst: WaitFence, pairs with RaiseFence in `raise`.
        fence(Ordering::SeqCst);
    }

    /// The waiter stays awake after all; false if a raiser is waking it.
    #[must_use]
    pub(crate) fn stay_awake(&self) -> bool {
        self.take()
    }

    fn take(&self) -> bool {
        // Relaxed: it decides which thread; the token orders what follows.
        self.asleep.swap(false, Ordering::Relaxed)
    }
}
