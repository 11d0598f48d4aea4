//! The arena: values that a group keeps for its children, dropped newest first when the last child has gone.

#![expect(
    unsafe_code,
    reason = "kept values are reached by reference while the arena owns them"
)]

use crate::unwind::{self, Payload};
use std::ptr::NonNull;

/// A value whose type was taken away.
struct Kept {
    value: NonNull<()>,
    drop: unsafe fn(NonNull<()>),
}

// SAFETY: `Arena::keep` asks for `T: Send`.
unsafe impl Send for Kept {}

/// The values that a group keeps.
pub(crate) struct Arena(Vec<Kept>);

unsafe fn drop_as<T>(value: NonNull<()>) {
    // SAFETY: the pointer was made from a `Box<T>` by `Arena::keep`, and this is called once.
    drop(unsafe { Box::from_raw(value.cast::<T>().as_ptr()) });
}

impl Arena {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a value. The pointer is good until [`Arena::clear`] or [`Arena::release`].
    pub(crate) fn keep<T: Send>(&mut self, value: Box<T>) -> NonNull<T> {
        let value = NonNull::from(Box::leak(value));
        self.0.push(Kept {
            value: value.cast(),
            drop: drop_as::<T>,
        });
        value
    }

    /// Gives a value back without dropping it; whether it was still here.
    pub(crate) fn release<T>(&mut self, value: NonNull<T>) -> bool {
        match self.0.iter().rposition(|kept| kept.value == value.cast()) {
            Some(at) => {
                self.0.remove(at);
                true
            }
            None => false,
        }
    }

    /// Drops everything, newest first, and returns the first panic of a destructor; `second` is called with the others.
    pub(crate) fn clear(&mut self, mut second: impl FnMut(Payload)) -> Option<Payload> {
        let mut first = None;
        while let Some(kept) = self.0.pop() {
            // SAFETY: the value was kept with this function and leaves the list before it is dropped: once.
            let dropped = unwind::catch(|| unsafe { (kept.drop)(kept.value) });
            if let Err(payload) = dropped {
                if first.is_none() {
                    first = Some(payload);
                } else {
                    second(payload);
                }
            }
        }
        first
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if let Some(payload) = self.clear(unwind::discard) {
            unwind::discard(payload);
        }
    }
}
