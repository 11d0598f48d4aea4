//! Waiting for the mark of the own task: a cut of that task alone, which no group tells.
//!
//! Waiters are kept by the address of the task, in a table of the process, so that a canceller
//! needs neither the group of the task nor its runtime, and wakes no other task.
//!
//! A blocked frame says what the cut is to reach: its scope, or the groups that are open in its
//! host. Its thread may run a child of these meanwhile, on the same stack, and that child may wait
//! until it is cut itself: so the canceller does not wait for the frame to be polled again, and
//! cancels the groups itself (`tree::blocked`).
//!
//! # Protocol
//!
//! A canceller marks the task, and then, if the task is running or held by a shield, takes the
//! waiters that registered for its address. A waiter registers first and looks at the mark
//! afterwards. Both pass through the lock of the list, so one of them sees the other. What a
//! waiter lets the cut reach is looked at under that lock; the waiter takes itself out, under the
//! same lock, before that is gone.

#![expect(
    unsafe_code,
    reason = "a canceller looks at what is on the stack of the blocked frame"
)]

use crate::group::node::{Host, Node};
use crate::poll::frame;
use crate::sync::{Mutex, process};
use crate::waiters::discard;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::task::{Context, Waker};

/// What the cut of a task reaches at one of its waiters, beside the waker.
#[derive(Clone, Copy, Default)]
pub(crate) enum Reach<'a> {
    #[default]
    Nothing,
    /// The group of a scope.
    Group(&'a Node),
    /// The groups that are open in the host of a blocked frame.
    Host(&'a Host),
}

/// A [`Reach`] whose lifetime is that of the registration.
enum Kept {
    Nothing,
    Group(NonNull<Node>),
    Host(NonNull<Host>),
}

// SAFETY: nodes and hosts are reached by other threads as they are; see `Kept::reach` for how long.
unsafe impl Send for Kept {}

impl Kept {
    fn of(reach: Reach<'_>) -> Self {
        match reach {
            Reach::Nothing => Self::Nothing,
            Reach::Group(node) => Self::Group(NonNull::from(node)),
            Reach::Host(host) => Self::Host(NonNull::from(host)),
        }
    }

    /// # Safety
    ///
    /// The waiter is registered, and stays so while the answer is used: the lock of its list is
    /// held.
    unsafe fn reach(&self) -> Reach<'_> {
        match self {
            Self::Nothing => Reach::Nothing,
            // SAFETY: the node is borrowed by an `OwnCancel`, which takes this out of the list
            // before the loan ends, and cannot meanwhile, by the contract.
            Self::Group(node) => Reach::Group(unsafe { node.as_ref() }),
            // SAFETY: as above.
            Self::Host(host) => Reach::Host(unsafe { host.as_ref() }),
        }
    }
}

struct Entry {
    waker: Waker,
    kept: Kept,
}

/// The address of the task, and a number of its own.
type Key = (usize, u64);

#[derive(Default)]
struct List {
    /// The number of the last one.
    number: u64,
    /// As a rule there is one at most, which costs no allocation.
    first: Option<(Key, Entry)>,
    rest: BTreeMap<Key, Entry>,
}

impl List {
    fn get(&self, key: Key) -> Option<&Entry> {
        match &self.first {
            Some((first, entry)) if *first == key => Some(entry),
            _ => self.rest.get(&key),
        }
    }

    fn add(&mut self, task: usize, entry: Entry) -> u64 {
        self.number += 1;
        let key = (task, self.number);
        match self.first {
            None => self.first = Some((key, entry)),
            Some(_) => drop(self.rest.insert(key, entry)),
        }
        self.number
    }

    fn remove(&mut self, key: Key) -> Option<Entry> {
        let first = self.first.take_if(|first| first.0 == key);
        first
            .map(|first| first.1)
            .or_else(|| self.rest.remove(&key))
    }

    /// Takes out one of the waiters of a task.
    fn pop(&mut self, task: usize) -> Option<Entry> {
        let first = self.first.take_if(|first| first.0.0 == task);
        first.map(|first| first.1).or_else(|| {
            let (&key, _) = self.rest.range((task, 0)..=(task, u64::MAX)).next()?;
            self.rest.remove(&key)
        })
    }
}

/// The waiters of the tasks at some addresses.
#[derive(Default)]
struct Stripe(Mutex<List>);

crate::sync::process_static! {
    static WAITERS: [Stripe; process::STRIPES] = std::array::from_fn(|_| Stripe::default());
}

fn stripe_of(task: usize) -> &'static Stripe {
    &WAITERS[process::stripe_of(task)]
}

/// Takes out the waiters for the mark of the task at this address. `reach` is called with what the
/// cut reaches, under the lock; the caller then wakes the wakers.
pub(crate) fn take_waiters(task: usize, mut reach: impl FnMut(Reach<'_>)) -> Vec<Waker> {
    let mut list = stripe_of(task).0.lock();
    let mut taken = Vec::new();
    while let Some(entry) = list.pop(task) {
        // SAFETY: it was in the list, whose lock is held: an `OwnCancel` that is dropped now waits
        // for the lock.
        reach(unsafe { entry.kept.reach() });
        taken.push(entry.waker);
    }
    taken
}

/// A registration for the mark of the task that is polled. It is dropped where it was made, on a
/// stack or in a future, and never forgotten.
#[derive(Default)]
pub(crate) struct OwnCancel<'a> {
    /// The address of the task; zero if there is no registration.
    task: usize,
    number: u64,
    reach: Reach<'a>,
}

impl<'a> OwnCancel<'a> {
    /// Of a blocked frame: what the cut reaches there.
    pub(crate) fn reaching(reach: Reach<'a>) -> Self {
        Self {
            reach,
            ..Self::default()
        }
    }

    /// Whether the task in which the caller is polled was marked; if not, the waker is called when
    /// it is.
    pub(crate) fn look(&mut self, cx: &mut Context<'_>) -> bool {
        frame::current(|frame| {
            let Some(task) = frame.and_then(|frame| frame.task_view()) else {
                return false;
            };
            if task.cancel_requested() {
                return true;
            }
            let here = task.address();
            // A future may move to another task.
            if self.task != here {
                self.remove();
                (self.task, self.number) = (here, 0);
            }
            // Registered before the mark is read, woken after it is set.
            self.register(cx.waker());
            task.cancel_requested()
        })
    }

    fn register(&mut self, waker: &Waker) {
        let list = &stripe_of(self.task).0;
        let key = (self.task, self.number);
        if self.number != 0 {
            let list = list.lock();
            // No user code: wakers are compared by address.
            if list.get(key).is_some_and(|old| old.waker.will_wake(waker)) {
                return;
            }
        }
        let entry = Entry {
            waker: waker.clone(),
            kept: Kept::of(self.reach),
        };
        let mut list = list.lock();
        let old = list.remove(key);
        self.number = list.add(self.task, entry);
        drop(list);
        discard(old.map(|old| old.waker));
    }

    #[inline]
    fn remove(&mut self) {
        if self.task != 0 {
            self.take_out();
        }
    }

    fn take_out(&self) {
        let old = stripe_of(self.task)
            .0
            .lock()
            .remove((self.task, self.number));
        discard(old.map(|old| old.waker));
    }
}

impl Drop for OwnCancel<'_> {
    #[inline]
    fn drop(&mut self) {
        self.remove();
    }
}
