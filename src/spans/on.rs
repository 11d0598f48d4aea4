//! Tasks and groups as spans of `tracing`.
//!
//! # Two readers
//!
//! *tokio-console* reads the span `runtime.spawn` of each task at the level `TRACE`, which is
//! entered around each poll, and an event for each thing that a waker does. Its contract is that of
//! `console-subscriber` 0.5: names, targets and fields are fixed. Others are shown as they are:
//! here the group.
//!
//! *Exporters* read a tree. A group has a span, at `INFO` if it has a name, else at `DEBUG`; it is
//! opened in the context of the code that polls the group first, and entered around each poll of
//! the group's body. The span of a task has that of its group as its parent. Where the span of a
//! group or a task is not enabled, the context around it takes its place: so what a child does is
//! below what its group is in, at every level.
//!
//! A task that is looked at has an extension, with its span, and wakers with a table of their own.
//! While no subscriber wants anything a task or group that begins asks once, and a poll looks for a
//! span in the extension of its task: `docs/performance.md` has the price.
//!
//! A subscriber is code of the program's: its panics are caught and dropped.

use crate::sync::{Arc, Mutex};
use crate::unwind;
use std::borrow::Cow;
use std::cell::Cell;
use std::panic::Location;
use tracing::level_filters::LevelFilter;
use tracing::{Span, debug_span, info_span, trace, trace_span};

/// Whether there may be any.
pub(crate) const POSSIBLE: bool = true;

/// Whether any span is looked at.
#[inline]
pub(crate) fn is_wanted() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

/// Calls a subscriber.
fn ask<R>(f: impl FnOnce() -> R) -> Option<R> {
    unwind::catch(f).map_err(unwind::discard).ok()
}

/// This thread goes into a span.
fn enter(span: &Span) {
    ask(|| span.with_subscriber(|(id, subscriber)| subscriber.enter(id)));
}

/// It leaves the span.
fn exit(span: &Span) {
    ask(|| span.with_subscriber(|(id, subscriber)| subscriber.exit(id)));
}

/// The span of a group, until it has ended.
#[derive(Debug)]
pub(crate) struct GroupSpan(Option<Box<Opened>>);

#[derive(Debug)]
struct Opened {
    /// It is a span of the group's own, and not the context in which the group was opened.
    own: bool,
    context: Mutex<Option<Arc<Span>>>,
}

impl GroupSpan {
    /// Of the root of a runtime.
    #[inline]
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// A group begins here and now.
    #[inline]
    pub(crate) fn open(name: Option<&str>, location: &'static Location<'static>) -> Self {
        match is_wanted() {
            true => Self::open_wanted(name, location),
            false => Self(None),
        }
    }

    #[cold]
    fn open_wanted(name: Option<&str>, location: &'static Location<'static>) -> Self {
        let (file, line) = (location.file(), location.line());
        let open = || match name {
            Some(name) => info_span!(
                target: "spinney::group",
                "group",
                otel.name = name,
                name,
                code.file.path = file,
                code.line.number = line
            ),
            None => debug_span!(
                target: "spinney::group",
                "group",
                code.file.path = file,
                code.line.number = line
            ),
        };
        let context = || match open() {
            disabled if disabled.is_disabled() => (false, Span::current()),
            span => (true, span),
        };
        let context = ask(context).filter(|(_, context)| !context.is_none());
        Self::of(context.map(|(own, context)| (own, Arc::new(context))))
    }

    /// A part in it: of the node that a group has for its services, which has no body.
    pub(crate) fn shared(&self) -> Self {
        Self::of(self.context().map(|context| (false, context)))
    }

    fn of(context: Option<(bool, Arc<Span>)>) -> Self {
        let opened = |(own, context)| {
            let context = Mutex::new(Some(context));
            Box::new(Opened { own, context })
        };
        Self(context.map(opened))
    }

    /// A poll of the body, or its drop, is in the span while the guard lives. One of the group's
    /// own alone is entered: in another one the poll is already, and tokio-console takes each entry
    /// of a task's span for a poll.
    #[inline]
    pub(crate) fn enter(&self) -> InGroup {
        match &self.0 {
            Some(opened) if opened.own => InGroup::of(opened.context.lock().clone()),
            _ => InGroup(None),
        }
    }

    /// Whether there never was one, and so nothing to drop.
    #[inline]
    pub(crate) const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// What the group's children are in.
    fn context(&self) -> Option<Arc<Span>> {
        self.0.as_ref()?.context.lock().clone()
    }

