//! The ready handshake: a child is started, says that it is ready, and runs on.

use crate::api::child::completion::{self, Completing, Completion};
use crate::api::child::failure::Failure;
use crate::api::child::outcome::Outcome;
use crate::api::child::task::Task;
use crate::api::group::handle::Group;
use crate::poll::{budget, frame};
use crate::report::reason::Origin;
use crate::sync::{Arc, Mutex};
use crate::unwind::{self, Payload};
use crate::waiters;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// How far a start has come.
enum Stage<V> {
    Starting,
    Ready(V),
    /// The child ended before it was ready.
    Ended,
    /// The starter has been told, or is gone.
    Over,
}

/// What the child, its `Ready` and the starter share.
struct Slot<V> {
    stage: Stage<V>,
    waker: Option<Waker>,
}

/// Leaves `Starting`, after `also`, and wakes the starter; gives `to` back if that was left before.
fn leave<V>(slot: &Mutex<Slot<V>>, to: Stage<V>, also: impl FnOnce()) -> Option<Stage<V>> {
    let waker = {
        let mut slot = slot.lock();
        if !matches!(slot.stage, Stage::Starting) {
            return Some(to);
        }
        also();
        slot.stage = to;
        slot.waker.take()
    };
    if let Some(waker) = waker {
        completion::wake(waker);
    }
    None
}

/// What a child that is started gets to say that it is ready: [`Group::start`].
///
/// Dropping it unset only makes certain that the start ends with [`StartError::NotReady`], when the
/// child ends.
///
/// # Examples
///
/// ```
/// use spinney::{Ready, block_on, group};
///
/// async fn serve(ready: Ready<&'static str>) {
///     // .. binds its socket ..
///     ready.set("listening");
///     // .. and serves
/// }
///
/// let said = block_on(group(async |g| g.start(serve).await));
/// assert_eq!(said.unwrap(), "listening");
/// ```
#[must_use = "the start ends with `NotReady` unless this is set"]
pub struct Ready<V>(Arc<Mutex<Slot<V>>>);

impl<V> Ready<V> {
    /// Says that the child is ready; `start` returns the value. If the starter is gone it is
    /// dropped here.
    ///
    /// # Examples
    ///
    /// ```
    /// let seven = spinney::block_on(spinney::group(async |g| {
    ///     g.start(async |ready: spinney::Ready<u8>| ready.set(7)).await
    /// }));
    /// assert_eq!(seven.unwrap(), 7);
    /// ```
    pub fn set(self, value: V) {
        drop(leave(&self.0, Stage::Ready(value), || {}));
    }
}

impl<V> fmt::Debug for Ready<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

/// Why a child that was started did not become ready.
///
/// # Examples
///
/// ```
/// use spinney::{Ready, StartError, block_on, group};
///
/// let result = block_on(group(async |g| {
///     g.start(async |ready: Ready<()>| drop(ready)).await // it ends without having been ready
/// }));
/// assert!(matches!(result, Err(StartError::NotReady)));
/// ```
pub enum StartError<E> {
    /// It returned this error first.
    Error(E),
    /// It panicked first, with this payload.
    Panic(Box<dyn Any + Send>),
    /// It ended, or was cut, without having been ready.
    NotReady,
}

impl<E: fmt::Debug> fmt::Debug for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => f.debug_tuple("Error").field(error).finish(),
            Self::Panic(payload) => f
                .debug_tuple("Panic")
                .field(&unwind::message(&**payload))
                .finish(),
            Self::NotReady => f.write_str("NotReady"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panic(payload) => write!(f, "panicked: {}", unwind::message(&**payload)),
            Self::NotReady => f.write_str("ended without having been ready"),
        }
    }
}

impl<E: Error + 'static> Error for StartError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Error(error) => error.source(),
            Self::Panic(_) | Self::NotReady => None,
        }
    }
}

/// The child's failure before it was ready; the starter takes it.
type Early<E> = Arc<Mutex<Option<Failure<E>>>>;

/// Tells the starter if the child ends before it was ready.
struct Starting<V, E> {
    slot: Arc<Mutex<Slot<V>>>,
    early: Early<E>,
}

impl<V, E> Drop for Starting<V, E> {
    fn drop(&mut self) {
        let _ = leave(&self.slot, Stage::Ended, || {});
    }
}

impl<V, E, O: Outcome<E>> Completion<O> for Starting<V, E> {
    type Output = Result<(), E>;

