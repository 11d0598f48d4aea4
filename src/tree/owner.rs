//! The owner's side of a group without the types of its body: where it is polled, how it joins, how
//! it ends.

use crate::group::name::NamedEnd;
use crate::group::node::{CANCELLED, Node, NodeRef, OUTER, SHIELDED};
use crate::poll::frame::{self, Frame, wake};
use crate::report::errors::Errors;
use crate::report::reason::{CancelKind, Origin};
use crate::tree::cut::{self, Cut, Knew};
use crate::tree::hosts::{self, Was};
use crate::tree::typed_node::TypedRef;
use crate::tree::unresolvable::{Asked, pend_until_dropped, poller_is_cut, whereabouts};
use crate::tree::{attach, cascade, leave, paths, zero_deadline};
use crate::unwind::{self, Payload};
use crate::waiters;
use std::ptr;
use std::task::{Context, Poll, Waker};

/// The part of a group that its future holds from its first poll until it answers.
pub(crate) struct Owner<E> {
    pub(crate) node: TypedRef<E>,
    /// The waker that the node has, as two addresses; valid until the node takes it.
    registered: Option<(usize, usize)>,
    /// The last poll of the body ended inside a shield.
    pub(crate) in_shield: bool,
    /// It is attached, and in the host that polled it last, if it was opened unattached.
    is_settled: bool,
}

/// Whether a group has failed that has ended.
#[derive(Default)]
pub(crate) struct Failed {
    /// Errors may be in the list of the node.
    errors: bool,
    /// To be resumed.
    panic: Option<Payload>,
}

/// How a group has ended.
pub(crate) enum Answer<R, E> {
    Value(R),
    Errors(Errors<E>),
    /// The first panic, to be resumed.
    Panic(Payload),
    /// It was cancelled from outside, and nothing was recorded. The value, if the body had returned
    /// one.
    Outer(Option<R>),
}

#[inline]
fn identity(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
}

/// A group that is polled by a task of its own would wait for that task, which waits for it: a
/// deadlock.
#[cold]
fn refuse_own_child(node: &Node, frame: &Frame<'_>) {
    // A group that was just opened has no child yet; so trees of groups are opened without a look
    // at all ancestors.
    if node.word.count() == 0 {
        return;
    }
    for around in frame.group().ancestors() {
        assert!(
            !ptr::eq(&raw const *around, node),
            "group `{}` is awaited by one of those for whom it waits: {}",
            paths::path(node),
            whereabouts().unwrap_or_default()
        );
    }
}

/// [`Owner::settle`], once for all error types.
#[cold]
fn settle(node: &Node) {
    attach::attach(node);
    frame::current(|frame| {
        hosts::enter(node, frame.map(Frame::host));
    });
}

/// [`Owner::poll_end`], once for all error types.
fn poll_end(node: &Node, waker: &Waker) -> Poll<Failed> {
    let Poll::Ready(rest) = leave::poll_join(node, waker) else {
        frame::note_child();
        return Poll::Pending;
    };
    let ended = leave::end(node, rest);
    let late = ended.thrown.filter(|late| !unwind::is_cut(&**late));
    hosts::exit(node);
    let panic = match (ended.recorded, late) {
        (Some(first), Some(late)) => {
            node.report_panic(late, node.origin());
            Some(first)
        }
        (first, late) => first.or(late),
    };
    Poll::Ready(Failed {
        errors: ended.failed,
        panic,
    })
}