    /// The group has ended, and spawns no more.
    #[inline]
    pub(crate) fn close(&self) {
        if let Some(inside) = &self.0 {
            let span = inside.context.lock().take();
            ask(|| drop(span));
        }
    }
}

/// A poll of a body in the span of its group.
pub(crate) struct InGroup(Option<Arc<Span>>);

impl InGroup {
    #[cold]
    fn of(span: Option<Arc<Span>>) -> Self {
        if let Some(span) = &span {
            enter(span);
        }
        Self(span)
    }
}

impl Drop for InGroup {
    #[inline]
    fn drop(&mut self) {
        if let Some(span) = self.0.take() {
            exit(&span);
            ask(|| drop(span));
        }
    }
}

/// What a span says of a task.
pub(crate) struct About<'a> {
    pub(crate) id: u64,
    pub(crate) name: Option<&'a str>,
    pub(crate) is_blocking: bool,
    /// Of its future.
    pub(crate) bytes: usize,
    pub(crate) location: &'static Location<'static>,
    /// The name of its group, or its place: asked for if there is a span.
    pub(crate) group: &'a dyn Fn() -> Cow<'static, str>,
}

/// What a waker does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WakerOp {
    Clone,
    Wake,
    WakeByRef,
    Drop,
}

/// The span of a task. Its runner alone enters and closes it; any thread tells of its wakers.
pub(crate) struct TaskSpan {
    /// The number that the subscriber gave to the span of its own; zero if it has none.
    number: u64,
    /// What its polls are in: a span of its own, or that of its group.
    span: Cell<Option<Arc<Span>>>,
}

impl TaskSpan {
    pub(crate) const fn none() -> Self {
        Self {
            number: 0,
            span: Cell::new(None),
        }
    }

    /// A task begins, in this group.
    #[cold]
    pub(crate) fn open(group: &GroupSpan, about: &About<'_>) -> Self {
        let context = group.context();
        let parent = context.as_ref().and_then(|context| context.id());
        let kind = if about.is_blocking {
            "blocking"
        } else {
            "task"
        };
        let own = || {
            trace_span!(
                target: "spinney::task",
                parent: parent,
                "runtime.spawn",
                kind,
                task.name = about.name,
                task.id = about.id,
                size.bytes = about.bytes as u64,
                loc.file = about.location.file(),
                loc.line = u64::from(about.location.line()),
                loc.col = u64::from(about.location.column()),
                group = &*(about.group)(),
            )
        };
        let own = ask(own).filter(|own| !own.is_disabled());
        Self {
            number: own
                .as_ref()
                .and_then(Span::id)
                .map_or(0, |id| id.into_u64()),
            span: Cell::new(own.map(Arc::new).or(context)),
        }
    }

    /// Whether its polls are in no span.
    pub(crate) fn is_none(&mut self) -> bool {
        self.span.get_mut().is_none()
    }

    /// Whether it has a span of its own, whose wakers are told of.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.number != 0
    }

    /// A waker of the task does this.
    #[cold]
    pub(crate) fn tell(&self, op: WakerOp) {
        let number = self.number;
        ask(|| match op {
            WakerOp::Clone => {
                trace!(target: "runtime::waker", op = "waker.clone", task.id = number);
            }
            WakerOp::Wake => {
                trace!(target: "runtime::waker", op = "waker.wake", task.id = number);
            }
            WakerOp::WakeByRef => {
                trace!(target: "runtime::waker", op = "waker.wake_by_ref", task.id = number);
            }
            WakerOp::Drop => {
                trace!(target: "runtime::waker", op = "waker.drop", task.id = number);
            }
        });
    }

    /// A poll, or the drop of the future, is in the span while the guard lives.
    #[inline]
    pub(crate) fn enter(&self) -> Entered<'_> {
        let span = self.span.take();
        if let Some(span) = &span {
            enter(span);
        }
        Entered { task: self, span }
    }

    /// The task is complete.
    #[inline]
    pub(crate) fn close(&self) {
        if let Some(span) = self.span.take() {
            ask(|| drop(span));
        }
    }
}

/// A poll in a span.
pub(crate) struct Entered<'a> {
    task: &'a TaskSpan,
    span: Option<Arc<Span>>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            exit(&span);
            self.task.span.set(Some(span));
        }
    }
}
