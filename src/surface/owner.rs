//! The owner's side of a group without its types: where it is polled, how it joins, how it ends.

#![expect(
    unsafe_code,
    reason = "the innermost group of a frame is alive while the frame is"
)]

use crate::group::frame::{self, Frame};
use crate::group::grant::Grant;
use crate::group::leaving;
use crate::group::node::{BUSY, CANCELLED, DEFERS, Node, NodeRef, OUTER, Origin, SHIELDED, Slow};
use crate::group::reason::CancelKind;
use crate::group::{open, tree};
use crate::surface::dead::{Asked, pend_until_dropped, poller_is_cut, whereabouts};
use crate::unwind::{self, Payload};
use std::ptr;
use std::task::{Context, Poll, Waker};

/// What the group's future holds once it was polled.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) node: NodeRef,
    /// The waker that the node has, as two addresses; valid until the node takes it.
    registered: Option<(usize, usize)>,
    watching: bool,
    /// The last poll of the body ended inside a shield.
    pub(crate) held: bool,
    /// The body was unwound by a cut.
    unwound: bool,
    asked: Asked,
}

fn identity(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
}

/// A group that is polled by a task of its own would wait for that task, which waits for it: a deadlock.
#[cold]
fn refuse_own_child(node: &Node, frame: &Frame) {
    // A group that was just opened has no child yet; so trees of groups are opened without a look at all ancestors.
    if node.word.count() == 0 {
        return;
    }
    // SAFETY: the innermost group of a frame is alive while the frame is on the stack.
    let mut at = Some(unsafe { frame.node().as_ref() });
    while let Some(around) = at {
        assert!(
            !ptr::eq(around, node),
            "group `{}` is awaited by one of those for whom it waits: {}",
            tree::path(node),
            whereabouts().unwrap_or_default()
        );
        at = around.parent();
    }
}

/// Drops a waker that was replaced. It is user code: a panic in it is contained.
fn discard_waker(waker: Option<Waker>) {
    if let Err(payload) = unwind::drop_quietly(waker) {
        unwind::discard(payload);
    }
}

/// Whether services or defers wait for a task that nobody but the owner will start: whoever brought them came after the
/// owner's look at the flag, and left before the body was known to be gone.
fn tail_waits(slow: &Slow, count: usize) -> bool {
    slow.has_tail() && !slow.deferring && count <= slow.served()
}

impl Owner {
    /// Of a node that was just made: the group begins.
    #[inline]
    pub(crate) fn new(node: NodeRef) -> Self {
        node.spawn().group_begins();
        Self {
            node,
            registered: None,
            watching: false,
            held: false,
            unwound: false,
            asked: Asked::default(),
        }
    }

    /// The group is polled here and now: moves it to this host, and takes over what the host says about cuts.
    #[inline]
    pub(crate) fn arrive(&self) {
        frame::current(|frame| {
            let node: &Node = &self.node;
            let Some(frame) = frame else {
                open::enter(node, ptr::null());
                return;
            };
            if !open::is_in(node, frame.host()) {
                refuse_own_child(node, frame);
                open::enter(node, frame.host());
            }
            if frame.is_shielded() {
                if node.flags() & SHIELDED == 0 {
                    node.set_flags(SHIELDED);
                }
                return;
            }
            let left_a_shield = node.flags() & SHIELDED != 0;
            if (left_a_shield && tree::unshield(node)) || frame.is_cut() {
                node.note_owner_cut();
                tree::cancel(node, OUTER);
            }
        });
    }

    /// One poll of the body, in its own frame; the second half of the answer is the panic.
    #[inline]
    pub(crate) fn poll_body<R>(
        &mut self,
        cutting: bool,
        poll: impl FnOnce() -> Poll<R>,
    ) -> Result<Poll<R>, Payload> {
        let frame = Frame::body(self.node.as_ptr(), &raw const self.node.body, cutting);
        let polled = unwind::catch(|| frame.enter(poll));
        self.held = frame.is_held();
        polled
    }

    /// Prepares a cut of the body; whether the body can be dropped without another poll.
    #[cold]
    pub(crate) fn cut_before_poll(&self, waker: &Waker) -> bool {
        open::cut(&self.node.body, waker, false);
        !self.held && open::settled_before_poll(&self.node.body)
    }

    /// After a pending poll of a body that is being cut; whether it can be dropped now.
    #[cold]
    pub(crate) fn cut_after_poll(&self, waker: &Waker) -> bool {
        open::cut(&self.node.body, waker, !self.held);
        let outermost = frame::current(|frame| !frame.is_some_and(Frame::is_cut));
        !self.held && open::settled(&self.node.body, waker, outermost)
    }

    /// Tells the host that a shield inside the body was reached.
    pub(crate) fn pass_on_hold(&self) {
        if self.held {
            frame::current(|frame| {
                if let Some(frame) = frame {
                    frame.hold();
                }
            });
        }
    }

    /// Registers the waker of a poll whose body is pending. False if the group was cancelled meanwhile and the caller
    /// did not know: it must look again.
    #[inline]
    pub(crate) fn register(&mut self, waker: &Waker, cutting: bool) -> bool {
        if cutting {
            self.node.set_flags(BUSY);
        }
        let now = identity(waker);
        if !cutting && self.registered == Some(now) {
            // The node has this waker, unless a cancel has taken it; then the flag is set.
            return !self.node.is_cancelled();
        }
        let new = waker.clone();
        // Of the clone, which the node keeps: a waker may have other data than its clone, at a place that is used again.
        let kept = identity(&new);
        let (old, cancelled) = {
            let mut slow = self.node.slow.lock();
            (slow.waker.replace(new), self.node.is_cancelled())
        };
        discard_waker(old);
        self.registered = (!cancelled).then_some(kept);
        cutting || !cancelled
    }

