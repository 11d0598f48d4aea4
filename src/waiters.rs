//! A list of wakers that many set and one drains.
//!
//! In such lists are the waiters for a stop of a group, for a source of I/O, for the clock of a
//! test, and for events of a runtime. A waiting future holds a [`Key`]; it replaces its own waker
//! at each poll and takes it back when it is dropped, at the same cost however many others wait.
//! Wakers are cloned, woken and dropped outside the lock, since they are user code; one that panics
//! does not stop the others.
//!
//! Where a waiter has no future of its own, as in `AsyncRead::poll_read`, nothing takes its waker
//! back. Of such wakers a list keeps the last few alone, `UNKEYED` of them.
//!
//! Code that keeps a waker anywhere else lets go of it by [`wake`] or [`discard`]. A clone is made
//! before a lock is taken: its panic belongs to the poll that brought the waker, and has changed
//! nothing.
//!
//! # Why no wake-up is lost
//!
//! The caller of [`Waiters::wake_all`] sets its condition first; a waiter registers first and looks
//! at the condition afterwards. Both pass through the lock, so one of them sees the other.

use crate::keyed_queue::{self, KeyedQueue};
use crate::sync::Mutex;
use crate::unwind;
use std::mem;
use std::task::Waker;

/// Where a waiter stands in the list.
#[derive(Debug, Default)]
pub(crate) struct Key(Place);

#[derive(Debug, Default)]
enum Place {
    #[default]
    Nowhere,
    /// The first one, by its number.
    First(u64),
    Queue(keyed_queue::Key),
}

#[derive(Debug)]
struct List<const UNKEYED: usize> {
    /// The number of the next waiter, unless there is a queue.
    next: u64,
    /// The oldest with a key: most lists have one waiter at most, which costs no allocation.
    first: Option<(u64, Waker)>,
    /// Those that came while there was a first one, or others here.
    queue: Option<Box<KeyedQueue<Waker>>>,
    /// Those without a key, oldest first.
    unkeyed: [Option<Waker>; UNKEYED],
}

impl<const UNKEYED: usize> List<UNKEYED> {
    const fn new() -> Self {
        Self {
            next: 0,
            first: None,
            queue: None,
            unkeyed: [const { None }; UNKEYED],
        }
    }

    fn find(&mut self, key: &mut Key) -> Option<&mut Waker> {
        match &mut key.0 {
            Place::Nowhere => None,
            Place::First(number) => match &mut self.first {
                Some((first, waker)) if first == number => Some(waker),
                _ => None,
            },
            Place::Queue(key) => self.queue.as_mut()?.get_mut(key),
        }
    }

    fn push(&mut self, waker: Waker) -> Place {
        if self.first.is_none() && self.queue.is_none() {
            let number = self.next;
            self.next += 1;
            self.first = Some((number, waker));
            return Place::First(number);
        }
        let next = self.next;
        let queue = self
            .queue
            .get_or_insert_with(|| Box::new(KeyedQueue::new(next)));
        Place::Queue(queue.push(waker))
    }

    fn remove(&mut self, place: Place) -> Option<Waker> {
        match place {
            Place::Nowhere => None,
            Place::First(number) => {
                let first = self.first.take_if(|first| first.0 == number)?;
                Some(first.1)
            }
            Place::Queue(key) => {
                let waker = self.queue.as_mut()?.remove(key);
                if self.queue.as_ref().is_some_and(|queue| queue.is_empty()) {
                    self.take_queue();
                }
                waker
            }
        }
    }

    /// Takes the queue out; later keys have other numbers than those of its waiters.
    fn take_queue(&mut self) -> Option<Box<KeyedQueue<Waker>>> {
        let queue = self.queue.take()?;
        self.next = queue.next_number();
        Some(queue)
    }

    /// Adds a waker without a key at the end; returns the oldest, if there is no room for it.
    fn push_unkeyed(&mut self, waker: Waker) -> Option<Waker> {
        if let Some(free) = self.unkeyed.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(waker);
            return None;
        }
        self.unkeyed.rotate_left(1);
        self.unkeyed.last_mut()?.replace(waker)
    }

    /// Calls `f` with each waker.
    fn each(&self, f: impl FnMut(&Waker)) {
        let unkeyed = self.unkeyed.iter().flatten();
        let first = self.first.iter().map(|first| &first.1);
        let queue = self.queue.iter().flat_map(|queue| queue.values());
        unkeyed.chain(first).chain(queue).for_each(f);
    }

    /// Takes all waiters out.
    fn drain(&mut self) -> Drained<UNKEYED> {
        Drained {
            unkeyed: mem::replace(&mut self.unkeyed, [const { None }; UNKEYED]),
            first: self.first.take(),
            queue: self.take_queue(),
        }
    }
}

