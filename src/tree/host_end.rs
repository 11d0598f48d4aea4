//! How a host ends: the groups that are open in it are left, and those that are being cancelled go
//! on without a poller.

use crate::group::node::{Host, SHIELDED};
use crate::tree::cascade::{cancel_with_owner, end_services, is_parent_cancelled};
use crate::tree::hosts::take_all;
use std::pin::Pin;

impl Host {
    /// Forgets all groups: the host ends. They may be polled elsewhere later.
    #[inline]
    pub(crate) fn clear(&self) {
        if !self.is_empty() {
            self.clear_slow(false);
        }
    }

    /// As [`Host::clear`], for a host inside a shield, which goes on: the shields of its groups
    /// stay.
    pub(crate) fn clear_in_shield(&self) {
        if !self.is_empty() {
            self.clear_slow(true);
        }
    }

    #[cold]
    fn clear_slow(&self, in_shield: bool) {
        let mut left = Vec::new();
        take_all(self, |node| {
            // As in Marking and Linking (`group::node`): a canceller marks, and then asks under the
            // node's lock whether the group was left; here the group is left under that lock, and
            // then the mark is read.
            node.slow.lock().ending.lose_host();
            // With the host the shields in it have ended.
            let shielded = !in_shield && node.flags() & SHIELDED != 0;
            if shielded {
                node.clear_flags(SHIELDED);
            }
            if shielded || node.is_cancelled() {
                left.push(node.to_ref());
            }
        });
        for node in left {
            if node.is_cancelled() {
                end_services(&node);
            } else if is_parent_cancelled(&node) && node.flags() & SHIELDED == 0 {
                cancel_with_owner(&node);
            }
        }
    }
}

/// A host that ends with a scope on the stack.
pub(crate) struct StackHost<'a> {
    host: Pin<&'a Host>,
    in_shield: bool,
}

impl<'a> StackHost<'a> {
    /// `in_shield`: a shield around the scope outlives it.
    pub(crate) fn new(host: Pin<&'a Host>, in_shield: bool) -> Self {
        Self { host, in_shield }
    }

    pub(crate) fn host(&self) -> Pin<&'a Host> {
        self.host
    }
}

impl Drop for StackHost<'_> {
    fn drop(&mut self) {
        match self.in_shield {
            true => self.host.clear_in_shield(),
            false => self.host.clear(),
        }
    }
}
