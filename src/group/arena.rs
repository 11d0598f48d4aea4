//! The arena: values that a group keeps for its children, dropped newest first when the last child
//! has gone.

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

// SAFETY: the value goes with its `Kept`, and `Arena::keep` asks for `T: Send`.
unsafe impl Send for Kept {}

/// The values that a group keeps.
pub(crate) struct Arena(Vec<Kept>);

/// Drops a kept value of type `T`.
///
/// # Safety
///
/// 1. `Arena::keep` was given the value as a `Box<T>`.
/// 2. It is called once for that value, which is in no arena any more.
unsafe fn drop_as<T>(value: NonNull<()>) {
    // SAFETY: `Box::from_raw`: the pointer came out of a `Box<T>` in `Arena::keep` (1), and is made
    // a box again once (2).
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
    ///
    /// # Safety
    ///
    /// The arena is cleared, or the value released, or both are forgotten, before `T` ends.
    pub(crate) unsafe fn keep<T: Send>(&mut self, value: Box<T>) -> NonNull<T> {
        let value = NonNull::from(Box::leak(value));
        self.0.push(Kept {
            value: value.cast(),
            drop: drop_as::<T>,
        });
        value
    }

    /// Gives a value back without dropping it. Answers whether it was still here.
    pub(crate) fn release<T>(&mut self, value: NonNull<T>) -> bool {
        match self.0.iter().rposition(|kept| kept.value == value.cast()) {
            Some(at) => {
                self.0.remove(at);
                true
            }
            None => false,
        }
    }

    /// Drops all values, newest first, and returns the first panic of a destructor; `second` is
    /// called with each of the others.
    pub(crate) fn clear(&mut self, mut second: impl FnMut(Payload)) -> Option<Payload> {
        let mut first = None;
        while let Some(kept) = self.0.pop() {
            // SAFETY: `drop_as`: (1) `keep` put the value and the function of its type here
            // together; (2) the value has left the list, so this is the one call.
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
