//! The right to a task's output, and the reference by which the closer cuts a service.

use crate::group::services::Serving;
use crate::poll::budget;
use crate::poll::frame::{self, AwaitedTask};
use crate::report::failure::{TaskId, describe, name_or_place};
use crate::task::cell::OutputRef;
use crate::task::header::{Header, TaskRef};
use crate::tree::unresolvable::{Asked, unresolvable};
use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::task::{Context, Poll, ready};

/// The right to a task's output. Dropping it leaves the task alone.
pub(crate) struct TaskHandle<V> {
    output: OutputRef<V>,
    id: TaskId,
}

impl<V> TaskHandle<V> {
    /// Of a task that was just started.
    #[inline]
    pub(crate) fn new(output: OutputRef<V>) -> Self {
        let id = output.task().expect("it was just started").id;
        Self { output, id }
    }

    #[inline]
    fn header(&self) -> Option<&Header> {
        self.output.task().map(|task| &**task)
    }

    pub(crate) fn id(&self) -> TaskId {
        self.id
    }

    pub(crate) fn name(&self) -> Option<Cow<'static, str>> {
        self.header()?.name().cloned()
    }

    pub(crate) fn location(&self) -> Option<&'static Location<'static>> {
        Some(self.header()?.location)
    }

    /// The name, or where the task was spawned; the number, once the output was taken.
    pub(crate) fn display_name(&self) -> Cow<'static, str> {
        match self.header() {
            Some(header) => name_or_place(header.name(), header.location),
            None => Cow::Owned(self.id.to_string()),
        }
    }

    /// The task as a message names it.
    pub(crate) fn describe(&self) -> String {
        match self.header() {
            Some(header) => describe(header.id, header.name(), header.location),
            None => format!("task {}", self.id),
        }
    }

    /// Whether the task has ended, or its output was taken.
    pub(crate) fn is_finished(&self) -> bool {
        self.header()
            .is_none_or(|header| header.state.load().is_complete())
    }

    /// Cuts the task, if it has not ended.
    pub(crate) fn cancel(&self) {
        if let Some(task) = self.output.task() {
            task.cancel();
        }
    }

    /// Waits for the value of the task, for an awaiter that cannot go on without: see
    /// [`unresolvable`].
    #[inline]
    pub(crate) fn poll_value(&mut self, asked: &mut Asked, cx: &mut Context<'_>) -> Poll<V> {
        match self.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(value)) => Poll::Ready(value),
            Poll::Ready(None) => unresolvable(|| self.describe(), asked, cx),
        }
    }

    /// Waits for the end of the task; `None` if it ended without a value, or the value was taken.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<V>> {
        let Some(header) = self.header() else {
            return budget::spend(cx).map(|()| None);
        };
        if !header.state.load().is_complete() && header.awaiter.register(cx.waker()) {
            frame::note_task(AwaitedTask {
                id: header.id,
                host: &raw const header.open,
            });
            return Poll::Pending;
        }
        let has_value = header.state.load().has_value();
        ready!(budget::spend(cx));
        Poll::Ready(if has_value { self.take() } else { None })
    }

    /// Takes the value out, if the task has ended with one.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<V> {
        self.output.take()
    }

    /// Another reference, for the closer, which has to cut the task.
    pub(crate) fn serving(&self) -> Option<Box<dyn Serving>> {
        Some(Box::new(self.output.task()?.clone()))
    }
}

/// A service, as the task that ends its group sees it.
impl Serving for TaskRef {
    fn is_over(&self) -> bool {
        self.state.load().is_complete()
    }

    fn cancel(&self) {
        self.cancel();
    }
}

impl<V> fmt::Debug for TaskHandle<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle")
            .field("id", &self.id)
            .field("finished", &self.is_finished())
            .finish()
    }
}
