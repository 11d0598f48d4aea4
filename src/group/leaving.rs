//! How a child leaves its group, and how a group ends whose owner is gone: the last touch of a node.
//!
//! A count keeps the node, so whoever gives one back reads before that all it needs afterwards, such as the parent. Who
//! gives the last one goes on with the count that the node itself has in its parent.

#![expect(unsafe_code, reason = "nodes are reached through counted raw pointers")]

use crate::group::arena::Arena;
use crate::group::node::{Node, NodeRef, SERVING, wake};
use crate::group::word::Leave;
use crate::sync::atomic::Ordering;
use std::ptr::NonNull;

/// Gives one child's count back, and goes up the tree while that was the last one.
///
/// # Safety
///
/// 1. The caller holds one count on `node`, and gives it up.
/// 2. It touches nothing that the node keeps alive afterwards.
pub(crate) unsafe fn leave(node: NonNull<Node>) {
    let mut at = node;
    loop {
        // SAFETY: the count keeps the node's join open, and so the node alive.
        let here = unsafe { at.as_ref() };
        // Relaxed: the pointer cannot change while a count is held; it was settled before that count began.
        let parent = here.parent.load(Ordering::Relaxed);
        let last = match here.word.leave() {
            Leave::Left => false,
            Leave::Last => true,
            // SAFETY: still counted: the node is alive.
            Leave::Watched => unsafe { leave_watched(at) },
        };
        match NonNull::new(parent) {
            // The node's own count in its parent is ours to give back, and keeps the parent alive until then.
            Some(parent) if last => at = parent,
            // SAFETY: the reference of the root's count, which is gone.
            None if last => return drop(unsafe { NodeRef::from_raw(at) }),
            _ => return,
        }
    }
}

/// The slow half of [`leave`]; whether it was the last child.
///
/// # Safety
///
/// As [`leave`].
#[cold]
unsafe fn leave_watched(at: NonNull<Node>) -> bool {
    // SAFETY: the count that is still held keeps the node alive.
    let node = unsafe { at.as_ref() };
    let mut slow = node.slow.lock();
    let served = slow.served();
    let last_of_work = slow.body_gone && node.word.count() == 1 + served;
    if last_of_work && !slow.deferring && slow.has_tail() {
        // Services and defers become one last child: it takes over this count.
        slow.deferring = true;
        drop(slow);
        // SAFETY: one count is handed over.
        unsafe { (node.table.start_defers)(node) };
        return false;
    }
    let left = node.word.leave_watched();
    let told = slow.deferring && left <= 1 + served || node.flags() & SERVING != 0;
    let closer = if told { slow.defer_waker.take() } else { None };
    if left > 0 {
        drop(slow);
        wake(closer);
        return false;
    }
    let waker = slow.waker.take();
    let host_waker = slow.host_waker.take();
    let ends = slow.orphan && node.word.close();
    drop(slow);
    if ends {
        // SAFETY: the owner left its reference and its duty to whoever closes the word, and that was this call.
        unsafe { end_orphan(at) };
    }
    wake(closer);
    wake(waker);
    wake(host_waker);
    true
}

/// Ends a group whose owner is gone: kept values, unreceived failures, the reference.
///
/// # Safety
///
/// 1. The word was closed by the caller.
/// 2. The caller takes over the owner's reference.
pub(crate) unsafe fn end_orphan(at: NonNull<Node>) {
    // SAFETY: (2): the reference keeps it alive to the end of this function.
    let node = unsafe { NodeRef::from_raw(at) };
    let panic = node.end();
    let mut lent = std::mem::replace(&mut node.slow.lock().lent, Arena::new());
    let report = |payload| node.report_panic(payload, node.origin());
    let lent = lent.clear(report);
    // Taken first: no lock is held while the hook runs.
    let recorded = node.slow.lock().panic.take();
    for payload in [panic, lent, recorded].into_iter().flatten() {
        node.report_panic(payload, node.origin());
    }
    // SAFETY: the table belongs to this node.
    unsafe { (node.table.report_errors)(at) };
}

/// The owner goes away before the end: if it closed the word itself (`ends`), it ends the group here; else its reference
/// passes to the last leaver.
pub(crate) fn orphan(node: NodeRef, ends: bool) {
    let node = node.into_raw();
    if let (true, Some(node)) = (ends, NonNull::new(node)) {
        // SAFETY: the word was closed by the caller, whose reference is given up.
        unsafe { end_orphan(node) };
    }
}
