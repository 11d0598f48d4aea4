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
//!
//! # Soundness of the call
//!
//! The closure is called with `Group<'s, 's, ..>`, an instance of the higher-ranked bound that
//! [`Call::of_body`] demands: it was checked for every lifetime in place of the first `'s`, and
//! lifetimes are erased, so the one body serves the real one.

#![expect(
    unsafe_code,
    reason = "the handle of the group, and structural pinning of the body"
)]

use crate::api::group::handle::{self, Group, Invariant};
use crate::group::node::{Node, Opening};
use crate::poll::frame;
use crate::report::errors::Errors;
use crate::tree::cut::Cut;
use crate::tree::owner::{Answer, Outlived, Owner};
use crate::tree::zero_deadline;
use std::borrow::Cow;
use std::marker::{PhantomData, PhantomPinned};
use std::mem;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Where a group is opened, and under what options.
pub(crate) struct Setup<'p, E> {
    pub(crate) location: &'static Location<'static>,
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) deadline: Option<(Duration, E)>,
    /// The outer group of a nested one; a free group finds its parent at its first poll.
    pub(crate) parent: Option<&'p Node>,
}

impl<E> Setup<'_, E> {
    pub(crate) fn at(location: &'static Location<'static>) -> Self {
        Self {
            location,
            name: None,
            deadline: None,
            parent: None,
        }
    }
}

/// How the closure of a group is called: as a body that was checked for every lifetime of the
/// group.
///
/// A function pointer, and not a bound on `Future`: with `F: FnOnce(..) -> B` there, code that
/// needs the output of a group's future as a projection would have to prove `B` again, and cannot
/// where lifetimes are erased, which is in every check that an `async` block is `Send`.
pub(crate) struct Call<'s, E, F, B>(fn(F, Group<'s, 's, E>) -> B);

impl<E, F, B> Clone for Call<'_, E, F, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, F, B> Copy for Call<'_, E, F, B> {}

impl<'s, E, F, B> Call<'s, E, F, B> {
    /// Of a closure that is a body for every lifetime `'i`.
    pub(crate) fn of_body<R>() -> Self
    where
        F: for<'i> AsyncFnOnce(Group<'i, 's, E>) -> R + FnOnce(Group<'s, 's, E>) -> B,
    {
        Self(|body, group| body(group))
    }
}

/// The state machine behind the public futures.
pub(crate) struct Machine<'s, F, B, R, E: Send + 'static> {
    stage: Stage<'s, E>,
    closure: Option<F>,
    /// Pinned. There while the stage is `Open` and the body has not ended.
    body: Option<B>,
    /// What the body returned, until the group answers.
    value: Option<R>,
    lifetime: PhantomData<Invariant<'s>>,
    _pinned: PhantomPinned,
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
    /// It is granted by a deadline of zero, which is held back.
    held_back: bool,
}

/// How a body's output is split into value and error.
pub(crate) trait Split<E> {
    type Value;
    fn split(self) -> Result<Self::Value, E>;
}

/// The output of a body that cannot fail.
pub(crate) struct Whole<R>(pub(crate) R);

impl<R, E> Split<E> for Whole<R> {
    type Value = R;
    fn split(self) -> Result<R, E> {
        Ok(self.0)
    }
}

