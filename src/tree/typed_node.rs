//! The node with its error type: what only the group's future and its own children know.

#![expect(unsafe_code, reason = "the node is the first field of its typed whole")]

use crate::group::node::{Node, NodeRef, NodeTable, Opening};
use crate::report::errors::Errors;
use crate::report::reason::CancelKind;
use crate::report::reason::Origin;
use crate::tree::attach;
use crate::tree::cascade;

use crate::sync::Mutex;
use std::ptr::NonNull;

/// A node and the errors that it collects.
#[repr(C)]
pub(crate) struct Typed<E> {
    pub(crate) node: Node,
    errors: Mutex<Errors<E>>,
}

impl<E: Send + 'static> Typed<E> {
    /// Makes a node under a parent, attached.
    pub(crate) fn open(table: &'static NodeTable, parent: NodeRef, opening: Opening) -> NodeRef {
        let spawn = parent.spawn_ptr();
        let typed = Box::new(Self {
            node: Node::new(
                table,
                spawn,
                Opening {
                    parent: Some(parent),
                    ..opening
                },
            ),
            errors: Mutex::new(Errors::none()),
        });
        let raw: NonNull<Node> = NonNull::from(Box::leak(typed)).cast();
        // SAFETY: nobody else has the new node. Written through the pointer that is kept, which a use of the box would end.
        unsafe { (*raw.as_ptr()).whole = raw };
        // SAFETY: a new node has one reference, and this is it.
        let node = unsafe { NodeRef::from_raw(raw) };
        attach::attach(&node);
        node
    }

    /// The typed whole of a node.
    ///
    /// # Safety
    ///
    /// 1. The node was made by `Typed::<E>::open` with this `E`.
    /// 2. It is alive for `'a`.
    pub(crate) unsafe fn of<'a>(node: NonNull<Node>) -> &'a Self {
        // SAFETY: (1): the node is the first field of a `Typed<E>` (`#[repr(C)]`); (2).
        unsafe { node.cast::<Self>().as_ref() }
    }

    /// Records an error without cancelling.
    pub(crate) fn record(&self, error: E, origin: Origin) {
        let after_cancel = self.node.is_cancelled();
        self.node.slow.lock().ending.fail();
        let omitted = self.errors.lock().record(error, origin, after_cancel);
        if let Err((error, origin)) = omitted {
            self.node.report_error(error, origin);
        }
    }

    /// Records an error and cancels the group: fail-fast. An error of a service is that of the group that it serves.
    pub(crate) fn fail(&self, error: E, origin: Origin) {
        let kind = origin.failed();
        self.end(kind, error, origin);
    }

    /// As [`Typed::fail`], for a reason of its own.
    pub(crate) fn end(&self, kind: CancelKind, error: E, origin: Origin) {
        // SAFETY: the node of the services has the error type of its group, which is alive while it is counted.
        let receiver: &Self = unsafe { Self::of(self.node.receiver().whole) };
        receiver.node.note_reason(kind, origin.clone());
        receiver.record(error, origin);
        cascade::cancel(&receiver.node, 0);
    }

    /// Takes what was recorded.
    pub(crate) fn take(&self) -> Errors<E> {
        std::mem::replace(&mut *self.errors.lock(), Errors::none())
    }

    /// Frees the whole: `NodeTable::free`.
    ///
    /// # Safety
    ///
    /// As [`Typed::of`], and nobody else refers to the node.
    pub(crate) unsafe fn free(node: NonNull<Node>) {
        // SAFETY: made by `open` as a box of this type; the last reference is gone.
        drop(unsafe { Box::from_raw(node.cast::<Self>().as_ptr()) });
    }

    /// Hands every recorded error to the hook: `NodeTable::report_errors`.
    ///
    /// # Safety
    ///
    /// As [`Typed::of`].
    pub(crate) unsafe fn report(node: NonNull<Node>) {
        // SAFETY: the caller's promise.
        let typed = unsafe { Self::of(node) };
        for (error, origin) in typed.take().into_parts() {
            typed.node.report_error(error, origin);
        }
    }
}
