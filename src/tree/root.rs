//! The root of a runtime's tree: a node without owner and parent, which never ends.

use crate::group::node::{NodeRef, OUTER};
use crate::report::reason::CancelKind;
use crate::tree::cascade;
use crate::waiters;
use std::task::{Context, Poll};

impl NodeRef {
    /// Asks everything below to stop.
    pub(crate) fn stop(&self) {
        cascade::stop(self);
    }

    /// Cancels everything below.
    pub(crate) fn cancel_all(&self) {
        self.note_reason(CancelKind::Shutdown, self.origin());
        cascade::cancel(self, OUTER);
    }

    /// Whether nothing below is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.word.count() == 0
    }

    /// Ready when nothing below is left. One waker is remembered.
    pub(crate) fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        let new = cx.waker().clone();
        let (empty, old) = self.slow.lock().ending.await_empty(&self.word, new);
        waiters::discard(old);
        match empty {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}