    fn complete(self, end: Result<O, Payload>) -> Result<(), E> {
        let failure = match end {
            Ok(output) => match output.into_result() {
                Ok(value) => {
                    drop(value);
                    return Ok(());
                }
                Err(error) => Failure::Error(error),
            },
            Err(payload) if unwind::is_cut(&*payload) => {
                drop(self);
                resume_unwind(payload)
            }
            Err(payload) => Failure::Panic(payload),
        };
        let mut failure = Some(failure);
        let _ = leave(&self.slot, Stage::Ended, || {
            *self.early.lock() = failure.take();
        });
        match failure {
            None => Ok(()),
            Some(Failure::Error(error)) => Err(error),
            Some(Failure::Panic(payload)) => resume_unwind(payload),
        }
    }
}

impl<'s, 'p, E: Send + 'static> Group<'s, 'p, E> {
    /// Starts a child and waits until it says that it is ready; it runs on as an ordinary child.
    ///
    /// The child starts at once. Dropped early, the returned future cuts it.
    ///
    /// # Examples
    ///
    /// ```
    /// let port = spinney::block_on(spinney::group(async |g| {
    ///     let port = g.start(async |ready: spinney::Ready<u16>| {
    ///         ready.set(8080);
    ///         // .. and serves
    ///     });
    ///     port.await.unwrap()
    /// }));
    /// assert_eq!(port, 8080);
    /// ```
    ///
    /// # Errors
    ///
    /// A failure of the child before it is ready comes out here, and the group lives on. A child
    /// that ends before it is ready was not started: [`StartError::NotReady`].
    #[track_caller]
    pub fn start<V, F, B>(self, child: F) -> Start<'s, 'p, V, E>
    where
        V: Send + 's,
        F: FnOnce(Ready<V>) -> B,
        B: Future<Output: Outcome<E>> + Send + 's,
    {
        let location = Location::caller();
        let slot = Arc::new(Mutex::new(Slot {
            stage: Stage::Starting,
            waker: None,
        }));
        let early: Early<E> = Arc::new(Mutex::new(None));
        let starting = Starting {
            slot: Arc::clone(&slot),
            early: Arc::clone(&early),
        };
        let child = Completing::<_, _, E>::new(child(Ready(Arc::clone(&slot))), starting);
        Start {
            task: Some(self.spawn_at(child, None, location)),
            slot,
            early,
            group: self,
            location,
        }
    }
}

/// The future of [`Group::start`].
///
/// # Examples
///
/// ```
/// use spinney::{Group, Never, Ready, block_on, future::Start, group};
///
/// fn begin<'s, 'p>(g: Group<'s, 'p>) -> Start<'s, 'p, u8, Never> {
///     g.start(async |ready: Ready<u8>| ready.set(1))
/// }
///
/// let one = block_on(group(async |g| begin(g).await));
/// assert_eq!(one.unwrap(), 1);
/// ```
#[must_use = "dropping it cuts the child"]
pub struct Start<'s, 'p, V, E: Send + 'static> {
    /// Until the starter has been told.
    task: Option<Task<'s, ()>>,
    slot: Arc<Mutex<Slot<V>>>,
    early: Early<E>,
    group: Group<'s, 'p, E>,
    location: &'static Location<'static>,
}

impl<V, E: Send + 'static> Future for Start<'_, '_, V, E> {
    type Output = Result<V, StartError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(self.task.is_some(), "polled after it was ready");
        budget::poll(cx, |cx| {
            let new = cx.waker().clone();
            let mut slot = self.slot.lock();
            let stage = match slot.stage {
                Stage::Starting => {
                    let old = slot.waker.replace(new);
                    drop(slot);
                    waiters::discard(old);
                    frame::note_child();
                    return Poll::Pending;
                }
                _ => std::mem::replace(&mut slot.stage, Stage::Over),
            };
            drop(slot);
            waiters::discard([new]);
            let result = match stage {
                Stage::Ready(value) => Ok(value),
                _ => Err(match self.early.lock().take() {
                    Some(Failure::Error(error)) => StartError::Error(error),
                    Some(Failure::Panic(payload)) => StartError::Panic(payload),
                    None => StartError::NotReady,
                }),
            };
            self.task = None;
            Poll::Ready(result)
        })
    }
}

impl<V, E: Send + 'static> Drop for Start<'_, '_, V, E> {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        let (stage, waker) = {
            let mut slot = self.slot.lock();
            let stage = std::mem::replace(&mut slot.stage, Stage::Over);
            (stage, slot.waker.take())
        };
        waiters::discard(waker);
        let origin = Origin {
            task: Some(task.id()),
            name: None,
            location: self.location,
        };
        task.cancel();
        if let Some(failure) = self.early.lock().take() {
            self.group.receive(failure, origin);
        }
        drop(stage);
    }
}

impl<V, E: Send + 'static> fmt::Debug for Start<'_, '_, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}