impl<R, E> Split<E> for Result<R, E> {
    type Value = R;
    fn split(self) -> Self {
        self
    }
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
        &mut self,
        call: impl FnOnce(F, Group<'s, 's, E>) -> B,
        opened: impl FnOnce(&Owner<E>),
    ) -> Option<First> {
        let Stage::New(setup) = &self.stage else {
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
            !(parent.spawn().is_shut_down() && parent.is_cancelled() && parent.parent().is_none()),
            "a group was polled for the first time after the runtime `{}` was shut down",
            parent.spawn().name()
        );
        let Stage::New(setup) = mem::replace(&mut self.stage, Stage::Over) else {
            return None;
        };
        let node = handle::open::<E>(
            parent,
            Opening {
                name: setup.name,
                location: setup.location,
                shielded,
            },
        );
        // Kept before any user code can panic: an owner that is dropped without `abandon` leaves
        // its node in the tree.
        self.stage = Stage::Open(Owner::new(node));
        let Stage::Open(owner) = &mut self.stage else {
            return None;
        };
        owner.arrive();
        opened(owner);
        // SAFETY: it is given to `call`, which hands it to a body for every lifetime, says the
        // caller. The owner ends the group, or leaves that to the last child; the parent, which is
        // open for `'s`, counts the children, also if this future is forgotten.
        let group = unsafe { Group::new(&owner.node) };
        let mut first = First {
            granted: !owner.is_cancelled(),
            held_back: false,
        };
        match setup.deadline {
            Some((Duration::ZERO, error)) if first.granted => {
                group.grant(error, setup.location);
                first.held_back = true;
            }
            Some((after, error)) => group.deadline_at(after, error, setup.location),
            None => {}
        }
        let closure = self.closure.take()?;
        let called = owner.poll_body(false, || Poll::Ready(call(closure, group)));
        match called {
            Ok(Poll::Ready(body)) => self.body = Some(body),
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
        unsafe { self.poll_with(cx, call.0, |_| {}, wrap) }
    }

    /// As [`Machine::poll`]; `opened` is called before the closure.
    ///
    /// # Safety
    ///
    /// `call` hands the group to a closure that is a body for every lifetime in place of the
    /// group's first, and does nothing else with it.
    pub(crate) unsafe fn poll_with<S>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        call: impl FnOnce(F, Group<'s, 's, E>) -> B,
        opened: impl FnOnce(&Owner<E>),
        wrap: impl FnOnce(B::Output) -> S,
    ) -> Poll<Result<R, Errors<E>>>
    where
        B: Future,
        S: Split<E, Value = R>,
    {
        // SAFETY: `body` is the one field that is pinned. The machine is never `Unpin`, and it
        // polls and drops the body in place, its destructor too.
        let this = unsafe { self.get_unchecked_mut() };
        let mut first = First::default();
        match &mut this.stage {
            Stage::Open(owner) => owner.arrive(),
            Stage::Outlived(outlived) => return outlived.poll(cx),
            Stage::New(_) | Stage::Over => {
                // SAFETY: `call` hands the group to a body for every lifetime, and does nothing
                // else with it, says the caller.
                match unsafe { this.open(call, opened) } {
                    Some(opened) => first = opened,
                    None => return Poll::Pending,
                }
            }
        }
        let mut wrap = Some(wrap);
        loop {
            let Stage::Open(owner) = &mut this.stage else {
                return Poll::Pending;
            };
            if this.body.is_none() {
                if first.held_back {
                    owner.decide();
                }
                return this.finish(cx);
            }
            let cutting = !mem::take(&mut first.granted) && owner.is_cancelled();
            if cutting && owner.cut_before_poll(cx.waker()) == Cut::Drop {
                drop_body(owner, &mut this.body);
                continue;
            }
            let Some(body) = &mut this.body else { continue };
            // SAFETY: the body stays in its place in `self`, which is pinned, until it is dropped
            // there.
            let body = unsafe { Pin::new_unchecked(body) };
            let polled = owner.poll_body(cutting, || body.poll(cx));
            match polled {
                Ok(Poll::Pending) => {
                    if mem::take(&mut first.held_back) {
                        zero_deadline::expire(&owner.node);
                    }
                    if cutting && owner.cut_after_poll(cx.waker()) == Cut::Drop {
                        drop_body(owner, &mut this.body);
                        continue;
                    }
                    if !owner.register(cx.waker(), cutting) {
                        continue;
                    }
                    owner.pass_on_hold();
                    return Poll::Pending;
                }
                Ok(Poll::Ready(output)) => {
                    drop_body(owner, &mut this.body);
                    if let Some(wrap) = wrap.take() {
                        match wrap(output).split() {
                            Ok(value) => this.value = Some(value),
                            Err(error) => owner.node.fail(error, owner.origin()),
                        }
                    }
                }
                Err(payload) => {
                    drop_body(owner, &mut this.body);
                    owner.fail_with_panic(payload);
                }
            }
        }
    }

    /// Joins and answers. The body is gone.
    #[inline(never)]
    fn finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, Errors<E>>> {
        let Stage::Open(owner) = &mut self.stage else {
            return Poll::Pending;
        };
        owner.node.body.clear();
        let panic = ready!(owner.poll_end(cx.waker()));
        let answer = owner.answer(panic, self.value.take());
        let Stage::Open(owner) = mem::replace(&mut self.stage, Stage::Over) else {
            return Poll::Pending;
        };
        match answer {
            Answer::Value(value) => Poll::Ready(Ok(value)),
            Answer::Errors(errors) => Poll::Ready(Err(errors)),
            Answer::Panic(payload) => resume_unwind(payload),
            Answer::Outer(value) => {
                self.value = value;
                self.stage = Stage::Outlived(owner.into_outlived());
                match &mut self.stage {
                    Stage::Outlived(outlived) => outlived.poll(cx),
                    _ => Poll::Pending,
                }
            }
        }
    }
}

/// Drops the body in place.
fn drop_body<B, E: Send + 'static>(owner: &mut Owner<E>, body: &mut Option<B>) {
    owner.drop_in_body(|| *body = None);
}

impl<F, B, R, E: Send + 'static> Drop for Machine<'_, F, B, R, E> {
    fn drop(&mut self) {
        if let Stage::Open(owner) = mem::replace(&mut self.stage, Stage::Over) {
            let (body, value) = (&mut self.body, &mut self.value);
            owner.abandon(|| *body = None, || *value = None);
        }
    }
}
