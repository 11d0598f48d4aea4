//! Places for children that run at a time, and the line of the callers that wait for one.

use crate::api::child::completion::{self, Completion};
use crate::group::node::NodeRef;
use crate::group::rare::PlaceLine;
use crate::keyed_queue::{Key, KeyedQueue};
use crate::poll::{budget, frame};
use crate::sync::{Arc, Mutex, Weak};
use crate::unwind::Payload;
use crate::waiters;
use std::mem;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// Places for children that run at the same time, given out in the order of asking.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) limit: usize,
    /// Given out: to children, and to waiters that have not seen it yet.
    pub(super) taken: usize,
    /// Of these, to waiters that have not seen it yet: they are not in the line any more.
    pub(super) granted: usize,
    pub(super) waiting: KeyedQueue<Waker>,
    /// The group that is to know of the line, for dumps, once there is one.
    untold: Option<NodeRef>,
}

impl Places {
    pub(super) fn new(limit: usize, group: NodeRef) -> Self {
        Self {
            limit,
            taken: 0,
            granted: 0,
            waiting: KeyedQueue::default(),
            untold: Some(group),
        }
    }

    /// Gives a free place to the first waiter; returns its waker, to be called outside the lock.
    #[must_use]
    pub(super) fn grant(&mut self) -> Option<Waker> {
        if self.taken >= self.limit {
            return None;
        }
        let waker = self.waiting.pop()?;
        self.taken += 1;
        self.granted += 1;
        Some(waker)
    }

    /// Takes a free place for which no other caller waits.
    pub(super) fn take(&mut self) -> bool {
        let free = self.taken < self.limit && self.waiting.is_empty();
        self.taken += usize::from(free);
        free
    }
}

/// Gives a place back.
fn give_back(places: &Mutex<Places>, change: impl FnOnce(&mut Places)) {
    let woken = {
        let mut places = places.lock();
        change(&mut places);
        // One at most: there was no free place while another one waited.
        places.grant()
    };
    woken.into_iter().for_each(completion::wake);
}

/// A place that is taken; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(pub(super) Arc<Mutex<Places>>);

impl Drop for Place {
    fn drop(&mut self) {
        give_back(&self.0, |places| places.taken -= 1);
    }
}

impl<O> Completion<O> for Place {
    type Output = O;

    fn complete(self, end: Result<O, Payload>) -> O {
        drop(self);
        end.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

/// A caller that wants a place: it takes a free one, or waits in line.
#[derive(Debug)]
pub(super) struct Line {
    /// Where it stands. A key whose element has gone was granted a place.
    key: Option<Key>,
    places: Arc<Mutex<Places>>,
}

impl Line {
    pub(super) fn at(places: &Arc<Mutex<Places>>) -> Self {
        Self {
            key: None,
            places: Arc::clone(places),
        }
    }

    pub(super) fn waits(&self) -> bool {
        self.key.is_some()
    }

    /// Without a waker for the line, which is to be cloned outside the lock: `None` if it needs
    /// one.
    fn look(&mut self, waker: &Waker, new: Option<Waker>) -> Option<Poll<()>> {
        let mut places = self.places.lock();
        let Some(key) = &mut self.key else {
            if places.take() {
                return Some(Poll::Ready(()));
            }
            self.key = Some(places.waiting.push(new?));
            let untold = places.untold.take();
            drop(places);
            if let Some(group) = untold {
                tell(&group, &self.places);
            }
            return Some(Poll::Pending);
        };
        let Some(place) = places.waiting.get_mut(key) else {
            places.granted -= 1;
            self.key = None;
            return Some(Poll::Ready(()));
        };
        // No user code: wakers are compared by address.
        if !place.will_wake(waker) {
            let old = mem::replace(place, new?);
            drop(places);
            waiters::discard([old]);
        }
        Some(Poll::Pending)
    }
}

impl Future for Line {
    type Output = Place;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Place> {
        budget::poll(cx, |cx| {
            let waker = cx.waker();
            let looked = self.look(waker, None);
            let looked = looked.or_else(|| self.look(waker, Some(waker.clone())));
            if looked.is_some_and(|looked| looked.is_ready()) {
                return Poll::Ready(Place(Arc::clone(&self.places)));
            }
            frame::note_child();
            Poll::Pending
        })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let mut old = None;
        give_back(&self.places, |places| {
            old = places.waiting.remove(key);
            if old.is_none() {
                places.granted -= 1;
                places.taken -= 1;
            }
        });
        waiters::discard(old);
    }
}

/// Lets dumps of the group find the line.
fn tell(group: &NodeRef, places: &Arc<Mutex<Places>>) {
    let places = Arc::downgrade(places);
    let find = move || {
        let line = Shown(Weak::upgrade(&places)?);
        Some(Box::new(line) as Box<dyn PlaceLine>)
    };
    group.slow.lock().rare().lines.push(Box::new(find));
}

/// A line in a dump.
struct Shown(Arc<Mutex<Places>>);

impl PlaceLine for Shown {
    fn each_wait(&self, f: &mut dyn FnMut(&Waker)) -> usize {
        let places = self.0.lock();
        places.waiting.values().for_each(f);
        places.limit
    }
}

/// Waits for a place, and then starts what is to be in it.
pub(super) struct InPlace<F> {
    line: Line,
    /// Taken out when there is a place; not pinned.
    start: Option<F>,
}

impl<F> InPlace<F> {
    pub(super) fn new(line: Line, start: F) -> Self {
        let start = Some(start);
        Self { line, start }
    }
}

impl<F> Unpin for InPlace<F> {}

impl<T, F: FnOnce(Place) -> T> Future for InPlace<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let place = ready!(Pin::new(&mut self.line).poll(cx));
        let start = self.start.take().expect("polled after it was ready");
        Poll::Ready(start(place))
    }
}
