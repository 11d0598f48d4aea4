//! Waiting for the mark of the own task: a cut of that task alone, which no group tells.
//!
//! # Protocol
//!
//! A canceller marks the task, and then, if the task is running or held by a shield, wakes all
//! waiters that registered in its runtime. A waiter registers first and looks at the mark
//! afterwards. Both pass through the lock of the list (`waiters`), so one of them sees the other.

use crate::group::node::NodeRef;
use crate::poll::frame;
use crate::waiters::Key;
use std::task::Context;

/// A registration for the mark of the task that is polled.
#[derive(Default)]
pub(crate) struct OwnCancel {
    /// The group of the task.
    group: Option<NodeRef>,
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
            let here = task.task.group();
            // A future may move to a task of another runtime.
            if self
                .group
                .as_deref()
                .is_some_and(|group| !std::ptr::addr_eq(group.spawn(), here.spawn()))
            {
                self.remove();
            }
            let group = self.group.get_or_insert_with(|| here.to_ref());
            // Registered before the mark is read, woken after it is set.
            group.spawn().blocked().register(&mut self.key, cx.waker());
            task.cancel_requested()
        })
    }

    fn remove(&mut self) {
        if let Some(group) = self.group.take() {
            group.spawn().blocked().remove(&mut self.key);
        }
    }
}

impl Drop for OwnCancel {
    fn drop(&mut self) {
        self.remove();
    }
}
