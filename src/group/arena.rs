//! The arena: values that a group keeps for its children, dropped newest first when the last child
//! has gone.

#![expect(
    unsafe_code,
    reason = "kept values are reached by reference while the arena owns them"
)]

use crate::unwind::{self, Payload};
use std::any::TypeId;
use std::ptr::NonNull;

/// A value whose type was taken away.
struct Kept {
    value: NonNull<()>,
    drop: unsafe fn(NonNull<()>),
    /// Its type, if it can be had back.
    lent: Option<TypeId>,
}

// SAFETY: the value goes with its `Kept`, and `Arena::keep` asks for `T: Send`.
unsafe impl Send for Kept {}

/// The values that a group keeps.
#[derive(Default)]
pub(crate) struct Arena(Vec<Kept>);

/// The right to have a value back from the arena to which it was lent.
pub(crate) struct Lent<T>(NonNull<T>);

// SAFETY: it stands for the value, which is `Send`.
unsafe impl<T: Send> Send for Lent<T> {}
// SAFETY: a shared one gives no access to the value.
unsafe impl<T: Send> Sync for Lent<T> {}

impl<T> Lent<T> {
    /// The lent value, to write to.
    ///
    /// # Safety
    ///
    /// Until the reference is gone no other one is made, and the value stays in its arena: it is
    /// neither had back nor dropped.
    pub(crate) unsafe fn borrow<'a>(&mut self) -> &'a mut T {
        // SAFETY: the value is in the arena, at this place, and this is the one reference.
        unsafe { self.0.as_mut() }
    }
}

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

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it has never had a value.
    #[inline]
    pub(crate) fn is_unused(&self) -> bool {
        self.0.capacity() == 0
    }

    /// Takes a value. The pointer is good until [`Arena::clear`].
    ///
    /// # Safety
    ///
    /// The arena is cleared, or forgotten, before `T` ends.
    pub(crate) unsafe fn keep<T: Send>(&mut self, value: Box<T>) -> NonNull<T> {
        self.push(value, None)
    }

    fn push<T: Send>(&mut self, value: Box<T>, lent: Option<TypeId>) -> NonNull<T> {
        let value = NonNull::from(Box::leak(value));
        self.0.push(Kept {
            value: value.cast(),
            drop: drop_as::<T>,
            lent,
        });
        value
    }

    /// Takes a value that can be had back.
    pub(crate) fn lend<T: Send + 'static>(&mut self, value: Box<T>) -> Lent<T> {
        Lent(self.push(value, Some(TypeId::of::<T>())))
    }

    /// Gives a value back that was lent to this arena, if it is still here.
    pub(crate) fn reclaim<T: Send + 'static>(&mut self, lent: Lent<T>) -> Option<Box<T>> {
        let place = lent.0.cast();
        let is_it = |kept: &Kept| kept.value == place && kept.lent == Some(TypeId::of::<T>());
        self.0.remove(self.0.iter().rposition(is_it)?);
        // SAFETY: `push` made it from a box of this type, and the arena has given it up. No
        // reference is left, as `Lent::borrow` demands.
        Some(unsafe { Box::from_raw(lent.0.as_ptr()) })
    }

    /// Drops all values, newest first, and returns the first panic of a destructor; `second` is
    /// called with each of the others.
    ///
    /// # Safety
    ///
    /// No reference to a value that was kept or lent is used any more.
    pub(crate) unsafe fn clear(&mut self, mut second: impl FnMut(Payload)) -> Option<Payload> {
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

    #[cold]
    fn drop_late(&mut self) {
        // SAFETY: the arena of a node goes with the node, and so after the group, in which alone
        // kept and lent values are used; that of a group that has ended is empty.
        if let Some(payload) = unsafe { self.clear(unwind::discard) } {
            unwind::discard(payload);
        }
    }
}

impl Drop for Arena {
    #[inline]
    fn drop(&mut self) {
        if !self.is_empty() {
            self.drop_late();
        }
    }
}
