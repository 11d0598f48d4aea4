//! An alarm: one watcher sleeps until a condition may have come true, and costs whoever makes it true next to nothing.
//!
//! # Protocol
//!
//! Falling asleep: 1. set the flag; 2. WatchFence; 3. look at the condition once more; 4. if it is true, take the flag
//! back, or, if somebody was faster, take the token that is on its way; else wait for the token.
//!
//! Making the condition true: 1. do so; 2. AlarmFence; 3. if the flag is set, take it, and give the watcher a token.
//!
//! # Why nothing is missed
//!
//! Either fence comes first in the one order of fences. If AlarmFence: the watcher's last look sees the condition. If
//! WatchFence: the flag is seen. Who takes the flag gives the token, so there is never more than one on its way.

use crate::sync::atomic::{AtomicBool, Ordering, fence};

/// Whether the watcher sleeps.
#[derive(Debug)]
pub(crate) struct Alarm {
    asleep: AtomicBool,
}

impl Alarm {
    /// An alarm whose watcher sleeps.
    pub(crate) fn new() -> Self {
        Self {
            asleep: AtomicBool::new(true),
        }
    }

    /// After the condition may have come true: whether the caller must wake the watcher. `matters` may look at what else
    /// belongs to the condition, and sees all that whoever made it true by a last step wrote before a fence.
    #[must_use]
    pub(crate) fn raise(&self, matters: impl FnOnce() -> bool) -> bool {
        // SeqCst: AlarmFence, pairs with WatchFence in `fall_asleep`.
        fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence.
        self.asleep.load(Ordering::Relaxed) && matters() && self.take()
    }

    /// The watcher says that it sleeps. It looks at the condition once more before it does.
    pub(crate) fn fall_asleep(&self) {
        // Relaxed: ordered by the fence.
        self.asleep.store(true, Ordering::Relaxed);
        // SeqCst: WatchFence, pairs with AlarmFence in `raise`.
        fence(Ordering::SeqCst);
    }

    /// The watcher stays awake after all; false if somebody is waking it.
    #[must_use]
    pub(crate) fn stay_awake(&self) -> bool {
        self.take()
    }

    fn take(&self) -> bool {
        // Relaxed: it decides who; the token orders what follows.
        self.asleep.swap(false, Ordering::Relaxed)
    }
}
