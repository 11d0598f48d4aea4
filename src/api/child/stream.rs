//! A generator: a child that yields values, read as a `Stream` that owns it.

use crate::api::child::completion::{self, Completing, Completion};
use crate::api::child::outcome::Outcome;
use crate::api::child::task::Task;
use crate::api::group::handle::Group;
use crate::poll::budget;
use crate::sync::{Arc, Mutex};
use crate::unwind::Payload;
use crate::waiters;
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// What a generator and its reader share: one value at a time.
struct Slot<T> {
    value: Option<T>,
    reader: Option<Waker>,
    generator: Option<Waker>,
    /// The reader is gone: the generator is being cut.
    closed: bool,
}

type Shared<T> = Arc<Mutex<Slot<T>>>;

/// Where a generator puts its values: [`Group::stream`].
///
/// # Examples
///
/// ```
/// use spinney::{Yielder, block_on, group};
///
/// async fn count(mut out: Yielder<u32>) {
///     for n in 1..=3 {
///         out.send(n).await;
///     }
/// }
///
/// let sum = block_on(group(async |g| {
///     let mut numbers = g.stream(count);
///     let mut sum = 0;
///     while let Some(n) = numbers.next().await {
///         sum += n;
///     }
///     sum
/// }));
/// assert_eq!(sum, 6);
/// ```
pub struct Yielder<T>(Shared<T>);

impl<T> Yielder<T> {
    /// Yields a value; returns when the reader has taken it. So a generator is never more than one
    /// value ahead.
    ///
    /// Once the stream was dropped the generator is cut here. Where it cannot be, in a
    /// [`shield`](crate::shield) or in another task, the value is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let text = spinney::block_on(spinney::group(async |g| {
    ///     let mut texts = g.stream(async |mut out: spinney::Yielder<&str>| out.send("one").await);
    ///     texts.next().await
    /// }));
    /// assert_eq!(text, Some("one"));
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropped before the value was taken, it may be read or not.
    pub async fn send(&mut self, value: T) {
        let mut value = Some(value);
        let mut told = false;
        poll_fn(|cx| {
            let new = cx.waker().clone();
            let mut slot = self.0.lock();
            if slot.closed {
                drop(slot);
                waiters::discard([new]);
                if told {
                    return Poll::Ready(());
                }
                // Here the cut lands, if it can.
                told = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if slot.value.is_none() && value.is_none() {
                drop(slot);
                waiters::discard([new]);
                return Poll::Ready(());
            }
            let mut reader = None;
            if slot.value.is_none() {
                slot.value = value.take();
                reader = slot.reader.take();
            }
            let old = slot.generator.replace(new);
            drop(slot);
            waiters::discard(old);
            reader.into_iter().for_each(completion::wake);
            Poll::Pending
        })
        .await;
    }
}

impl<T> fmt::Debug for Yielder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

/// Wakes the reader when the generator has ended.
struct End<T, E>(Shared<T>, PhantomData<fn() -> E>);

impl<T, E> Drop for End<T, E> {
    fn drop(&mut self) {
        let reader = self.0.lock().reader.take();
        reader.into_iter().for_each(completion::wake);
    }
}

impl<T, E, O: Outcome<E>> Completion<O> for End<T, E> {
    type Output = Result<(), E>;

    fn complete(self, end: Result<O, Payload>) -> Result<(), E> {
        match end {
            Ok(output) => output.into_result().map(drop),
            Err(payload) => resume_unwind(payload),
        }
    }
}

impl<'s, E: Send + 'static> Group<'s, '_, E> {
    /// A child that yields values, as a `Stream`.
    ///
    /// The child starts at once, and is never more than one value ahead. Its failure is the
    /// group's. Dropping the stream half-read cuts the child, which the group joins: nothing is
    /// left to be cleaned up at some later time. A stream that is forgotten (`mem::forget`) leaves
    /// its generator waiting, and so its group open, until that is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::StreamExt;
    ///
    /// let squares = spinney::block_on(spinney::group(async |g| {
    ///     let squares = g.stream(async |mut out: spinney::Yielder<u32>| {
    ///         for n in 0.. {
    ///             out.send(n * n).await;
    ///         }
    ///     });
    ///     squares.take(4).collect::<Vec<_>>().await
    /// }));
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// ```
    #[track_caller]
    pub fn stream<T, F, B>(self, generator: F) -> Generator<'s, T>
    where
        T: Send + 's,
        F: FnOnce(Yielder<T>) -> B,
        B: Future<Output: Outcome<E>> + Send + 's,
    {
        let slot = Arc::new(Mutex::new(Slot {
            value: None,
            reader: None,
            generator: None,
            closed: false,
        }));
        let child = generator(Yielder(Arc::clone(&slot)));
        let child = Completing::<_, _, E>::new(child, End(Arc::clone(&slot), PhantomData));
        Generator {
            task: Some(self.spawn_at(child, None, Location::caller())),
            slot,
        }
    }
}

/// The values of a generator: [`Group::stream`].
///
/// # Examples
///
/// ```
/// use futures_lite::StreamExt;
/// use spinney::{Generator, Group, Yielder, block_on, group};
///
/// fn evens<'s>(g: Group<'s, '_>) -> Generator<'s, u32> {
///     g.stream(async |mut out: Yielder<u32>| {
///         for n in (0..).step_by(2) {
///             out.send(n).await;
///         }
///     })
/// }
///
/// let evens = block_on(group(async |g| evens(g).take(3).collect::<Vec<_>>().await));
/// assert_eq!(evens, [0, 2, 4]);
/// ```
#[must_use = "dropping it cuts the generator"]
pub struct Generator<'s, T> {
    /// `None` once it has ended.
    task: Option<Task<'s, ()>>,
    slot: Shared<T>,
}

impl<T> Generator<'_, T> {
    /// Waits for the next value; `None` when the generator has returned.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(spinney::group(async |g| {
    ///     let mut values = g.stream(async |mut out: spinney::Yielder<u8>| out.send(1).await);
    ///     assert_eq!(values.next().await, Some(1));
    ///     assert_eq!(values.next().await, None);
    /// }));
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no value.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_value(cx)).await
    }

    fn poll_value(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        budget::poll(cx, |cx| {
            let new = cx.waker().clone();
            let (value, generator, old) = {
                let mut slot = self.slot.lock();
                let old = slot.reader.replace(new);
                match slot.value.take() {
                    Some(value) => (Some(value), slot.generator.take(), old),
                    None => (None, None, old),
                }
            };
            waiters::discard(old);
            if let Some(value) = value {
                generator.into_iter().for_each(completion::wake);
                return Poll::Ready(Some(value));
            }
            let Some(task) = &mut self.task else {
                return Poll::Ready(None);
            };
            if Pin::new(task).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.task = None;
            // The last value may have come in between.
            Poll::Ready(self.slot.lock().value.take())
        })
    }
}

impl<T> Stream for Generator<'_, T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_value(cx)
    }
}

impl<T> Drop for Generator<'_, T> {
    fn drop(&mut self) {
        // Marked before it is told: a generator that finds the slot closed is being cut already.
        if let Some(task) = self.task.take() {
            task.cancel();
        }
        let (value, reader, generator) = {
            let mut slot = self.slot.lock();
            slot.closed = true;
            (slot.value.take(), slot.reader.take(), slot.generator.take())
        };
        waiters::discard(reader);
        // It may wait in a shield, or in another task, where no cut wakes it.
        generator.into_iter().for_each(completion::wake);
        drop(value);
    }
}

impl<T> fmt::Debug for Generator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("ended", &self.task.is_none())
            .finish_non_exhaustive()
    }
}