impl<E: Send + 'static> Owner<E> {
    /// Of a node that was just made: the group begins.
    #[inline]
    pub(crate) fn new(node: TypedRef<E>) -> Self {
        let is_attached = node.is_attached();
        if is_attached {
            node.pool().group_begins(&**node);
        }
        Self {
            node,
            registered: None,
            in_shield: false,
            is_settled: is_attached,
        }
    }

    /// The group goes on beyond its first poll, or others know it: attaches it to its parent, and
    /// moves it to the host that polls it.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if !self.is_settled {
            self.is_settled = true;
            settle(&self.node);
        }
    }

    /// The body is gone. Ends a group that was not attached, if nothing was done to it that others
    /// could know; false: it is settled, and joins.
    #[inline]
    pub(crate) fn ends_alone(&self) -> bool {
        if self.is_settled {
            return false;
        }
        let alone = self.node.is_untouched(|parent| !attach::tells(parent));
        match alone {
            true => self.node.note_end(|| NamedEnd::Well),
            false => attach::attach(&self.node),
        }
        alone
    }

    /// The group is polled here and now: moves it to this host, and passes on the cuts and shields
    /// of the host.
    #[inline]
    pub(crate) fn arrive(&self) {
        frame::current(|frame| {
            let node: &Node = &self.node;
            let host = frame.map(Frame::host);
            let mut was = Was::Elsewhere;
            if !hosts::is_in(node, host.map_or(ptr::null(), |host| &raw const *host)) {
                if let Some(frame) = frame {
                    refuse_own_child(node, frame);
                }
                was = hosts::enter(node, host);
            }
            // A cut host waits, and asks for polls, of groups that are cancelled only.
            if was == Was::Left || node.is_cancelled() {
                let former = node.slow.lock().ending.reach(was == Was::Moved);
                wake(former);
            }
            if frame.is_some_and(Frame::is_shielded) {
                if node.flags() & SHIELDED == 0 {
                    node.set_flags(SHIELDED);
                }
                return;
            }
            let left_a_shield = node.flags() & SHIELDED != 0;
            if (left_a_shield && cascade::unshield(node)) || frame.is_some_and(Frame::is_cut) {
                cascade::cancel_with_owner(node);
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
        let _in_span = self.node.span.enter();
        let (polled, in_shield) = frame::of_body(&self.node, cutting, |frame| {
            let polled = unwind::catch(|| frame.enter(poll));
            (polled, frame.ended_in_shield())
        });
        self.in_shield = in_shield;
        polled
    }

    /// Drops the body, or its value, in the body's frame and as in a shield.
    #[inline]
    pub(crate) fn drop_in_body(&mut self, drop: impl FnOnce()) {
        let _in_span = self.node.span.enter();
        let enter = |frame: &Frame<'_>| unwind::catch(|| frame.enter_to_drop(drop));
        let dropped = frame::of_body(&self.node, true, enter);
        self.in_shield = false;
        if let Err(payload) = dropped {
            self.fail_with_panic(payload);
        }
    }

    /// The group is cancelled, and its body is about to be polled.
    #[cold]
    pub(crate) fn cut_before_poll(&self, waker: &Waker) -> Cut {
        cut::before_poll(&self.node.body, waker, self.in_shield)
    }

    /// As [`Owner::cut_before_poll`], after a poll of the body that knew of the cancel, and is
    /// pending.
    #[cold]
    pub(crate) fn cut_after_poll(&self, waker: &Waker) -> Cut {
        let inner = frame::current(|frame| frame.is_some_and(Frame::is_cut));
        let knew = match inner {
            true => Knew::AsInner,
            false => Knew::AsOutermost,
        };
        cut::after_poll(&self.node.body, waker, self.in_shield, knew)
    }

    /// Tells the host that a shield inside the body was reached.
    #[inline]
    pub(crate) fn pass_on_hold(&self) {
        if self.in_shield {
            frame::current(|frame| {
                if let Some(frame) = frame {
                    frame.note_shield();
                }
            });
        }
    }

    /// Registers the waker of a poll whose body is pending. False if the group was cancelled
    /// meanwhile and the caller did not know: it must look again.
    #[inline]
    pub(crate) fn register(&mut self, waker: &Waker, cutting: bool) -> bool {
        let now = identity(waker);
        if !cutting && self.registered == Some(now) {
            // The node has this waker, unless a cancel has taken it; then the flag is set.
            return !self.node.is_cancelled();
        }
        self.settle();
        let new = waker.clone();
        // Of the clone, which the node keeps: a waker may have other data than its clone, at a
        // place that is used again.
        let kept = identity(&new);
        let (old, cancelled) = {
            let mut slow = self.node.slow.lock();
            (slow.ending.register(new), self.node.is_cancelled())
        };
        waiters::discard(old);
        self.registered = (!cancelled).then_some(kept);
        cutting || !cancelled
    }

    /// The body is gone: waits until no child, no service and no defer is left, and ends the group.
    /// Ready once.
    #[inline]
    pub(crate) fn poll_end(&self, waker: &Waker) -> Poll<Failed> {
        poll_end(&self.node, waker)
    }

    /// The answer of a group that has ended: `failed` comes from [`Owner::poll_end`]. A panic
    /// outranks errors, which go to the hook then, and both outrank the value, which is dropped.
    #[inline]
    pub(crate) fn answer<R>(&self, failed: Failed, value: Option<R>) -> Answer<R, E> {
        match (failed, value) {
            (
                Failed {
                    errors: false,
                    panic: None,
                },
                Some(value),
            ) if !self.is_outer() => Answer::Value(value),
            (failed, value) => self.answer_failed(failed, value),
        }
    }

    fn answer_failed<R>(&self, failed: Failed, value: Option<R>) -> Answer<R, E> {
        let errors = match failed.errors {
            true => self.node.take(),
            false => Errors::none(),
        };
        if failed.panic.is_none() && errors.is_none() {
            return Answer::Outer(value);
        }
        // The value goes to no caller. Its destructor is user code: a panic of it ranks after the
        // one that is there.
        let thrown = frame::drop_quietly(value).err();
        let mut panics = [failed.panic, thrown].into_iter().flatten();
        let Some(first) = panics.next() else {
            return Answer::Errors(errors);
        };
        for second in panics {
            self.node.report_panic(second, self.origin());
        }
        for (error, origin) in errors.into_parts() {
            self.node.report_error(error, origin);
        }
        Answer::Panic(first)
    }

    /// The body ended in the poll that its deadline of zero granted: that was in time, if nothing
    /// but defers and services is left. A failure has ended the group already.
    #[cold]
    pub(crate) fn decide(&self) {
        let works = self.node.slow.lock().ending.has_work(&self.node.word);
        match works && !self.is_cancelled() {
            true => zero_deadline::expire(&self.node),
            false => zero_deadline::keep(&self.node),
        }
    }

    #[inline]
    pub(crate) fn is_outer(&self) -> bool {
        self.node.flags() & OUTER != 0
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.node.flags() & CANCELLED != 0
    }

    pub(crate) fn fail_with_panic(&mut self, payload: Payload) {
        attach::attach(&self.node);
        // The private payload of a cut means nothing in a group that is not being cut: it was
        // caught elsewhere and resumed here. On its way to the edge of a shield, or of a task that
        // is cut by itself, it takes the children along with the body.
        let leaves = |frame: &Frame<'_>| frame.is_sheltered() || frame.cancel_requested();
        let leaves = frame::current(|frame| frame.is_some_and(leaves));
        if unwind::is_cut(&*payload) && (leaves || self.is_cancelled()) {
            cascade::cancel(&self.node, OUTER);
            return;
        }
        let origin = self.node.origin();
        self.node.note_reason(origin.panicked(), origin.clone());
        self.node.record_panic(payload, origin);
        cascade::cancel(&self.node, 0);
    }

    pub(crate) fn origin(&self) -> Origin {
        self.node.origin()
    }

    /// The future was dropped early: cancels, drops body and value, and leaves the rest to the last
    /// child.
    pub(crate) fn abandon(mut self, drop_body: impl FnOnce(), drop_value: impl FnOnce()) {
        attach::attach(&self.node);
        self.node
            .note_reason(CancelKind::Dropped, self.node.origin());
        cascade::cancel(&self.node, OUTER);
        self.drop_in_body(drop_body);
        self.drop_in_body(drop_value);
        self.node.body.clear();
        hosts::exit(&self.node);
        leave::abandon(self.node.into_untyped());
    }

    /// The group has ended, cancelled from outside: its owner goes on as this.
    pub(crate) fn into_outlived(self) -> Outlived {
        Outlived {
            node: self.node.into_untyped(),
            asked: Asked::default(),
        }
    }
}

/// The owner of a group that was cancelled from outside and has ended: it does not answer.
#[derive(Debug)]
pub(crate) struct Outlived {
    node: NodeRef,
    asked: Asked,
}

impl Outlived {
    /// Stays pending if the poller is being dropped, else says so loudly.
    #[cold]
    pub(crate) fn poll<T>(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let in_shield = |frame: &Frame<'_>| {
            let node = frame.group();
            attach::attach(node);
            // The body of a group that is cancelled is dropped by its owner, whatever shield is
            // around that.
            let dropped = frame.is_cut() || (!frame.is_shielded() && node.is_cancelled());
            frame.is_sheltered() && !dropped
        };
        if frame::current(|frame| frame.is_some_and(in_shield)) {
            // The poller is not dropped: the cut goes to the edge of the shield.
            unwind::unwind_cut();
        }
        if frame::current(|frame| frame.is_some()) && poller_is_cut() {
            return pend_until_dropped(&mut self.asked, cx);
        }
        panic!(
            "group `{}` was ended from outside by its parent or by the shutdown of runtime `{}`, and its awaiter \
             is not being cut",
            paths::path(&self.node),
            self.node.pool().name()
        );
    }
}
