//! A visit: a caller that is no part of a runtime blocks in it.
//!
//! It costs nothing until something asks for the root. A future that is ready at once, and opens no
//! group, leaves no trace in the runtime: no reference, no count.

use crate::group::node::{Node, NodeRef};
use crate::poll::frame::Visit;
use crate::pool::shared::Shared;
use std::cell::{Cell, OnceCell};
use std::ptr;

/// The visit of a blocked caller, on its stack.
pub(crate) struct Visiting<'a> {
    runtime: &'a Shared,
    root: OnceCell<NodeRef>,
    /// The runtime counts the caller as a guest.
    guest: Cell<bool>,
}

impl<'a> Visiting<'a> {
    #[inline]
    pub(crate) fn new(runtime: &'a Shared) -> Self {
        Self {
            runtime,
            root: OnceCell::new(),
            guest: Cell::new(false),
        }
    }

    /// Whether a group is in that runtime: then its members are no visitors.
    #[inline]
    pub(crate) fn is_to(&self, node: &Node) -> bool {
        ptr::addr_eq(node.pool_ptr().as_ptr(), self.runtime)
    }

    /// A shutdown gives its grace to a visitor that polls and has asked for the root, or has a
    /// group open.
    #[inline]
    pub(crate) fn be_guest(&self, guest: bool) {
        if self.guest.replace(guest) != guest {
            match guest {
                true => self.runtime.guest_came(),
                false => self.runtime.guest_leaves(),
            }
        }
    }

    /// One that has waited polls again, and is a guest again.
    #[inline]
    pub(crate) fn polls_again(&self) {
        if self.root.get().is_some() {
            self.be_guest(true);
        }
    }

    /// The root, as it is or was: the runtime may have ended since the visit began, and has given
    /// its root up. What the visitor would have seen of it then is cancelled.
    fn root_or_substitute(&self) -> NodeRef {
        self.runtime.open_root().unwrap_or_else(|| {
            let shared = self.runtime.this.upgrade().expect("it is in use");
            let root = NodeRef::root(shared);
            root.cancel_all();
            root
        })
    }
}

impl Visit for Visiting<'_> {
    fn root(&self) -> &Node {
        if self.root.get().is_none() {
            // First: a shutdown that finds no guest may end the runtime at once.
            self.be_guest(true);
        }
        self.root.get_or_init(|| self.root_or_substitute())
    }
}

impl Drop for Visiting<'_> {
    #[inline]
    fn drop(&mut self) {
        self.be_guest(false);
    }
}