    /// Waits until no child, no service and no defer is left.
    pub(crate) fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // The count first: a child registers its defers and services before it leaves, so who reads zero sees the flag.
            let empty = self.node.word.count() == 0;
            let tailed = self.node.flags() & DEFERS != 0;
            if !self.watching && !tailed && empty {
                return Poll::Ready(());
            }
            if tailed {
                open::start_defers(&self.node);
            }
            let new = cx.waker().clone();
            let (old, count, tail_waits) = {
                let mut slow = self.node.slow.lock();
                slow.body_gone = true;
                let old = slow.waker.replace(new);
                let count = self.node.word.watch();
                (old, count, tail_waits(&slow, count))
            };
            discard_waker(old);
            self.watching = true;
            self.registered = None;
            if tail_waits {
                open::start_defers(&self.node);
            } else if count > 0 {
                return Poll::Pending;
            } else {
                return Poll::Ready(());
            }
        }
    }

    /// Ends the group after the join; false if a child came in through a handle. On success the payload of the panic
    /// that the owner has to resume.
    pub(crate) fn close(&mut self) -> Option<Option<Payload>> {
        if !self.node.word.close() {
            return None;
        }
        let late = self.node.end().filter(|late| !unwind::is_cut(&**late));
        open::exit(&self.node);
        let first = self.node.slow.lock().panic.take();
        match (first, late) {
            (Some(first), Some(late)) => {
                self.node.report_panic(late, self.node.origin());
                Some(Some(first))
            }
            (first, late) => Some(first.or(late)),
        }
    }

    /// The body ended in the poll that its deadline of zero granted: that was in time, if nothing but defers and services is
    /// left. A failure has ended the group already.
    #[cold]
    pub(crate) fn decide(&self, grant: Grant) {
        let served = self.node.slow.lock().served();
        if self.node.word.count() > served && !self.is_cancelled() {
            grant.expire();
        }
    }

    pub(crate) fn is_outer(&self) -> bool {
        self.node.flags() & OUTER != 0
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.node.flags() & CANCELLED != 0
    }

    pub(crate) fn fail_with_panic(&mut self, payload: Payload) {
        // The private payload of a cut means nothing in a group that is not being cut: somebody caught it elsewhere and
        // resumed it here. On its way to the edge of a shield, or of a task that is cut by itself, it takes the
        // children along with the body.
        let leaves = |frame: &Frame| frame.is_sheltered() || frame.is_marked();
        let leaves = frame::current(|frame| frame.is_some_and(leaves));
        if unwind::is_cut(&*payload) && (leaves || self.is_cancelled()) {
            self.unwound = true;
            tree::cancel(&self.node, OUTER);
            return;
        }
        let origin = self.node.origin();
        self.node.note_reason(origin.panicked(), origin.clone());
        self.node.record_panic(payload, origin);
        tree::cancel(&self.node, 0);
    }

    pub(crate) fn origin(&self) -> Origin {
        self.node.origin()
    }

    /// What to do with a group that was cancelled from outside and has joined: stay pending if its poller is being
    /// dropped, else say so loudly.
    #[cold]
    pub(crate) fn outlived<T>(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        if self.unwound && frame::current(|frame| frame.is_some_and(Frame::is_sheltered)) {
            unwind::unwind_cut();
        }
        if frame::current(|frame| frame.is_some()) && poller_is_cut() {
            return pend_until_dropped(&mut self.asked, cx);
        }
        panic!(
            "group `{}` was ended from outside by its parent or by the shutdown of runtime `{}`, and whoever awaits it \
             is not being cut",
            tree::path(&self.node),
            self.node.spawn().name()
        );
    }

    /// The future was dropped early: cancels, drops body and value, and leaves the rest to the last child.
    pub(crate) fn abandon(mut self, drop_body: impl FnOnce(), drop_value: impl FnOnce()) {
        self.node
            .note_reason(CancelKind::Dropped, self.node.origin());
        tree::cancel(&self.node, OUTER);
        let frame = Frame::body(self.node.as_ptr(), &raw const self.node.body, true);
        for dropped in [
            unwind::catch(|| frame.enter(drop_body)),
            unwind::catch(|| frame.enter(drop_value)),
        ] {
            if let Err(payload) = dropped {
                self.fail_with_panic(payload);
            }
        }
        self.node.body.clear();
        open::exit(&self.node);
        if self.node.flags() & DEFERS != 0 {
            open::start_defers(&self.node);
        }
        let (old, ends) = loop {
            let mut slow = self.node.slow.lock();
            slow.body_gone = true;
            let count = self.node.word.watch();
            if tail_waits(&slow, count) {
                drop(slow);
                open::start_defers(&self.node);
                continue;
            }
            slow.orphan = true;
            let ends = count == 0 && self.node.word.close();
            break (slow.waker.take(), ends);
        };
        discard_waker(old);
        leaving::orphan(self.node, ends);
    }
}
