//! How the body of an open group, or a service, waits until no child is left that is work.
//!
//! # Why no wake-up is lost
//!
//! A joiner asks, and leaves its waker, under the node's lock, and sets `WATCHED` there: each later
//! leaver that leaves no work behind comes through that lock, too, and takes all wakers out.

use crate::group::node::{Node, NodeRef};
use crate::keyed_queue::Key;
use crate::poll::frame;
use crate::tree::paths;
use crate::tree::unresolvable::whereabouts;
use crate::waiters;
use std::ptr;
use std::task::{Poll, Waker};

/// The place of a joiner in the group of this node.
#[derive(Debug)]
pub(crate) struct Joiner<'a> {
    node: &'a Node,
    key: Option<Key>,
}

impl<'a> Joiner<'a> {
    pub(crate) fn of(node: &'a Node) -> Self {
        Self { node, key: None }
    }

    pub(crate) fn node(&self) -> &'a Node {
        self.node
    }

    /// Ready at a moment at which no work is left. What the children wrote is seen.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let new = waker.clone();
        let word = &self.node.word;
        let mut slow = self.node.slow.lock();
        let (over, old) = slow.ending.join_open(word, &mut self.key, new);
        drop(slow);
        waiters::discard(old);
        match over {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Joiner<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let old = self.node.slow.lock().ending.forget_joiner(key);
            waiters::discard(old);
        }
    }
}

/// A child that waits for its group to have no child waits for itself. A service is none, nor is
/// the closer, in which defers run; what they start is.
#[cold]
pub(crate) fn refuse_own_child(node: &Node) {
    frame::current(|frame| {
        let Some(task) = frame.and_then(frame::Frame::task_view) else {
            return;
        };
        let mut below: Option<NodeRef> = None;
        for around in task.task.group().ancestors() {
            if ptr::eq(&raw const *around, node) {
                let is_no_work = match &below {
                    Some(below) => below.serves(),
                    // In a group that users hold no other task is in a shield from its beginning.
                    None => task.task.is_shielded(),
                };
                assert!(
                    is_no_work,
                    "`joined` of group `{}` is awaited by a child for which it waits: {}",
                    paths::path(node),
                    whereabouts().unwrap_or_default()
                );
                return;
            }
            below = Some(around);
        }
    });
}
