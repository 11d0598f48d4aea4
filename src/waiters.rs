//! A list of wakers that many set and one drains.
//!
//! In such lists are the waiters for a stop of a group, for a source of I/O, for the clock of a
//! test, and for events of a runtime. A waiting future holds a [`Key`]; it replaces its own waker
//! at each poll and takes it back when it is dropped. Wakers are cloned, woken and dropped outside
//! the lock, since they are user code; one that panics does not stop the others.
//!
//! Code that keeps a waker anywhere else lets go of it by [`wake`] or [`discard`]. A clone is made
//! before a lock is taken: its panic belongs to the poll that brought the waker, and has changed
//! nothing.
//!
//! # Why no wake-up is lost
//!
//! The caller of [`Waiters::wake_all`] sets its condition first; a waiter registers first and looks
//! at the condition afterwards. Both pass through the lock, so one of them sees the other.

use crate::sync::Mutex;
use crate::unwind;
use std::task::Waker;

/// Where a waiter stands in the list.
#[derive(Debug, Default)]
pub(crate) struct Key(Option<u64>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    /// The oldest: most lists have one waiter at most, which costs no allocation.
    first: Option<(u64, Waker)>,
    /// In the order of the keys, so that a key is found by binary search.
    more: Vec<(u64, Waker)>,
}

impl List {
    fn find(&mut self, key: u64) -> Option<&mut Waker> {
        match &mut self.first {
            Some((first, waker)) if *first == key => Some(waker),
            _ => {
                let at = self.more.binary_search_by_key(&key, |entry| entry.0).ok()?;
                Some(&mut self.more[at].1)
            }
        }
    }

    fn push(&mut self, waker: Waker) -> u64 {
        let key = self.next;
        self.next += 1;
        if self.first.is_none() && self.more.is_empty() {
            self.first = Some((key, waker));
        } else {
            self.more.push((key, waker));
        }
        key
    }

    fn remove(&mut self, key: u64) -> Option<Waker> {
        if self.first.as_ref().is_some_and(|first| first.0 == key) {
            return self.first.take().map(|first| first.1);
        }
        let at = self.more.binary_search_by_key(&key, |entry| entry.0).ok()?;
        Some(self.more.remove(at).1)
    }

    /// Takes all waiters out.
    fn drain(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let more = std::mem::take(&mut self.more);
        self.first
            .take()
            .into_iter()
            .chain(more)
            .map(|entry| entry.1)
    }
}

impl Drop for List {
    /// A waiter without a key stays in the list until it is woken, or the list goes away with its
    /// owner.
    fn drop(&mut self) {
        discard(self.drain());
    }
}

/// The list.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<List>);

impl Waiters {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(List::default()))
    }

    /// Registers `waker`, in place of the one before under the same key.
    pub(crate) fn register(&self, key: &mut Key, waker: &Waker) {
        let waker = waker.clone();
        let mut list = self.0.lock();
        let old = match key.0.and_then(|key| list.find(key)) {
            Some(place) => Some(std::mem::replace(place, waker)),
            None => {
                key.0 = Some(list.push(waker));
                None
            }
        };
        drop(list);
        discard(old);
    }

    /// Registers a waker that has no key, unless it is there already. It stays until the next
    /// [`Waiters::wake_all`].
    pub(crate) fn add(&self, waker: &Waker) {
        let new = waker.clone();
        let mut list = self.0.lock();
        let known = list
            .first
            .iter()
            .chain(&list.more)
            .any(|entry| entry.1.will_wake(waker));
        if known {
            drop(list);
            discard([new]);
            return;
        }
        list.push(new);
    }

    /// Takes a waiter out, if it is still in the list.
    #[inline]
    pub(crate) fn remove(&self, key: &mut Key) {
        if let Some(key) = key.0.take() {
            self.remove_key(key);
        }
    }

    fn remove_key(&self, key: u64) {
        let old = self.0.lock().remove(key);
        discard(old);
    }

    /// Wakes all waiters and empties the list.
    pub(crate) fn wake_all(&self) {
        let all = self.0.lock().drain();
        all.for_each(wake);
    }
}

/// Calls a waker. A panic in it is contained: it is no business of the caller.
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
