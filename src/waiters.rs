//! A list of wakers that many set and one drains.
//!
//! Groups use it for those who wait for a stop. A waiting future holds a [`Key`]; it replaces its own waker at each poll
//! and takes it back when it is dropped. Wakers are cloned, woken and dropped outside the lock, since they are user
//! code; one that panics does not stop the others.
//!
//! # Why no wake-up is lost
//!
//! The caller of [`Waiters::wake_all`] sets its condition first; a waiter registers first and looks at the condition
//! afterwards. Both pass through the lock, so one of them sees the other.

use crate::sync::Mutex;
use crate::unwind;
use std::task::Waker;

/// Where a waiter stands in the list.
#[derive(Debug, Default)]
pub(crate) struct Key(Option<u64>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    /// In the order of the keys, so that a key is found by binary search.
    wakers: Vec<(u64, Waker)>,
}

/// The list.
#[derive(Debug)]
pub(crate) struct Waiters(Mutex<List>);

impl Waiters {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(List::default()))
    }

    /// Registers `waker`, in place of the one before under the same key.
    pub(crate) fn register(&self, key: &mut Key, waker: &Waker) {
        let waker = waker.clone();
        let mut list = self.0.lock();
        let known = key
            .0
            .and_then(|key| list.wakers.binary_search_by_key(&key, |entry| entry.0).ok());
        let old = match known {
            Some(at) => Some(std::mem::replace(&mut list.wakers[at].1, waker)),
            None => {
                let next = list.next;
                list.next += 1;
                list.wakers.push((next, waker));
                key.0 = Some(next);
                None
            }
        };
        drop(list);
        drop(old);
    }

    /// Registers a waker that has no key, unless it is there already. It stays until the next [`Waiters::wake_all`].
    pub(crate) fn add(&self, waker: &Waker) {
        let new = waker.clone();
        let mut list = self.0.lock();
        if list.wakers.iter().any(|entry| entry.1.will_wake(waker)) {
            drop(list);
            return;
        }
        let next = list.next;
        list.next += 1;
        list.wakers.push((next, new));
    }

    /// Takes a waiter out, if it is still in the list.
    pub(crate) fn remove(&self, key: &mut Key) {
        let Some(key) = key.0.take() else { return };
        let mut list = self.0.lock();
        let old = match list.wakers.binary_search_by_key(&key, |entry| entry.0) {
            Ok(at) => Some(list.wakers.remove(at)),
            Err(_) => None,
        };
        drop(list);
        drop(old);
    }

    /// Wakes everyone and empties the list.
    pub(crate) fn wake_all(&self) {
        let wakers = std::mem::take(&mut self.0.lock().wakers);
        for (_, waker) in wakers {
            wake(waker);
        }
    }
}

/// Calls a waker. A panic in it is contained: it is no business of whoever wakes.
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = unwind::catch(|| waker.wake()) {
        unwind::discard(payload);
    }
}
