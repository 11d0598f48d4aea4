//! Waiting for the mark of the own task: a cut of that task alone, which no group tells.
//!
//! Waiters are kept by the address of the task, in a table of the process, so that a canceller
//! needs neither the group of the task nor its runtime, and wakes few others.
//!
//! # Protocol
//!
//! A canceller marks the task, and then, if the task is running or held by a shield, wakes the
//! waiters that registered for its address. A waiter registers first and looks at the mark
//! afterwards. Both pass through the lock of the list (`waiters`), so one of them sees the other.

use crate::poll::frame;
use crate::sync::process;
use crate::waiters::{Key, Waiters};
use std::task::Context;

crate::sync::process_static! {
    static WAITERS: [Waiters; process::STRIPES] = std::array::from_fn(|_| Waiters::new());
}

/// Wakes the waiters for the mark of the task at this address, and perhaps some others.
#[cold]
pub(crate) fn wake_waiters(task: usize) {
    frame::outside(|| WAITERS[process::stripe_of(task)].wake_all());
}

/// A registration for the mark of the task that is polled.
#[derive(Default)]
pub(crate) struct OwnCancel {
    /// The address of the task; zero if there is no registration.
    task: usize,
    key: Key,
}

impl OwnCancel {
    /// Whether the task in which the caller is polled was marked; if not, the waker is called when
    /// it is.
    pub(crate) fn look(&mut self, cx: &mut Context<'_>) -> bool {
        frame::current(|frame| {
            let Some(task) = frame.and_then(|frame| frame.task_view()) else {
                return false;
            };
            if task.cancel_requested() {
                return true;
            }
            let here = task.address();
            // A future may move to another task.
            if self.task != here {
                self.remove();
                self.task = here;
            }
            // Registered before the mark is read, woken after it is set.
            WAITERS[process::stripe_of(here)].register(&mut self.key, cx.waker());
            task.cancel_requested()
        })
    }

    #[inline]
    fn remove(&mut self) {
        if self.task != 0 {
            WAITERS[process::stripe_of(self.task)].remove(&mut self.key);
        }
    }
}

impl Drop for OwnCancel {
    #[inline]
    fn drop(&mut self) {
        self.remove();
    }
}
