//! Cached readiness of one source of I/O, for reading and for writing.
//!
//! # States
//!
//! One word for each direction: bit 0 is set if the source may be ready; the rest is a tick that
//! each event advances.
//!
//! # Protocol
//!
//! An event: 1. advance the tick and set the bit, in one step; 2. wake all waiters.
//!
//! An operation: 1. read the word; if the bit is set, try; on `WouldBlock` clear the bit, but only
//! if the tick is still the one that was read; 2. without the bit: register the waker, then read
//! the word again.
//!
//! # Why no wake-up is lost
//!
//! An event that comes between the try and the clear has advanced the tick, so the clear fails.
//! Registering and waking pass through the lock of the list: if the wake comes first, the second
//! look at the word sees the bit.

use crate::sync::atomic::{AtomicUsize, Guess, Ordering};
use crate::waiters::Waiters;

/// Wakers of `AsyncRead` and `AsyncWrite` that one direction keeps. Those traits have no way to
/// take a waker back, and promise one alone, that of the last poll. Two: a task may read while
/// another one, which has lent it the socket, keeps an eye on it.
const POLLERS: usize = 2;

const READY: usize = 1;
const TICK: usize = 2;

/// Readiness in one direction.
#[derive(Debug)]
pub(crate) struct Readiness {
    word: AtomicUsize,
    pub(crate) waiters: Waiters<POLLERS>,
}

/// A state of readiness that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen(usize);

impl Seen {
    pub(crate) fn is_ready(self) -> bool {
        self.0 & READY != 0
    }
}

impl Readiness {
    /// A new source may be ready: the first try tells.
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicUsize::new(READY),
            waiters: Waiters::new(),
        }
    }

    pub(crate) fn look(&self) -> Seen {
        // Acquire: pairs with the Release in `event`: what made the source ready comes before the
        // try.
        Seen(self.word.load(Ordering::Acquire))
    }

    /// The source said `WouldBlock`, after `seen` was read.
    pub(crate) fn clear(&self, seen: Seen) {
        // Relaxed: clearing publishes nothing; a failure means that there was an event meanwhile.
        let _ = self.word.compare_exchange(
            seen.0,
            seen.0 & !READY,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// There was an event.
    pub(crate) fn event(&self) {
        let mut before = self.word.guess();
        loop {
            // Release: pairs with the Acquire in `look`: what the poller did before comes before
            // the try.
            match self.word.compare_exchange_weak(
                before,
                (before | READY).wrapping_add(TICK),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => before = now,
            }
        }
        self.waiters.wake_all();
    }
}