/// All waiters of a list.
struct Drained<const UNKEYED: usize> {
    unkeyed: [Option<Waker>; UNKEYED],
    first: Option<(u64, Waker)>,
    queue: Option<Box<KeyedQueue<Waker>>>,
}

impl<const UNKEYED: usize> Drained<UNKEYED> {
    /// Calls `f` with each, in the order in which they came; those without a key first.
    #[inline]
    fn for_each(self, mut f: impl FnMut(Waker)) {
        // One by one: in a chain of iterators most of the time goes to what is not there.
        for waker in self.unkeyed {
            waker.map(&mut f);
        }
        if let Some((_, waker)) = self.first {
            f(waker);
        }
        if let Some(queue) = self.queue {
            queue.into_values().for_each(f);
        }
    }
}

impl<const UNKEYED: usize> Drop for List<UNKEYED> {
    /// A waiter without a key stays in the list until it is woken, or the list goes away with its
    /// owner.
    fn drop(&mut self) {
        self.drain().for_each(|waker| discard([waker]));
    }
}

/// The list.
#[derive(Debug)]
pub(crate) struct Waiters<const UNKEYED: usize = 0>(Mutex<List<UNKEYED>>);

impl<const UNKEYED: usize> Default for Waiters<UNKEYED> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const UNKEYED: usize> Waiters<UNKEYED> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(List::new()))
    }

    /// Registers `waker`, in place of the one before under the same key.
    pub(crate) fn register(&self, key: &mut Key, waker: &Waker) {
        if !matches!(key.0, Place::Nowhere) {
            let mut list = self.0.lock();
            // No user code: wakers are compared by address.
            if list.find(key).is_some_and(|old| old.will_wake(waker)) {
                return;
            }
        }
        let waker = waker.clone();
        let mut list = self.0.lock();
        let old = match list.find(key) {
            Some(place) => Some(mem::replace(place, waker)),
            None => {
                key.0 = list.push(waker);
                None
            }
        };
        drop(list);
        discard(old);
    }

    /// Registers a waker that has no key, unless it is there already. It stays until the next
    /// [`Waiters::wake_all`], or until as many others came as a list has room for: then it is
    /// returned, and is to be woken. So a waiter that still waits registers once more.
    #[must_use]
    pub(crate) fn add(&self, waker: &Waker) -> Option<Waker> {
        const { assert!(UNKEYED > 0, "a list without room for it") };
        let new = waker.clone();
        let mut list = self.0.lock();
        let mut known = list.unkeyed.iter().flatten();
        if known.any(|old| old.will_wake(waker)) {
            drop(list);
            discard([new]);
            return None;
        }
        list.push_unkeyed(new)
    }

    /// Takes a waiter out, if it is still in the list.
    #[inline]
    pub(crate) fn remove(&self, key: &mut Key) {
        let place = mem::take(&mut key.0);
        if !matches!(place, Place::Nowhere) {
            self.remove_from(place);
        }
    }

    fn remove_from(&self, place: Place) {
        let old = self.0.lock().remove(place);
        discard(old);
    }

    /// Calls `f`, which is no user code, with each waker, under the lock.
    pub(crate) fn each(&self, f: impl FnMut(&Waker)) {
        self.0.lock().each(f);
    }

    /// Wakes all waiters and empties the list.
    pub(crate) fn wake_all(&self) {
        let all = self.0.lock().drain();
        all.for_each(wake);
    }
}

/// Calls a waker. A panic in it is contained: it is no business of the caller.
#[inline]
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = unwind::catch(|| waker.wake()) {
        unwind::discard(payload);
    }
}

/// Drops wakers that are not needed any more: those that were replaced, taken back, or never put
/// anywhere. A panic in the destructor of one is contained: the poll that runs now has a waker of
/// its own, and did not bring this one. The caller holds no lock.
#[inline]
pub(crate) fn discard(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        if let Err(payload) = unwind::drop_quietly(waker) {
            unwind::discard(payload);
        }
    }
}
