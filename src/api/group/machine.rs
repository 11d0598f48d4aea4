//! The future of a group: calls the closure at the first poll, polls the body, joins, and only then
//! answers.
//!
//! # Protocol
//!
//! 1. First poll: fix the parent, make the node, call the closure.
//! 2. Poll the body in its own frame until it is ready, has panicked, or is cut.
//! 3. Join: wait until no child is counted and services and defers have ended; the word is closed
//!    then.
//! 4. Drop what is kept, leave the parent's list, answer.

#![expect(
    unsafe_code,
    reason = "the handle of the group goes to a body that was checked for every lifetime"
)]

use crate::api::group::body::{Call, LendCall, Split};
use crate::api::group::handle::Group;
use crate::api::group::lifetime::{self, Alive, Invariant};
use crate::group::arena::Lent;
use crate::group::name::Name;
use crate::group::node::{Node, NodeRef, Opening};
use crate::poll::{budget, frame};
use crate::report::errors::Errors;
use crate::spans::GroupSpan;
use crate::tree::attach;
use crate::tree::cut::Cut;
use crate::tree::leave;
use crate::tree::owner::{Answer, Failed, Outlived, Owner};
use crate::tree::zero_deadline;
use pin_project_lite::pin_project;
use std::borrow::Cow;
use std::cell::Cell;
use std::marker::{PhantomData, PhantomPinned};
use std::mem;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Where a group is opened, and under what options.
pub(crate) struct Setup<'p, E> {
    location: &'static Location<'static>,
    name: Option<Cow<'static, str>>,
    deadline: Option<(Duration, E)>,
    /// The outer group of a nested one; a free group finds its parent at its first poll.
    parent: Option<&'p Node>,
}

impl<E> Setup<'static, E> {
    /// Of a free group.
    pub(crate) fn at(location: &'static Location<'static>) -> Self {
        Self {
            location,
            name: None,
            deadline: None,
            parent: None,
        }
    }
}

impl<'p, E> Setup<'p, E> {
    /// Of a group inside another one.
    pub(crate) fn within<E2>(
        outer: Group<'p, '_, E2>,
        location: &'static Location<'static>,
    ) -> Self {
        Self {
            location,
            name: None,
            deadline: None,
            parent: Some(outer.node_as_it_is()),
        }
    }

    /// The same, under these options.
    pub(crate) fn with(
        self,
        name: Option<Cow<'static, str>>,
        deadline: Option<(Duration, E)>,
    ) -> Self {
        Self {
            name,
            deadline,
            ..self
        }
    }
}

pin_project! {
    /// The state machine behind the public futures.
    pub(crate) struct Machine<'s, F, B, R, E>
    where
        E: Send,
        E: 'static,
    {
        stage: Stage<'s, E>,
        closure: Option<F>,
        // There while the stage is `Open` and the body has not ended.
        #[pin]
        body: Option<B>,
        // What the body returned, until the group answers.
        value: Option<R>,
        lifetime: PhantomData<Invariant<'s>>,
        #[pin]
        _pinned: PhantomPinned,
    }

    impl<F, B, R, E> PinnedDrop for Machine<'_, F, B, R, E>
    where
        E: Send,
        E: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Stage::Open(owner) = mem::replace(this.stage, Stage::Over) {
                owner.abandon(|| this.body.set(None), || *this.value = None);
            }
        }
    }
}

/// How far the future has come.
enum Stage<'s, E> {
    /// It was not polled yet.
    New(Setup<'s, E>),
    /// The group is open; the body is there, or the owner joins.
    Open(Owner<E>),
    /// The group has ended, and does not answer.
    Outlived(Outlived),
    /// It has answered.
    Over,
}

/// What the first poll of a group begins with.
#[derive(Default)]
struct First {
    /// The body has a poll for certain: no deadline is so short that it has none.
    granted: bool,
    /// It is granted by a deadline of zero, which is held back, and is a whole one.
    held_back: Option<budget::Apart>,
}

