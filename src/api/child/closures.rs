//! Closures as children: those that compute, on a worker, and those that block, on a thread of
//! their own.

use crate::api::child::outcome::Outcome;
use crate::api::child::spawn::{OrdinaryKind, birth};
use crate::api::child::task::Task;
use crate::api::group::futures::group;
use crate::api::group::handle::Group;
use crate::api::here::local;
use crate::poll::running::Running;
use crate::poll::tally;
use crate::task::cell::Birth;
use crate::task::spawn;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The future that calls a closure in its first poll.
pub(crate) struct Call<F>(Option<F>);

impl<F> Call<F> {
    pub(crate) fn of(f: F) -> Self {
        Self(Some(f))
    }
}

// The closure is moved out before it is called: nothing relies on its being pinned.
impl<F> Unpin for Call<F> {}

impl<F: FnOnce() -> O, O> Future for Call<F> {
    type Output = O;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<O> {
        let call = self.get_mut().0.take();
        // On a worker the sentinel has nothing to say against that.
        tally::with_record(|record| record.map(Running::note_compute));
        Poll::Ready(call
            .expect("a child is polled until it is ready, and no more")(
        ))
    }
}

impl<'s, E: Send + 'static> Group<'s, '_, E> {
    /// Starts a child that is a closure: it computes on a worker.
    ///
    /// It returns what a future's child may return. Sync code inside it may wait for async code
    /// (`future.wait()`), open scopes, and compute for as long as it likes.
    ///
    /// # Examples
    ///
    /// ```
    /// let sum = spinney::block_on(spinney::group(async |g| {
    ///     let numbers = g.keep((1..=1000).collect::<Vec<u64>>());
    ///     let (left, right) = numbers.split_at(500);
    ///     let left = g.compute(|| Ok(left.iter().sum::<u64>()));
    ///     let right = g.compute(|| Ok(right.iter().sum::<u64>()));
    ///     left.await + right.await
    /// }));
    /// assert_eq!(sum, 500_500);
    /// ```
    ///
    /// # Cancellation
    ///
    /// A closure that has not begun is dropped uncalled. One that runs is unwound where it waits,
    /// and runs on elsewhere: ask [`current::is_cancelled`](crate::current::is_cancelled) now and
    /// then.
    ///
    /// # Blocking
    ///
    /// It occupies a worker. For calls that sleep in the kernel there is
    /// [`blocking`](Group::blocking).
    #[track_caller]
    pub fn compute<F, O>(self, f: F) -> Task<'s, O::Value>
    where
        F: FnOnce() -> O + Send + 's,
        O: Outcome<E, Value: Send + 's>,
    {
        self.spawn_at(Call::of(f), None, Location::caller())
    }

    /// Starts a child that is a closure which blocks: a file, a database driver, another library's
    /// lock.
    ///
    /// It runs on a thread for such closures, of which a runtime has up to `max_blocking`; the rest
    /// waits in line. The child is like any other: the group joins it, its failure is the group's,
    /// it sees task-locals, deadline and [`cancel_reason`](crate::current::cancel_reason), and
    /// async code that it waits for (`future.wait()`) belongs to the group, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, block_on, try_group};
    ///
    /// let result = block_on(try_group(async |g: Group<'_, '_, std::io::Error>| {
    ///     let path = g.keep(std::env::temp_dir());
    ///     let entries = g.blocking(move || Ok(std::fs::read_dir(path)?.count()));
    ///     Ok(entries.await)
    /// }));
    /// assert!(result.is_ok());
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`compute`](Group::compute). Nothing cuts a call into the kernel: the group waits for it.
    ///
    /// # Blocking
    ///
    /// No worker is occupied. A closure that waits for async code does not count against
    /// `max_blocking` meanwhile. Where no thread can be had at all, a worker runs it.
    #[track_caller]
    pub fn blocking<F, O>(self, f: F) -> Task<'s, O::Value>
    where
        F: FnOnce() -> O + Send + 's,
        O: Outcome<E, Value: Send + 's>,
    {
        self.spawn_blocking_at(Call::of(f), Location::caller())
    }

    /// Starts a child that is polled on a thread for closures that block.
    pub(crate) fn spawn_blocking_at<F, T>(
        self,
        future: F,
        location: &'static Location<'static>,
    ) -> Task<'s, T>
    where
        F: Future<Output: Outcome<E, Value = T>> + Send + 's,
        T: Send + 's,
    {
        self.spawn_blocking_born(future, birth(None, location))
    }

    fn spawn_blocking_born<F, T>(self, future: F, birth: Birth) -> Task<'s, T>
    where
        F: Future<Output: Outcome<E, Value = T>> + Send + 's,
        T: Send + 's,
    {
        let handle =
            spawn::spawn_blocking_into::<_, OrdinaryKind<E>>(self.spawner(), future, birth);
        Task::new(handle)
    }
}

/// Runs a closure that blocks, without stalling a worker; resolves with its value.
///
/// It is a group with one child: see [`Group::blocking`].
///
/// # Examples
///
/// ```
/// let answer = spinney::block_on(spinney::blocking(|| {
///     std::thread::sleep(std::time::Duration::from_millis(1));
///     42
/// }));
/// assert_eq!(answer, 42);
/// ```
///
/// # Panics
///
/// A panic of the closure resumes in its awaiter.
///
/// # Cancellation
///
/// A closure that has not begun is dropped uncalled. One that runs is joined: by a task that is
/// cut, or, if the future is dropped early, by the group around it. Outside every group there is
/// none that would: at the end of `main` it ends with the process, wherever it is.
#[track_caller]
pub fn blocking<T, F>(f: F) -> impl Future<Output = T> + Send
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    blocking_at(f, Location::caller())
}

/// As [`blocking`], called from there.
pub(crate) fn blocking_at<T, F>(
    f: F,
    location: &'static Location<'static>,
) -> impl Future<Output = T> + Send
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    blocking_born(f, move || birth(None, location))
}

/// As [`blocking_at`], for a closure that is called in any case once the future was polled: no cut
/// reaches it in the line for a thread.
pub(crate) fn blocking_surely<T, F>(
    f: F,
    location: &'static Location<'static>,
) -> impl Future<Output = T> + Send
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    blocking_born(f, move || Birth::shielded(None, local::around(), location))
}

/// `birth` is called where the child is spawned, and sees what is around it there.
fn blocking_born<T, F>(
    f: F,
    birth: impl FnOnce() -> Birth + Send + 'static,
) -> impl Future<Output = T> + Send
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    group(async move |g| {
        let call = Call::of(move || Ok(f()));
        g.spawn_blocking_born(call, birth()).await
    })
}
