//! A limit on how many of a group's children run at a time.

use crate::api::child::closures::Call;
use crate::api::child::completion::{self, Completing};
use crate::api::child::outcome::Outcome;
use crate::api::child::places::{InPlace, Line, Place, Places};
use crate::api::child::task::Task;
use crate::api::group::handle::{Group, Never};
use crate::sync::{Arc, Mutex};
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Spawns into a group with a limit on how many of these children run at a time:
/// [`Group::bounded`].
///
/// Nothing is queued inside: a caller that finds no place waits for one, or keeps its future. A
/// child gives its place back when its future has been dropped. A child that waits for a place of
/// its own full `Bounded` waits for ever.
///
/// # Examples
///
/// ```
/// let sum = spinney::block_on(spinney::group(async |g| {
///     let places = g.bounded(2);
///     let first = places.spawn(async { Ok(1) }).await;
///     let second = places.clone().spawn(async { Ok(2) }).await; // the same places
///     first.await + second.await
/// }));
/// assert_eq!(sum, 3);
/// ```
pub struct Bounded<'s, 'p, E = Never> {
    group: Group<'s, 'p, E>,
    places: Arc<Mutex<Places>>,
}

impl<'s, 'p, E: Send + 'static> Group<'s, 'p, E> {
    /// At most `limit` children at a time, out of those that are spawned through the returned
    /// handle.
    ///
    /// # Examples
    ///
    /// ```
    /// let sum = spinney::block_on(spinney::group(async |g| {
    ///     let two = g.bounded(2);
    ///     let mut parts = Vec::new();
    ///     for n in 0..10 {
    ///         parts.push(two.spawn(async move { Ok(n) }).await);
    ///     }
    ///     let mut sum = 0;
    ///     for part in parts {
    ///         sum += part.await;
    ///     }
    ///     sum
    /// }));
    /// assert_eq!(sum, 45);
    /// ```
    ///
    /// # Panics
    ///
    /// If `limit` is zero: the first `spawn` would wait before it could be raised. See
    /// [`Bounded::set_limit`].
    #[track_caller]
    pub fn bounded(self, limit: usize) -> Bounded<'s, 'p, E> {
        assert!(limit > 0, "a limit of zero children would wait for ever");
        Bounded {
            group: self,
            places: Arc::new(Mutex::new(Places::new(limit, self.node().to_ref()))),
        }
    }
}

