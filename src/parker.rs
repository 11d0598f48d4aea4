//! One thread's right to sleep, and every other thread's right to wake it: a token.
//!
//! Private to us: `std::thread::park` has one token for each thread, which user code may want for
//! itself inside a task.
//!
//! # States
//!
//! `EMPTY`: no token. `TOKEN`: the next park returns at once. `PARKED`: the owner sleeps, or is
//! about to. `POLLING`: the owner sleeps in the driver, or is about to: the thread that unparks it
//! must notify the driver.
//!
//! # Protocol
//!
//! Parking: 1. take the token if there is one; 2. lock; 3. `EMPTY` -> `PARKED`, or take the token
//! that came meanwhile; 4. wait on the condition variable until there is a token; take it.
//! Unparking: 1. swap `TOKEN` in; 2. if it was `PARKED`, pass through the lock and notify; if it
//! was `POLLING`, the caller notifies the driver.
//!
//! # Why no wake-up is lost
//!
//! The thread that swaps `TOKEN` in over `PARKED` takes the lock before it notifies. The owner
//! holds the lock from before it said `PARKED` until the condition variable has released it, so the
//! notification comes after the owner waits.

use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::bed::{Condvar, Mutex};

const EMPTY: u32 = 0;
const TOKEN: u32 = 1;
const PARKED: u32 = 2;
const POLLING: u32 = 3;

/// A token for one sleeper.
#[derive(Debug)]
pub(crate) struct Parker {
    state: AtomicU32,
    lock: Mutex<()>,
    condvar: Condvar,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
            lock: Mutex::new(()),
            condvar: Condvar::new(),
        }
    }

    /// Whether there is a token, for the owner, which takes it afterwards.
    pub(crate) fn has_token(&self) -> bool {
        // Relaxed: a hint; `end_polling` takes it with Acquire.
        self.state.load(Ordering::Relaxed) == TOKEN
    }

    /// Takes the token without waiting; whether there was one.
    pub(crate) fn take_token(&self) -> bool {
        // Acquire: pairs with the Release in `unpark`: the waker's writes are visible.
        self.state
            .compare_exchange(TOKEN, EMPTY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Waits for a token and takes it.
    pub(crate) fn park(&self) {
        if self.take_token() {
            return;
        }
        let mut guard = self.lock.lock();
        // Relaxed: on failure the token came meanwhile, and the swap below takes it with Acquire.
        if self
            .state
            .compare_exchange(EMPTY, PARKED, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            // Acquire: pairs with the Release in `unpark`: takes the token, which no other thread
            // does.
            self.state.swap(EMPTY, Ordering::Acquire);
            return;
        }
        loop {
            self.condvar.wait(&mut guard);
            if self.take_token() {
                return;
            }
        }
    }

    /// Says that the owner is about to sleep in the driver; false if there was a token, which is
    /// taken.
    pub(crate) fn begin_polling(&self) -> bool {
        // Relaxed: on failure there is a token, and the swap below takes it with Acquire; on
        // success there is nothing to see yet.
        let begun =
            self.state
                .compare_exchange(EMPTY, POLLING, Ordering::Relaxed, Ordering::Relaxed);
        if begun.is_err() {
            // Acquire: pairs with the Release in `unpark`: takes the token.
            self.state.swap(EMPTY, Ordering::Acquire);
        }
        begun.is_ok()
    }

    /// The owner is back from the driver; whether there was a token, which is taken.
    pub(crate) fn end_polling(&self) -> bool {
        // Acquire: pairs with the Release in `unpark`: the waker's writes are visible.
        self.state.swap(EMPTY, Ordering::Acquire) == TOKEN
    }

    /// Gives a token. True if the owner sleeps in the driver: the caller must notify it.
    #[must_use]
    pub(crate) fn unpark(&self) -> bool {
        // Release: pairs with the owner's Acquire, in whichever call takes the token: publishes the
        // waker's writes.
        match self.state.swap(TOKEN, Ordering::Release) {
            PARKED => {
                // The owner may be between `PARKED` and its wait: it holds the lock there.
                drop(self.lock.lock());
                self.condvar.notify_one();
                false
            }
            before => before == POLLING,
        }
    }
}
