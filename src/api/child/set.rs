//! A set of children whose results are read in the order in which they end.

use crate::api::child::completion::{self, Completing, Completion};
use crate::api::child::failure::Failure;
use crate::api::child::outcome::Outcome;
use crate::api::child::task::Task;
use crate::api::group::handle::Group;
use crate::poll::{budget, frame};
use crate::report::failure::TaskId;
use crate::report::reason::Origin;
use crate::sync::{Arc, Mutex};
use crate::unwind::{self, Payload};
use crate::waiters;
use futures_core::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// How a member ended; `None`: it was cut.
type End<T, E> = Option<Result<T, Failure<E>>>;

/// Members that have ended, in this order, by the number of their place.
struct Ended<T, E> {
    members: VecDeque<(usize, End<T, E>)>,
    /// How many of them were cut: there is nothing to read of those.
    cut: usize,
}

impl<T, E> Ended<T, E> {
    const fn new() -> Self {
        Self {
            members: VecDeque::new(),
            cut: 0,
        }
    }

    fn push(&mut self, place: usize, end: End<T, E>) {
        self.cut += usize::from(end.is_none());
        self.members.push_back((place, end));
    }

    fn pop(&mut self) -> Option<(usize, End<T, E>)> {
        let (place, end) = self.members.pop_front()?;
        self.cut -= usize::from(end.is_none());
        Some((place, end))
    }
}

/// What a set and its children share.
struct Line<T, E> {
    ended: Ended<T, E>,
    waker: Option<Waker>,
    /// The set is gone: failures are the group's.
    closed: bool,
}

type Shared<T, E> = Arc<Mutex<Line<T, E>>>;

/// A member's end, on its way to the set.
struct Member<T, E> {
    place: usize,
    line: Shared<T, E>,
}

impl<T, E> Member<T, E> {
    /// Hands an end over; gives it back if the set is gone.
    fn push(&self, end: End<T, E>) -> End<T, E> {
        let waker = {
            let mut line = self.line.lock();
            if line.closed {
                return end;
            }
            line.ended.push(self.place, end);
            line.waker.take()
        };
        if let Some(waker) = waker {
            completion::wake(waker);
        }
        None
    }
}

/// A member that was not told how it ended was cut: it has ended without an item.
struct Cuttable<T, E>(Option<Member<T, E>>);

impl<T, E> Drop for Cuttable<T, E> {
    fn drop(&mut self) {
        if let Some(member) = self.0.take() {
            let _ = member.push(None);
        }
    }
}

impl<T, E, O: Outcome<E, Value = T>> Completion<O> for Cuttable<T, E> {
    type Output = Result<(), E>;

    fn complete(mut self, end: Result<O, Payload>) -> Result<(), E> {
        let Some(member) = self.0.take() else {
            return Ok(());
        };
        let end = match end {
            Ok(output) => output.into_result().map_err(Failure::Error),
            Err(payload) if unwind::is_cut(&*payload) => {
                let _ = member.push(None);
                resume_unwind(payload)
            }
            Err(payload) => Err(Failure::Panic(payload)),
        };
        match member.push(Some(end)) {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(Failure::Error(error))) => Err(error),
            Some(Err(Failure::Panic(payload))) => resume_unwind(payload),
        }
    }
}

/// A member that was not read yet.
struct Unread<'s> {
    task: Task<'s, ()>,
    location: &'static Location<'static>,
}

/// The members that were not read yet, each at its place, which is used again.
struct Places<'s> {
    members: Vec<Option<Unread<'s>>>,
    free: Vec<usize>,
}

impl<'s> Places<'s> {
    const fn new() -> Self {
        Self {
            members: Vec::new(),
            free: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.members.len() - self.free.len()
    }

    /// A place for a member that is about to begin. It is taken by its end, whatever comes of it.
    fn reserve(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.members.push(None);
            self.members.len() - 1
        })
    }

    fn take(&mut self, place: usize) -> Option<Unread<'s>> {
        self.free.push(place);
        self.members[place].take()
    }
}

/// Children whose results are read in the order in which they end: [`Group::set`]. Also a `Stream`.
///
/// A failure is an item and ends nothing. A member that is cut ends without an item. Dropping the
/// set cancels what is unfinished, which the group joins, and failures that were not read are the
/// group's.
///
/// # Examples
///
/// ```
/// use futures_lite::StreamExt;
///
/// let sum = spinney::block_on(spinney::group(async |g| {
///     let mut parts = g.set();
///     for n in 1..=3 {
///         parts.spawn(async move { Ok(n) });
///     }
///     parts.fold(0, |sum, part| sum + part.unwrap_or(0)).await // a stream of results
/// }));
/// assert_eq!(sum, 6);
/// ```
#[must_use = "dropping a set cancels its children"]
pub struct TaskSet<'s, 'p, T, E: Send + 'static> {
    group: Group<'s, 'p, E>,
    line: Shared<T, E>,
    /// Taken out of the line all at once. The lock is never waited for: it makes the set `Sync`
    /// where values are not.
    ended: Mutex<Ended<T, E>>,
    unread: Places<'s>,
}

