//! The root of a runtime's tree: a node without owner and parent, which never ends.

#![expect(unsafe_code, reason = "the root is freed as what it was allocated as")]

use crate::group::node::Spawn;
use crate::group::node::{Node, NodeRef, NodeTable, OUTER, Opening};
use crate::report::reason::CancelKind;
use crate::sync::Arc;
use crate::tree::reaper;
use crate::waiters;
use std::panic::Location;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// A root.
#[repr(C)]
struct Root {
    node: Node,
    /// Keeps the pool that every node of the tree points to. The pool drops its `NodeRef` to break
    /// the circle.
    _spawn: Arc<dyn Spawn>,
}

static ROOT_TABLE: NodeTable = NodeTable {
    reaper: &reaper::TABLE,
    free: free_root,
    report_errors: |_| {},
    start_closer: |_| unreachable!("a root has neither services nor defers"),
    mark_member: |_| unreachable!("a root has no members of its own"),
    describe_member: |_| unreachable!("a root has no members of its own"),
};

unsafe fn free_root(node: NonNull<Node>) {
    // SAFETY: a node with this table was made by `NodeRef::root` as a boxed `Root`, whose first
    // field it is; the last reference is gone, so the box is taken back once.
    drop(unsafe { Box::from_raw(node.cast::<Root>().as_ptr()) });
}

impl NodeRef {
    /// Makes the root of a runtime.
    pub(crate) fn root(spawn: Arc<dyn Spawn>) -> Self {
        let pointer = NonNull::from(&*spawn);
        let root = Box::new(Root {
            node: Node::new(
                &ROOT_TABLE,
                pointer,
                Opening {
                    parent: None,
                    name: None,
                    location: Location::caller(),
                    shielded: false,
                },
            ),
            _spawn: spawn,
        });
        let whole: NonNull<Node> = NonNull::from(Box::leak(root)).cast();
        // SAFETY: no other thread has the new node. Written through the pointer that is kept, which
        // a use of the box would end.
        unsafe { (*whole.as_ptr()).whole = whole };
        // SAFETY: a new node has one reference, and this is it.
        unsafe { Self::from_raw(whole) }
    }

    /// Asks everything below to stop.
    pub(crate) fn stop(&self) {
        crate::tree::cascade::stop(self);
    }

    /// Cancels everything below.
    pub(crate) fn cancel_all(&self) {
        self.note_reason(CancelKind::Shutdown, self.origin());
        crate::tree::cascade::cancel(self, OUTER);
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
