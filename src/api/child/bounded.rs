//! A limit on how many of a group's children run at a time.

use crate::api::child::completion::{self, Completing, Completion};
use crate::api::child::outcome::Outcome;
use crate::api::child::task::Task;
use crate::api::group::handle::Group;
use crate::poll::{budget, frame};
use crate::sync::{Arc, Mutex};
use crate::unwind::Payload;
use crate::waiters;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Places for children that run at the same time, given out in the order of asking.
#[derive(Debug, Default)]
struct Places {
    limit: usize,
    /// Given out: to children, and to waiters that have not seen it yet.
    taken: usize,
    next: u64,
    waiting: BTreeMap<u64, Waker>,
    granted: BTreeSet<u64>,
}

impl Places {
    /// Gives free places to waiters; returns their wakers, to be called outside the lock.
    #[must_use]
    fn grant(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        while self.taken < self.limit {
            let Some((ticket, waker)) = self.waiting.pop_first() else {
                break;
            };
            self.taken += 1;
            self.granted.insert(ticket);
            woken.push(waker);
        }
        woken
    }
}

fn change(places: &Mutex<Places>, change: impl FnOnce(&mut Places)) {
    let woken = {
        let mut places = places.lock();
        change(&mut places);
        places.grant()
    };
    woken.into_iter().for_each(completion::wake);
}

/// A place that is taken; given back when it is dropped.
#[derive(Debug)]
struct Place(Arc<Mutex<Places>>);

impl Drop for Place {
    fn drop(&mut self) {
        change(&self.0, |places| places.taken -= 1);
    }
}

impl<O> Completion<O> for Place {
    type Output = O;

    fn complete(self, end: Result<O, Payload>) -> O {
        drop(self);
        end.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

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
pub struct Bounded<'s, 'p, E> {
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
            places: Arc::new(Mutex::new(Places {
                limit,
                ..Places::default()
            })),
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
            ticket: None,
            group: self.group,
            places: Arc::clone(&self.places),
            location: Location::caller(),
        }
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
        {
            let mut places = self.places.lock();
            if places.taken >= places.limit || !places.waiting.is_empty() {
                return Err(future);
            }
            places.taken += 1;
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
        change(&self.places, |places| places.limit = limit);
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
        places.taken - places.granted.len()
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
            .field("waiting", &places.waiting.len())
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
    ticket: Option<u64>,
    group: Group<'s, 'p, E>,
    places: Arc<Mutex<Places>>,
    location: &'static Location<'static>,
}

impl<F, E> Unpin for SpawnBounded<'_, '_, F, E> {}

impl<F, E> SpawnBounded<'_, '_, F, E> {
    /// Takes a place, or waits in line.
    fn poll_place(&mut self, waker: &Waker) -> Poll<Place> {
        let new = waker.clone();
        let mut places = self.places.lock();
        let granted = match self.ticket {
            Some(ticket) => places.granted.remove(&ticket),
            None if places.taken < places.limit && places.waiting.is_empty() => {
                places.taken += 1;
                true
            }
            None => false,
        };
        if granted {
            drop(places);
            waiters::discard([new]);
            self.ticket = None;
            return Poll::Ready(Place(Arc::clone(&self.places)));
        }
        let ticket = match self.ticket {
            Some(ticket) => ticket,
            None => {
                places.next += 1;
                places.next
            }
        };
        self.ticket = Some(ticket);
        let old = places.waiting.insert(ticket, new);
        drop(places);
        waiters::discard(old);
        Poll::Pending
    }
}

impl<'s, F, T, E: Send + 'static> Future for SpawnBounded<'s, '_, F, E>
where
    F: Future<Output: Outcome<E, Value = T>> + Send + 's,
    T: Send + 's,
{
    type Output = Task<'s, T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Task<'s, T>> {
        budget::poll(cx, |cx| {
            let Poll::Ready(place) = self.poll_place(cx.waker()) else {
                frame::note_child();
                return Poll::Pending;
            };
            let future = self.future.take().expect("polled after it was ready");
            let child = Completing::<_, _, E>::new(future, place);
            Poll::Ready(self.group.spawn_at(child, None, self.location))
        })
    }
}

impl<F, E> Drop for SpawnBounded<'_, '_, F, E> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut old = None;
        change(&self.places, |places| {
            old = places.waiting.remove(&ticket);
            if places.granted.remove(&ticket) {
                places.taken -= 1;
            }
        });
        waiters::discard(old);
    }
}

impl<F, E> fmt::Debug for SpawnBounded<'_, '_, F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnBounded")
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
}
