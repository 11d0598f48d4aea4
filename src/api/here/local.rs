//! Task-locals: values that go with a task, and with all that it starts, without a parameter.

use crate::poll::frame;
use crate::poll::locals::{Locals, Value};
use crate::sync::Arc;
use crate::sync::atomic::AtomicU32;
use pin_project_lite::pin_project;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, mem, ptr};

/// A value that goes with a task and with every child that it starts.
///
/// It is a static that has a value inside [`scope`](TaskLocal::scope) and nowhere else. A child
/// takes a snapshot of the values around the code that spawns it, wherever it runs, and lets go of
/// them when it ends; what is set later, around its siblings or around its awaiter, it does not
/// see. A [`defer`](crate::Group::defer) sees what was set where it was registered. Where no
/// task-local is set, nothing is allocated; a child that takes a snapshot costs one small
/// allocation more.
///
/// # Examples
///
/// ```
/// use spinney::{TaskLocal, block_on, group};
///
/// static REQUEST: TaskLocal<u64> = TaskLocal::new();
///
/// async fn log(text: &str) -> String {
///     format!("[{:?}] {text}", REQUEST.get())
/// }
///
/// let line = block_on(REQUEST.scope(7, group(async |g| {
///     g.spawn(async { Ok(log("from a child").await) }).await
/// })));
/// assert_eq!(line, "[Some(7)] from a child");
/// assert_eq!(REQUEST.get(), None);
/// ```
pub struct TaskLocal<T: 'static> {
    /// Not of size zero: the address of the static is the key. A constant has no address of its
    /// own: the cell refuses it.
    _place: AtomicU32,
    value: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> TaskLocal<T> {
    /// A task-local without a value.
    ///
    /// # Examples
    ///
    /// ```
    /// static REQUEST: spinney::TaskLocal<u64> = spinney::TaskLocal::new();
    ///
    /// assert_eq!(REQUEST.get(), None);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            _place: AtomicU32::new(0),
            value: PhantomData,
        }
    }

    fn key(&'static self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Runs a future in which this task-local has a value.
    ///
    /// Inside, the value hides one that an outer scope gave. It is dropped with the last task that
    /// has a snapshot of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{TaskLocal, block_on};
    ///
    /// static USER: TaskLocal<&'static str> = TaskLocal::new();
    ///
    /// let user = block_on(USER.scope("ada", async { USER.get() }));
    /// assert_eq!(user, Some("ada"));
    /// ```
    ///
    /// # Cancellation
    ///
    /// That of the future; its destructor sees the value, too.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalScope<F> {
        TaskLocalScope {
            inner: Carrying::new(future, Locals::none()),
            around: Locals::none(),
            key: self.key(),
            value: Arc::new(value),
        }
    }

    /// Calls a closure in which this task-local has a value.
    ///
    /// # Examples
    ///
    /// ```
    /// static DEPTH: spinney::TaskLocal<u32> = spinney::TaskLocal::new();
    ///
    /// assert_eq!(DEPTH.sync_scope(1, || DEPTH.sync_scope(2, || DEPTH.get())), Some(2));
    /// ```
    pub fn sync_scope<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R {
        let locals = around().and(self.key(), Arc::new(value));
        frame::with_locals(Some(&locals), f)
    }

    /// Calls a closure with the value, or with `None` where there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// static NAMES: spinney::TaskLocal<Vec<String>> = spinney::TaskLocal::new();
    ///
    /// let names = vec!["ada".to_owned()];
    /// let count = NAMES.sync_scope(names, || NAMES.with(|names| names.map(Vec::len)));
    /// assert_eq!(count, Some(1)); // nothing was cloned
    /// ```
    ///
    /// # Panics
    ///
    /// Those of the closure.
    pub fn with<R>(&'static self, f: impl FnOnce(Option<&T>) -> R) -> R {
        // Kept by itself: a coroutine may be suspended in `f`, and the scope end meanwhile.
        let value: Option<Value> =
            frame::locals(|locals| locals.and_then(|locals| locals.get(self.key()).cloned()));
        f(value.as_deref().and_then(|value| value.downcast_ref()))
    }

    /// A clone of the value, or `None` where there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// static DEPTH: spinney::TaskLocal<u32> = spinney::TaskLocal::new();
    ///
    /// assert_eq!(DEPTH.sync_scope(1, || DEPTH.get()), Some(1));
    /// assert_eq!(DEPTH.get(), None);
    /// ```
    #[must_use]
    pub fn get(&'static self) -> Option<T>
    where
        T: Clone,
    {
        self.with(|value: Option<&T>| value.cloned())
    }
}

impl<T: Send + Sync + 'static> Default for TaskLocal<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocal").finish_non_exhaustive()
    }
}

/// The task-locals of the code that runs.
#[inline]
pub(crate) fn around() -> Locals {
    frame::locals(|locals| locals.cloned().unwrap_or_default())
}

pin_project! {
    /// The future of [`TaskLocal::scope`].
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{TaskLocal, block_on, future::TaskLocalScope};
    ///
    /// static USER: TaskLocal<&'static str> = TaskLocal::new();
    ///
    /// fn as_ada<F: Future>(future: F) -> TaskLocalScope<F> {
    ///     USER.scope("ada", future)
    /// }
    ///
    /// assert_eq!(block_on(as_ada(async { USER.get() })), Some("ada"));
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct TaskLocalScope<F> {
        // Its task-locals are the value and those around it at the last poll.
        #[pin]
        inner: Carrying<F>,
        // Those around it at the last poll.
        around: Locals,
        key: usize,
        value: Value,
    }

    impl<F> PinnedDrop for TaskLocalScope<F> {
        fn drop(this: Pin<&mut Self>) {
            // The destructor of the future comes next.
            this.arrive();
        }
    }
}

impl<F> TaskLocalScope<F> {
    /// The value goes on top of what is set around this poll. That is nearly always the same as
    /// last time.
    fn arrive(self: Pin<&mut Self>) -> Pin<&mut Carrying<F>> {
        let mut this = self.project();
        let locals = this.inner.as_mut().project().locals;
        let same = !locals.is_none()
            && frame::locals(|around| this.around.is(around.unwrap_or(&Locals::none())));
        if !same {
            let around = around();
            let new = around.clone().and(*this.key, Arc::clone(this.value));
            // Both are in place before a destructor of an old value runs.
            let around = mem::replace(this.around, around);
            drop((mem::replace(locals, new), around));
        }
        this.inner
    }
}

impl<F: Future> Future for TaskLocalScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.arrive().poll(cx)
    }
}

impl<F> fmt::Debug for TaskLocalScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocalScope").finish_non_exhaustive()
    }
}

pin_project! {
    /// A future that is polled and dropped with these task-locals.
    pub(crate) struct Carrying<F> {
        // `None` once it is ready.
        #[pin]
        future: Option<F>,
        locals: Locals,
    }

    impl<F> PinnedDrop for Carrying<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            frame::with_locals(Some(this.locals), || this.future.set(None));
        }
    }
}

impl<F> Carrying<F> {
    pub(crate) fn new(future: F, locals: Locals) -> Self {
        Self {
            future: Some(future),
            locals,
        }
    }
}

impl<F: Future> Future for Carrying<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        frame::with_locals(Some(this.locals), || {
            let future = this.future.as_mut().as_pin_mut();
            let polled = future.expect("polled after it was ready").poll(cx);
            if polled.is_ready() {
                this.future.set(None);
            }
            polled
        })
    }
}