impl<'s, F, B, R, E: Send + 'static> Machine<'s, F, B, R, E> {
    pub(crate) fn new(closure: F, setup: Setup<'s, E>) -> Self {
        Self {
            stage: Stage::New(setup),
            closure: Some(closure),
            body: None,
            value: None,
            lifetime: PhantomData,
            _pinned: PhantomPinned,
        }
    }

    /// Gives the group a name, before its first poll.
    pub(crate) fn set_name(&mut self, name: Cow<'static, str>) {
        if let Stage::New(setup) = &mut self.stage {
            setup.name = Some(name);
        }
    }

    /// The group, while it is open.
    pub(crate) fn owner(&self) -> Option<&Owner<E>> {
        match &self.stage {
            Stage::Open(owner) => Some(owner),
            _ => None,
        }
    }

    /// The first poll. `None`: the poller is being cut, nothing is opened.
    ///
    /// # Safety
    ///
    /// As [`Machine::poll_with`].
    #[inline(never)]
    unsafe fn open(
        self: Pin<&mut Self>,
        call: impl FnOnce(F, Group<'s, 's, E>) -> B,
        opened: impl FnOnce(&Owner<E>),
    ) -> Option<First> {
        let mut this = self.project();
        let Stage::New(setup) = &*this.stage else {
            panic!("a group is not polled after its end");
        };
        let (parent, shielded) = frame::current(|frame| match frame {
            Some(frame) if frame.is_cut() => None,
            frame => {
                let shielded = frame.is_some_and(frame::Frame::is_shielded);
                let parent = match (setup.parent, frame) {
                    (Some(outer), frame) => {
                        // What a service of the outer group opens belongs to the service: as work
                        // it would keep the services from being ended, and wait for this one.
                        let service = frame.and_then(|frame| frame.service_of(outer));
                        service.unwrap_or_else(|| outer.to_ref())
                    }
                    (None, Some(frame)) => frame.group().to_ref(),
                    (None, None) => crate::pool::global::runtime().root(),
                };
                Some((parent, shielded))
            }
        })?;
        assert!(
            !(parent.pool().is_shut_down() && parent.is_cancelled() && parent.parent().is_none()),
            "a group was polled for the first time after the runtime `{}` was shut down",
            parent.pool().name()
        );
        let Stage::New(setup) = mem::replace(this.stage, Stage::Over) else {
            return None;
        };
        // So one level at most is unattached, and no end looks further up than its parent.
        attach::attach(&parent);
        // A group that is attached late is cancelled late, too.
        let told = attach::tells(&parent);
        let name = setup.name.map(|text| {
            let counted = parent.pool().named_opens(&text);
            Box::new(Name { text, counted })
        });
        let opened_at = name.as_ref().and_then(|name| Some(name.counted?.opened));
        let span = GroupSpan::open(name.as_ref().map(|name| &*name.text), setup.location);
        let node = lifetime::open::<E>(
            parent,
            Opening {
                name,
                location: setup.location,
                shielded,
                unattached: true,
                span,
            },
        );
        // Kept before any user code can panic: an owner that is dropped without `abandon` leaves
        // its node in the tree.
        *this.stage = Stage::Open(Owner::new(node));
        let Stage::Open(owner) = this.stage else {
            return None;
        };
        if told {
            owner.settle();
        }
        opened(owner);
        // SAFETY: (1): `call` hands it to a body for every lifetime, says the caller; what that
        // returns is dropped before the join. (2): the owner ends the group, or the last child
        // does; the parent, open for `'s`, counts the children, also if this future is forgotten.
        // A free group has no such parent, and `'s` is `'static` (`Setup::at`).
        let alive = unsafe { Alive::new(&owner.node) };
        let group = Group::new(alive);
        let mut first = First {
            granted: !owner.is_cancelled(),
            held_back: None,
        };
        match setup.deadline {
            Some((Duration::ZERO, error)) if first.granted => {
                group.grant(error, setup.location);
                first.held_back = Some(budget::granted());
            }
            Some((after, error)) => {
                let now = opened_at.unwrap_or_else(|| owner.node.pool().now());
                group.deadline_since(now, after, error, setup.location);
            }
            None => {}
        }
        let closure = this.closure.take()?;
        let called = owner.poll_body(false, || Poll::Ready(call(closure, group)));
        match called {
            Ok(Poll::Ready(body)) => this.body.set(Some(body)),
            Ok(Poll::Pending) => {}
            Err(payload) => owner.fail_with_panic(payload),
        }
        Some(first)
    }

    /// One poll of the whole.
    pub(crate) fn poll<S>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        call: Call<'s, E, F, B>,
        wrap: impl FnOnce(B::Output) -> S,
    ) -> Poll<Result<R, Errors<E>>>
    where
        B: Future,
        S: Split<E, Value = R>,
    {
        // SAFETY: a `Call` hands the group to a closure that is a body for every lifetime.
        unsafe { self.poll_with(cx, |body, group| call.call(body, group), |_| {}, wrap) }
    }

    /// As [`Machine::poll`], for a body that is lent a value: the first poll takes it from `value`,
    /// and leaves the right to have it back with `lent`.
    pub(crate) fn poll_lending<S, T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        call: LendCall<E, F, B, T>,
        value: impl FnOnce() -> Box<T>,
        lent: impl FnOnce(NodeRef, Lent<T>),
        wrap: impl FnOnce(B::Output) -> S,
    ) -> Poll<Result<R, Errors<E>>>
    where
        's: 'static,
        B: Future,
        S: Split<E, Value = R>,
        T: Send + 'static,
    {
        let place = Cell::new(None);
        let opened = |owner: &Owner<E>| {
            let mut right = owner.node.slow.lock().rare().lent.lend(value());
            // SAFETY: `Lent::borrow`: the body was checked for every lifetime of the reference,
            // which goes to it alone; the node owns the value until body and children are gone.
            place.set(Some(unsafe { right.borrow() }));
            lent(owner.node.to_ref(), right);
        };
        let call = |body: F, group| {
            let value = place.take().expect("`opened` is called before");
            call.call(body, group, value)
        };
        // SAFETY: a `LendCall` hands the group to a closure that is a body for every lifetime.
        unsafe { self.poll_with(cx, call, opened, wrap) }
    }

    /// As [`Machine::poll`]; `opened` is called before the closure.
    ///
    /// # Safety
    ///
    /// `call` hands the group to a closure that is a body for every lifetime in place of the
    /// group's first, and does nothing else with it.
    pub(crate) unsafe fn poll_with<S>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        call: impl FnOnce(F, Group<'s, 's, E>) -> B,
        opened: impl FnOnce(&Owner<E>),
        wrap: impl FnOnce(B::Output) -> S,
    ) -> Poll<Result<R, Errors<E>>>
    where
        B: Future,
        S: Split<E, Value = R>,
    {
        let mut first = First::default();
        match self.as_mut().project().stage {
            Stage::Open(owner) => owner.arrive(),
            Stage::Outlived(outlived) => return outlived.poll(cx),
            Stage::New(_) | Stage::Over => {
                // Before anything is opened. A poll of an open group is not refused: a cut has to
                // know whom it has reached.
                ready!(budget::spend(cx));
                // SAFETY: `call` hands the group to a body for every lifetime, and does nothing
                // else with it, says the caller.
                match unsafe { self.as_mut().open(call, opened) } {
                    Some(opened) => first = opened,
                    None => return Poll::Pending,
                }
            }
        }
        let mut wrap = Some(wrap);
        loop {
            let mut this = self.as_mut().project();
            let Stage::Open(owner) = this.stage else {
                return Poll::Pending;
            };
            let Some(body) = this.body.as_mut().as_pin_mut() else {
                if first.held_back.is_some() {
                    owner.decide();
                }
                return self.finish(cx);
            };
            let cutting = !mem::take(&mut first.granted) && owner.is_cancelled();
            if cutting && owner.cut_before_poll(cx.waker()) == Cut::Drop {
                owner.drop_in_body(|| this.body.set(None));
                continue;
            }
            let polled = owner.poll_body(cutting, || body.poll(cx));
            match polled {
                Ok(Poll::Pending) => {
                    owner.settle();
                    if first.held_back.take().is_some() {
                        zero_deadline::expire(&owner.node);
                    }
                    if cutting && owner.cut_after_poll(cx.waker()) == Cut::Drop {
                        owner.drop_in_body(|| this.body.set(None));
                        continue;
                    }
                    if !owner.register(cx.waker(), cutting) {
                        continue;
                    }
                    owner.pass_on_hold();
                    return Poll::Pending;
                }
                Ok(Poll::Ready(output)) => {
                    owner.drop_in_body(|| this.body.set(None));
                    if let Some(wrap) = wrap.take() {
                        match wrap(output).split() {
                            Ok(value) => *this.value = Some(value),
                            Err(error) => owner.node.fail(error, owner.origin()),
                        }
                    }
                }
                Err(payload) => {
                    owner.drop_in_body(|| this.body.set(None));
                    owner.fail_with_panic(payload);
                }
            }
        }
    }

    /// Joins and answers. The body is gone.
    #[inline(never)]
    fn finish(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R, Errors<E>>> {
        let this = self.project();
        let Stage::Open(owner) = this.stage else {
            return Poll::Pending;
        };
        owner.node.body.clear();
        let failed = match owner.ends_alone() {
            true => Failed::default(),
            false => match owner.poll_end(cx.waker()) {
                Poll::Ready(failed) => failed,
                Poll::Pending => {
                    owner.settle();
                    return Poll::Pending;
                }
            },
        };
        let answer = owner.answer(failed, this.value.take());
        let Stage::Open(owner) = mem::replace(this.stage, Stage::Over) else {
            return Poll::Pending;
        };
        match answer {
            Answer::Value(value) => Poll::Ready(Ok(value)),
            Answer::Errors(errors) => Poll::Ready(Err(errors)),
            Answer::Panic(payload) => {
                // Not with the last reference, which a child may hold until later.
                // SAFETY: a group that answers has ended.
                if let Some(second) = unsafe { leave::drop_lent(&owner.node) } {
                    owner.node.report_panic(second, owner.origin());
                }
                resume_unwind(payload)
            }
            Answer::Outer(value) => {
                *this.value = value;
                *this.stage = Stage::Outlived(owner.into_outlived());
                match this.stage {
                    Stage::Outlived(outlived) => outlived.poll(cx),
                    _ => Poll::Pending,
                }
            }
        }
    }
}
