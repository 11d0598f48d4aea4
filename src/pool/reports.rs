//! Reports on their way to their hooks. Hooks are user code, which may block: the sentinel must not
//! be held up by one, nor may one run on the stack of a task that is blocked, perhaps under a lock
//! that the hook wants. So a thread of its own calls them, one after the other, while there are
//! any: see `report_thread`.

use crate::poll::running::Seen;
use crate::report::stall::ThreadState;
use crate::sync::Mutex;
use crate::sync::thread::JoinHandle;
use std::collections::VecDeque;
use std::time::Duration;

/// Reports that wait for a hook which does not return, at most; what comes later is left out.
const MOST: usize = 64;

/// A task that was seen not to return. The path of its group is not there yet: to find it may take
/// long in a large tree.
pub(crate) struct Sighting {
    pub(crate) seat: usize,
    pub(crate) seen: Seen,
    pub(crate) lasts: Duration,
    pub(crate) thread: ThreadState,
}

/// A report to be told.
pub(crate) enum Report {
    Stall(Sighting),
    /// Tasks of which each waits for the next one, and the last for the first.
    Circle(Vec<Seen>),
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Report>,
    /// Whether a thread calls the hooks.
    is_served: bool,
    /// The last of those threads.
    thread: Option<JoinHandle<()>>,
}

/// The reports of one runtime.
#[derive(Default)]
pub(crate) struct Reports(Mutex<Queue>);

impl Reports {
    /// Adds a report; whether the caller must see to it that a thread takes it.
    #[must_use]
    pub(super) fn push(&self, report: Report) -> bool {
        let mut queue = self.0.lock();
        if queue.waiting.len() < MOST {
            queue.waiting.push_back(report);
        }
        !std::mem::replace(&mut queue.is_served, true)
    }

    /// The next report; without one the caller is not the thread that serves any more.
    pub(super) fn next(&self) -> Option<Report> {
        let mut queue = self.0.lock();
        let next = queue.waiting.pop_front();
        queue.is_served = next.is_some();
        next
    }

    /// Keeps the thread that serves from now on. The one before has done its work.
    pub(super) fn keep(&self, thread: JoinHandle<()>) {
        let before = self.0.lock().thread.replace(thread);
        drop(before);
    }

    /// After the end: waits until the hooks have returned.
    pub(crate) fn join(&self) {
        let thread = self.0.lock().thread.take();
        if let Some(thread) = thread {
            // Hooks are caught.
            let _ = thread.join();
        }
    }
}
