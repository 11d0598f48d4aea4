//! The right to a task's output, and the reference by which the closer cuts a service.

#![expect(
    unsafe_code,
    reason = "a handle owns the output of a task whose type was taken away"
)]

use crate::group::services::Serving;
use crate::poll::frame::{self, AwaitedTask};
use crate::report::failure::{TaskId, describe, name_or_place};
use crate::task::header::Header;
use crate::task::state::Release;
use crate::tree::unresolvable::{Asked, unresolvable};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// The right to a task's output. Dropping it leaves the task alone.
pub(crate) struct TaskHandle<V> {
    /// `None` once the output was taken.
    task: Option<NonNull<Header>>,
    id: TaskId,
    value: PhantomData<V>,
}

// SAFETY: the handle moves a `V` between threads at most, and the header is reached through its
// atomics.
unsafe impl<V: Send> Send for TaskHandle<V> {}
// SAFETY: a shared handle only reads the state.
unsafe impl<V: Send> Sync for TaskHandle<V> {}

impl<V> TaskHandle<V> {
    /// Takes over a handle's reference.
    ///
    /// # Safety
    ///
    /// 1. The caller owns that reference, and gives it up.
    /// 2. The task's value is a `V`.
    pub(crate) unsafe fn new(task: NonNull<Header>) -> Self {
        // SAFETY: the reference that was taken over keeps the task alive.
        let id = unsafe { task.as_ref() }.id;
        Self {
            task: Some(task),
            id,
            value: PhantomData,
        }
    }

    fn header(&self) -> Option<&Header> {
        // SAFETY: the handle's reference keeps it alive.
        self.task.map(|task| unsafe { task.as_ref() })
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
        if let Some(task) = self.task {
            // SAFETY: (1): the handle's reference keeps the task. (2): the canceller is the body or
            // a child of the group, or belongs to one, so the group has not ended.
            unsafe { Header::cut(task) };
        }
    }

    /// Waits for the value of the task, for an awaiter that cannot go on without: see
    /// [`unresolvable`].
    pub(crate) fn poll_value(&mut self, asked: &mut Asked, cx: &mut Context<'_>) -> Poll<V> {
        match self.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(value)) => Poll::Ready(value),
            Poll::Ready(None) => unresolvable(|| self.describe(), asked, cx),
        }
    }

    /// Waits for the end of the task; `None` if it ended without a value, or the value was taken.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<V>> {
        let Some(header) = self.header() else {
            return Poll::Ready(None);
        };
        if !header.state.load().is_complete() && header.awaiter.register(cx.waker()) {
            frame::note_task(AwaitedTask {
                job: std::ptr::from_ref(header).cast(),
                host: &raw const header.open,
            });
            return Poll::Pending;
        }
        if !header.state.load().has_value() {
            return Poll::Ready(None);
        }
        Poll::Ready(self.take())
    }

    /// Takes the value out, if the task has ended with one.
    pub(crate) fn take(&mut self) -> Option<V> {
        let task = self.task.take()?;
        // SAFETY: the handle's reference keeps it alive, until it is given up by `drop_handle`, or
        // below.
        let header = unsafe { task.as_ref() };
        let table = header.table;
        header.awaiter.forget();
        let state = header.state.load();
        if state.is_complete() {
            // The completer has passed, and does not look at `HANDLE` and `VALUE` any more: they
            // may stay.
            let value = state.has_value().then(|| {
                // SAFETY: in bounds of the task: the table's own offset.
                let place = unsafe { task.byte_add(table.output) }.cast::<V>();
                // SAFETY: the value is there, of this type, and only the one handle takes it, once.
                unsafe { place.read() }
            });
            // SAFETY: the handle's reference is given up.
            unsafe { Header::release(task) };
            return value;
        }
        match header.state.drop_handle() {
            Release::Done => None,
            Release::Free => {
                // SAFETY: that was the last reference, so the engine's is gone: the task is
                // complete. It has no value.
                unsafe { (table.free)(task) };
                None
            }
            Release::DropOutput => {
                // SAFETY: in bounds of the task: the table's own offset.
                let place = unsafe { task.byte_add(table.output) }.cast::<V>();
                // SAFETY: the value is there, of this type, and `drop_handle` made it this caller's
                // alone.
                let value = unsafe { place.read() };
                // SAFETY: with `DropOutput` the handle's reference is still the caller's.
                unsafe { Header::release(task) };
                Some(value)
            }
        }
    }
}

impl<V> TaskHandle<V> {
    /// Another reference, for the closer, which has to cut the task.
    pub(crate) fn serving(&self) -> Option<Box<dyn Serving>> {
        let task = self.task?;
        self.header()?.state.add_reference();
        Some(Box::new(Service(task)))
    }
}

/// A service, as the task that ends its group sees it.
struct Service(NonNull<Header>);

// SAFETY: the header is reached through its atomics, and a counted reference, which may be given
// back on any thread, keeps it.
unsafe impl Send for Service {}

impl Service {
    fn header(&self) -> &Header {
        // SAFETY: the reference that was taken over keeps the task alive.
        unsafe { self.0.as_ref() }
    }
}

impl Serving for Service {
    fn is_over(&self) -> bool {
        self.header().state.load().is_complete()
    }

    fn cut(&self) {
        // SAFETY: (1): the reference keeps the task. (2): the closer, which calls this, counts in
        // the group of the services, and that keeps their node.
        unsafe { Header::cut(self.0) };
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // SAFETY: the reference that `serving` counted is given up.
        unsafe { Header::release(self.0) };
    }
}

impl<V> Drop for TaskHandle<V> {
    fn drop(&mut self) {
        drop(self.take());
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
