//! Values that borrow from a thread's stack and can be reached from its thread-locals: the frame of
//! the poll that runs, the context of the thread, the parts of its seat.
//!
//! # Protocol
//!
//! A value is *entered* for the time of a call: [`enter`] puts it into a [`Place`], a thread-local,
//! runs a closure, and puts back what was there before, also if the closure unwinds. So whatever a
//! place holds belongs to a call that is on this thread's stack, and is borrowed for longer than
//! any closure that is called meanwhile. A reader gets it for the time of a closure, and for no
//! named lifetime.
//!
//! That holds as long as the calls nest. A coroutine, which has a stack of its own, can be
//! suspended in the middle of one: a call that ends and does not find its own entry on top ends the
//! process. An entry is told from others by the place on the stack in which it keeps the one below.

#![expect(
    unsafe_code,
    reason = "a thread-local has no lifetime for what it borrows"
)]

use crate::sync::LocalKey;
use crate::unwind;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

/// A kind of value that can be entered.
pub(crate) trait Scoped: Sized + 'static {
    /// The value, which borrows for `'a`.
    type At<'a>: Copy;

    /// What a reader gets where nothing was entered.
    const NOTHING: Self::At<'static>;

    /// The thread-local for values of this kind.
    const PLACE: &'static LocalKey<Place<Self>>;

    /// Gives up a part of the time for which the value may be used.
    fn shorten<'s, 'l>(value: Self::At<'l>) -> Self::At<'s>
    where
        'l: 's;
}

/// An entry: a value, and where the entry below is.
struct Entry<S: Scoped> {
    /// In truth borrowed for as long as the call runs that entered it.
    value: S::At<'static>,
    /// In the frame of that call; null if none was made.
    below: *const Entry<S>,
}

impl<S: Scoped> Clone for Entry<S> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Scoped> Copy for Entry<S> {}

/// The entry on top, of one thread: what a thread-local for such values is made of.
pub(crate) struct Place<S: Scoped>(Cell<Entry<S>>);

impl<S: Scoped> Place<S> {
    /// Nothing was entered.
    pub(crate) const fn new() -> Self {
        Self(Cell::new(Entry {
            value: S::NOTHING,
            below: ptr::null(),
        }))
    }
}

/// Runs `f` with a value on top.
#[inline]
pub(crate) fn enter<S: Scoped, R>(value: S::At<'_>, f: impl FnOnce() -> R) -> R {
    struct Leave<S: Scoped> {
        below: Entry<S>,
    }
    impl<S: Scoped> Drop for Leave<S> {
        #[inline]
        fn drop(&mut self) {
            let left = S::PLACE.try_with(|place| place.0.replace(self.below));
            if !left.is_ok_and(|left| ptr::eq(left.below, &raw const self.below)) {
                unwind::abort_misnested();
            }
        }
    }
    let Ok(below) = S::PLACE.try_with(|place| place.0.get()) else {
        // The thread locals of this thread are gone: its readers find nothing.
        return f();
    };
    let leave = Leave::<S> { below };
    // SAFETY: a copy of a value that is `Copy`, of which only the lifetime changes. `with` and
    // `Entries` alone give it away, while it is an entry: it becomes one below, and is taken away
    // when this call ends, at whose end the value is still borrowed.
    let value = unsafe { ptr::from_ref(&value).cast::<S::At<'static>>().read() };
    let entry = Entry {
        value,
        below: &raw const leave.below,
    };
    let entered = S::PLACE.try_with(|place| place.0.set(entry));
    debug_assert!(entered.is_ok(), "the place was just there");
    f()
}

/// Calls `f` with the value on top.
#[inline]
pub(crate) fn with<S: Scoped, R>(f: impl FnOnce(S::At<'_>) -> R) -> R {
    // Destructors of thread locals run where nothing is entered.
    let value = S::PLACE.try_with(|place| place.0.get().value);
    f(S::shorten(value.unwrap_or(S::NOTHING)))
}

/// Calls `f` with all entries.
#[inline]
pub(crate) fn with_all<S: Scoped, R>(f: impl FnOnce(Entries<'_, S>) -> R) -> R {
    let nothing = Place::new().0.get();
    let top = S::PLACE.try_with(|place| place.0.get()).unwrap_or(nothing);
    f(Entries {
        top,
        calls: PhantomData,
    })
}

/// What is entered on a thread, as it was when it was asked: those calls run for `'a` at least.
pub(crate) struct Entries<'a, S: Scoped> {
    top: Entry<S>,
    calls: PhantomData<fn(&'a ()) -> &'a ()>,
}

impl<S: Scoped> Clone for Entries<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Scoped> Copy for Entries<'_, S> {}

impl<'a, S: Scoped> Entries<'a, S> {
    /// The value on top.
    pub(crate) fn top(self) -> S::At<'a> {
        S::shorten(self.top.value)
    }

    /// The values that were entered, the one on top first.
    pub(crate) fn iter(self) -> impl Iterator<Item = S::At<'a>> {
        let mut at = self.top;
        std::iter::from_fn(move || {
            // SAFETY: null, or in the frame of a call of `enter` that runs for `'a`; it is written
            // before the entry is made, and not changed.
            let below = unsafe { at.below.as_ref() }?;
            let value = S::shorten(at.value);
            at = *below;
            Some(value)
        })
    }
}