impl<'s, 'p, E: Send + 'static> Group<'s, 'p, E> {
    /// An empty set of children whose results are read in the order in which they end.
    ///
    /// # Examples
    ///
    /// ```
    /// let sum = spinney::block_on(spinney::group(async |g| {
    ///     let mut squares = g.set();
    ///     for n in 0..4 {
    ///         squares.spawn(async move { Ok(n * n) });
    ///     }
    ///     let mut sum = 0;
    ///     while let Some(Ok(square)) = squares.next().await {
    ///         sum += square;
    ///     }
    ///     sum
    /// }));
    /// assert_eq!(sum, 14);
    /// ```
    pub fn set<T: Send + 's>(self) -> TaskSet<'s, 'p, T, E> {
        TaskSet {
            group: self,
            line: Arc::new(Mutex::new(Line {
                ended: Ended::new(),
                waker: None,
                closed: false,
            })),
            ended: Mutex::new(Ended::new()),
            unread: Places::new(),
        }
    }
}

impl<'s, T: Send + 's, E: Send + 'static> TaskSet<'s, '_, T, E> {
    /// Starts a child, also while results are read.
    ///
    /// # Examples
    ///
    /// ```
    /// let text = spinney::block_on(spinney::group(async |g| {
    ///     let mut set = g.set();
    ///     set.spawn(async { Ok("first") });
    ///     let mut texts = Vec::new();
    ///     while let Some(Ok(text)) = set.next().await {
    ///         texts.push(text);
    ///         if texts.len() == 1 {
    ///             set.spawn(async { Ok("second") });
    ///         }
    ///     }
    ///     texts.join(", ")
    /// }));
    /// assert_eq!(text, "first, second");
    /// ```
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> TaskId
    where
        F: Future<Output: Outcome<E, Value = T>> + Send + 's,
    {
        let location = Location::caller();
        let place = self.unread.reserve();
        let member = Member {
            place,
            line: Arc::clone(&self.line),
        };
        let child = Completing::<_, _, E>::new(future, Cuttable(Some(member)));
        let task: Task<'s, ()> = self.group.spawn_at(child, None, location);
        let id = task.id();
        self.unread.members[place] = Some(Unread { task, location });
        id
    }

    /// Waits for the next child that ends; `None` when nothing is unfinished and nothing unread.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Failure, Group, block_on, try_group};
    ///
    /// block_on(try_group(async |g: Group<'_, '_, &'static str>| {
    ///     let mut set = g.set();
    ///     set.spawn(async { Err::<(), _>("no") });
    ///     assert!(matches!(set.next().await, Some(Err(Failure::Error("no")))));
    ///     assert!(set.next().await.is_none());
    ///     Ok(())
    /// }))
    /// .unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no result.
    pub async fn next(&mut self) -> Option<Result<T, Failure<E>>> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Failure<E>>>> {
        budget::poll(cx, |cx| {
            loop {
                if let Some(read) = self.read() {
                    return Poll::Ready(read);
                }
                let mut left = Some(cx.waker().clone());
                let mut line = self.line.lock();
                let waits = line.ended.members.is_empty();
                if waits {
                    std::mem::swap(&mut line.waker, &mut left);
                }
                drop(line);
                waiters::discard(left);
                if waits {
                    frame::note_child();
                    return Poll::Pending;
                }
            }
        })
    }

    /// The next item, or the end; `None` if the next member has not ended yet.
    #[expect(clippy::option_option, reason = "the answer to a poll")]
    fn read(&mut self) -> Option<Option<Result<T, Failure<E>>>> {
        loop {
            if self.unread.len() == 0 {
                return Some(None);
            }
            let ended = self.ended.get_mut();
            if ended.members.is_empty() {
                std::mem::swap(ended, &mut self.line.lock().ended);
            }
            let (place, end) = ended.pop()?;
            drop(self.unread.take(place));
            if end.is_some() {
                return Some(end);
            }
        }
    }

    /// How many children are unfinished or unread.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let mut set = g.set();
    ///     set.spawn(async { Ok(1) });
    ///     assert_eq!(set.len(), 1); // also when it has ended: it was not read
    ///     let _ = set.next().await;
    ///     assert_eq!(set.len(), 0);
    /// }));
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.unread.len() - self.ended.lock().cut - self.line.lock().ended.cut
    }

    /// Whether nothing is unfinished and nothing unread.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let mut set = g.set();
    ///     assert!(set.is_empty());
    ///     set.spawn(async { Ok(1) });
    ///     assert!(!set.is_empty());
    /// }));
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

// No value is pinned in it.
impl<T, E: Send + 'static> Unpin for TaskSet<'_, '_, T, E> {}

impl<'s, T: Send + 's, E: Send + 'static> Stream for TaskSet<'s, '_, T, E> {
    type Item = Result<T, Failure<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(cx)
    }
}

impl<T, E: Send + 'static> Drop for TaskSet<'_, '_, T, E> {
    fn drop(&mut self) {
        let (ended, waker) = {
            let mut line = self.line.lock();
            line.closed = true;
            let ended = std::mem::replace(&mut line.ended, Ended::new());
            (ended.members, line.waker.take())
        };
        waiters::discard(waker);
        let read = std::mem::replace(self.ended.get_mut(), Ended::new()).members;
        for (place, end) in read.into_iter().chain(ended) {
            let (Some(end), Some(unread)) = (end, self.unread.take(place)) else {
                continue;
            };
            let failure = match end {
                Err(failure) => failure,
                Ok(value) => match unwind::drop_quietly(value) {
                    Ok(()) => continue,
                    Err(payload) => Failure::Panic(payload),
                },
            };
            let origin = Origin {
                task: Some(unread.task.id()),
                name: None,
                location: unread.location,
            };
            self.group.receive(failure, origin);
        }
        for unread in self.unread.members.drain(..).flatten() {
            unread.task.cancel();
        }
    }
}

impl<T, E: Send + 'static> fmt::Debug for TaskSet<'_, '_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSet")
            .field("unread", &self.unread.len())
            .finish_non_exhaustive()
    }
}
