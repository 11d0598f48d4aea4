//! How a host ends: what is open in it is left, and those of its groups that are being cancelled go on without a poller.

#![expect(unsafe_code, reason = "hosts and groups point to each other")]

use crate::group::node::{Host, OUTER, SHIELDED};
use crate::sync::atomic::Ordering;
use crate::tree::cascade::{cancel, end_services, is_parent_cancelled};
use crate::tree::hosts::{ENDED, lock};
use std::ops::Deref;
use std::ptr;

impl Host {
    /// Forgets all groups: the host ends. They may be polled elsewhere later.
    #[inline]
    pub(crate) fn clear(&self) {
        if !self.is_empty() {
            self.clear_slow(false);
        }
    }

    /// As [`Host::clear`], for a host that is inside a shield, which goes on: so do those of its groups.
    pub(crate) fn clear_in_shield(&self) {
        if !self.is_empty() {
            self.clear_slow(true);
        }
    }

    #[cold]
    fn clear_slow(&self, in_shield: bool) {
        let mut left = Vec::new();
        let locked = lock(self);
        // Relaxed: under the lock of this list, here and below.
        let mut at = self
            .first
            .swap(ptr::null_mut(), Ordering::Relaxed)
            .cast_const();
        // SAFETY: groups leave the list before they are freed, under the lock that is held.
        while let Some(node) = unsafe { at.as_ref() } {
            at = node.hosted.next.replace(ptr::null());
            node.hosted.prev.set(ptr::null());
            // As in Marking and Linking (`node`): a canceller marks and then asks under the node's lock whether the group
            // was left; here the group is left under that lock, and then the mark is read.
            node.slow.lock().ending.lose_host();
            // With the host the shields in it have ended.
            let shielded = !in_shield && node.flags() & SHIELDED != 0;
            if shielded {
                node.clear_flags(SHIELDED);
            }
            if shielded || node.is_cancelled() {
                left.push(node.to_ref());
            }
            // Release: a mover that reads it without the lock must not touch this host any more, and may end the node.
            node.hosted.host.store(ENDED, Ordering::Release);
        }
        drop(locked);
        for node in left {
            if node.is_cancelled() {
                end_services(&node);
            } else if is_parent_cancelled(&node) && node.flags() & SHIELDED == 0 {
                node.note_owner_cut();
                cancel(&node, OUTER);
            }
        }
    }
}

/// A host on the stack, which ends with its scope.
pub(crate) struct StackHost {
    host: Host,
    in_shield: bool,
}

impl StackHost {
    /// `in_shield`: a shield around the scope outlives it.
    pub(crate) fn new(in_shield: bool) -> Self {
        Self {
            host: Host::new(),
            in_shield,
        }
    }
}

impl Deref for StackHost {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Drop for StackHost {
    fn drop(&mut self) {
        match self.in_shield {
            true => self.clear_in_shield(),
            false => self.clear(),
        }
    }
}