impl<'s, 'p, E: Send + 'static> Bounded<'s, 'p, E> {
    /// Waits for a free place, then spawns. Places are given out in the order of asking.
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = spinney::block_on(spinney::group(async |g| {
    ///     let one = g.bounded(1);
    ///     let child = one.spawn(async { Ok(42) }).await; // has a place, and is spawned
    ///     child.await
    /// }));
    /// assert_eq!(answer, 42);
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the child's, which was not spawned; a place that it was given
    /// passes on.
    #[track_caller]
    pub fn spawn<F, T>(&self, future: F) -> SpawnBounded<'s, 'p, F, E>
    where
        F: Future<Output: Outcome<E, Value = T>> + Send + 's,
        T: Send + 's,
    {
        SpawnBounded {
            future: Some(future),
            line: Line::at(&self.places),
            group: self.group,
            location: Location::caller(),
        }
    }

    /// As [`spawn`](Bounded::spawn), for a closure that computes: see [`Group::compute`].
    ///
    /// In a [`scope`](crate::scope) `.wait()` is the way to a place: the thread that waits for one
    /// runs children meanwhile. So a loop over many closures holds `limit` of them at a time, and
    /// not all.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Wait, scope};
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    ///
    /// let sum = &AtomicU64::new(0);
    /// scope(|s| {
    ///     let places = s.bounded(64);
    ///     for n in 1..=1000 {
    ///         let add = move || _ = sum.fetch_add(n, Relaxed);
    ///         places.compute(add).wait(); // for a place
    ///     }
    /// });
    /// assert_eq!(sum.load(Relaxed), 500_500);
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`spawn`](Bounded::spawn).
    #[track_caller]
    pub fn compute<F, O>(
        &self,
        f: F,
    ) -> impl Future<Output = Task<'s, O::Value>> + Send + use<'s, 'p, F, O, E>
    where
        F: FnOnce() -> O + Send + 's,
        O: Outcome<E, Value: Send + 's>,
    {
        self.spawn(Call::of(f))
    }

    /// As [`spawn`](Bounded::spawn), for a closure that blocks: see [`Group::blocking`].
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, block_on, try_group};
    ///
    /// let result = block_on(try_group(async |g: Group<'_, '_, std::io::Error>| {
    ///     let files = g.bounded(4); // open at a time
    ///     let mut sizes = Vec::new();
    ///     for file in ["Cargo.toml", "README.md"] {
    ///         let read = move || Ok(std::fs::read(file)?.len());
    ///         sizes.push(files.blocking(read).await);
    ///     }
    ///     let mut sum = 0;
    ///     for size in sizes {
    ///         sum += size.await;
    ///     }
    ///     Ok(sum)
    /// }));
    /// assert!(result.unwrap() > 0);
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`spawn`](Bounded::spawn).
    #[track_caller]
    pub fn blocking<F, O>(
        &self,
        f: F,
    ) -> impl Future<Output = Task<'s, O::Value>> + Send + use<'s, 'p, F, O, E>
    where
        F: FnOnce() -> O + Send + 's,
        O: Outcome<E, Value: Send + 's>,
    {
        let (group, location) = (self.group, Location::caller());
        InPlace::new(Line::at(&self.places), move |place| {
            group.spawn_blocking_at(Completing::<_, _, E>::new(Call::of(f), place), location)
        })
    }

    /// Spawns, if there is a free place and no other caller waits for one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::pending;
    ///
    /// spinney::block_on(spinney::group(async |g| {
    ///     let one = g.bounded(1);
    ///     let first = one.try_spawn(pending::<()>()).ok().unwrap();
    ///     assert!(one.try_spawn(async {}).is_err());
    ///     first.cancel().await;
    ///     assert!(one.try_spawn(async {}).is_ok());
    /// }));
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the future back, unpolled, if there is none.
    #[track_caller]
    pub fn try_spawn<F, T>(&self, future: F) -> Result<Task<'s, T>, F>
    where
        F: Future<Output: Outcome<E, Value = T>> + Send + 's,
        T: Send + 's,
    {
        if !self.places.lock().take() {
            return Err(future);
        }
        let child = Completing::<_, _, E>::new(future, Place(Arc::clone(&self.places)));
        Ok(self.group.spawn_at(child, None, Location::caller()))
    }

    /// Changes the limit. Zero pauses: callers that wait go on waiting, children that run are left
    /// alone.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let places = g.bounded(1);
    ///     places.set_limit(0);
    ///     assert!(places.try_spawn(async {}).is_err());
    ///     places.set_limit(10);
    ///     assert!(places.try_spawn(async {}).is_ok());
    /// }));
    /// ```
    pub fn set_limit(&self, limit: usize) {
        self.places.lock().limit = limit;
        // Wakers are user code: while one is called another limit may come, and stays.
        let grant = || self.places.lock().grant();
        while let Some(waker) = grant() {
            completion::wake(waker);
        }
    }

    /// The limit.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let places = g.bounded(3);
    ///     assert_eq!(places.limit(), 3);
    /// }));
    /// ```
    #[must_use]
    pub fn limit(&self) -> usize {
        self.places.lock().limit
    }

    /// How many children hold a place.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::pending;
    ///
    /// spinney::block_on(spinney::group(async |g| {
    ///     let places = g.bounded(3);
    ///     assert_eq!(places.running(), 0);
    ///     let child = places.spawn(pending::<()>()).await;
    ///     assert_eq!(places.running(), 1);
    ///     child.cancel().await;
    /// }));
    /// ```
    #[must_use]
    pub fn running(&self) -> usize {
        let places = self.places.lock();
        places.taken - places.granted
    }
}

impl<E> Clone for Bounded<'_, '_, E> {
    /// Another handle to the same places.
    fn clone(&self) -> Self {
        Self {
            group: self.group,
            places: Arc::clone(&self.places),
        }
    }
}

impl<E> fmt::Debug for Bounded<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places.lock();
        f.debug_struct("Bounded")
            .field("limit", &places.limit)
            .field("taken", &places.taken)
            .field("waits", &!places.waiting.is_empty())
            .finish()
    }
}

/// The future of [`Bounded::spawn`].
///
/// # Examples
///
/// ```
/// use spinney::{Group, Never, Task, future::SpawnBounded};
///
/// fn later<'s, 'p, F>(g: Group<'s, 'p>, future: F) -> SpawnBounded<'s, 'p, F, Never>
/// where
///     F: Future<Output = ()> + Send + 's,
/// {
///     g.bounded(1).spawn(future)
/// }
///
/// spinney::block_on(spinney::group(async |g| {
///     let child: Task<'_, ()> = later(g, async {}).await;
///     child.await;
/// }));
/// ```
#[must_use = "a child is spawned when this is awaited"]
pub struct SpawnBounded<'s, 'p, F, E> {
    /// Taken out when there is a place; not pinned before it is spawned.
    future: Option<F>,
    line: Line,
    group: Group<'s, 'p, E>,
    location: &'static Location<'static>,
}

impl<F, E> Unpin for SpawnBounded<'_, '_, F, E> {}

impl<'s, F, T, E: Send + 'static> Future for SpawnBounded<'s, '_, F, E>
where
    F: Future<Output: Outcome<E, Value = T>> + Send + 's,
    T: Send + 's,
{
    type Output = Task<'s, T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Task<'s, T>> {
        let place = ready!(Pin::new(&mut self.line).poll(cx));
        let future = self.future.take().expect("polled after it was ready");
        let child = Completing::<_, _, E>::new(future, place);
        Poll::Ready(self.group.spawn_at(child, None, self.location))
    }
}

impl<F, E> fmt::Debug for SpawnBounded<'_, '_, F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnBounded")
            .field("waits", &self.line.waits())
            .finish_non_exhaustive()
    }
}
