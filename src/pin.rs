//! Structural pinning: one field of a struct is pinned with the whole, and the rest is not.
//!
//! The contract of `std::pin` is kept here once, by the macro [`pin_field`]: it writes the only
//! `Unpin` of the struct, which asks for that of the field; it writes the only `Drop`, which sees
//! the struct pinned; and it hands the field out behind a `Pin`, and the other fields without.

#![expect(unsafe_code, reason = "a projection goes through the unpinned whole")]

use std::pin::Pin;

/// The pinned field of a struct, and the rest.
///
/// # Safety
///
/// 1. The struct is `Unpin` only if the field is.
/// 2. Its destructor does not move the field.
/// 3. `parts` returns the field first, moves nothing, and gives no other access to the field.
#[inline]
pub(crate) unsafe fn project<'a, W, F, R>(
    whole: Pin<&'a mut W>,
    parts: impl FnOnce(&'a mut W) -> (&'a mut F, R),
) -> (Pin<&'a mut F>, R) {
    // SAFETY: (3): nothing is moved out of the whole.
    let (field, rest) = parts(unsafe { whole.get_unchecked_mut() });
    // SAFETY: (1), (2): the field stays where it is until it is dropped, as the whole does.
    (unsafe { Pin::new_unchecked(field) }, rest)
}

/// The whole as its destructor sees it.
///
/// # Safety
///
/// The caller is the destructor of the struct, and uses the struct through this alone.
#[inline]
pub(crate) unsafe fn in_destructor<W>(whole: &mut W) -> Pin<&mut W> {
    // SAFETY: what is being dropped is not moved any more.
    unsafe { Pin::new_unchecked(whole) }
}

/// Gives a struct `fn project(self: Pin<&mut Self>) -> (Pin<&mut Field>, (&mut Rest, ..))`.
///
/// The struct can have neither an `Unpin` nor a `Drop` of its own; code for its destructor, which
/// gets it pinned, goes behind `drop`.
macro_rules! pin_field {
    (
        [$($generics:tt)*] $type:ty { $field:ident: $pinned:ty; $($rest:ident: $free:ty),* }
        drop($this:ident) $body:block
    ) => {
        $crate::pin::pin_field!(@project [$($generics)*] $type, $field: $pinned, $($rest: $free),*);

        impl<$($generics)*> Drop for $type {
            #[expect(unsafe_code, reason = "structural pinning, see `pin_field`")]
            fn drop(&mut self) {
                // SAFETY: this is the destructor, and `self` cannot be named in the block.
                let $this = unsafe { $crate::pin::in_destructor(self) };
                $body
            }
        }
    };
    ([$($generics:tt)*] $type:ty { $field:ident: $pinned:ty; $($rest:ident: $free:ty),* }) => {
        $crate::pin::pin_field!(@project [$($generics)*] $type, $field: $pinned, $($rest: $free),*);

        // It does nothing, and is here so that there is no other.
        impl<$($generics)*> Drop for $type {
            #[inline]
            fn drop(&mut self) {
                let _: &$pinned = &self.$field;
            }
        }
    };
    (
        @project [$($generics:tt)*] $type:ty,
        $field:ident: $pinned:ty, $($rest:ident: $free:ty),*
    ) => {
        impl<$($generics)*> $type {
            #[inline]
            #[expect(unsafe_code, reason = "structural pinning, see `pin_field`")]
            fn project(
                self: std::pin::Pin<&mut Self>,
            ) -> (std::pin::Pin<&mut $pinned>, ($(&mut $free,)*)) {
                // SAFETY: (1), (2): the macro writes the only `Unpin` and the only `Drop`. (3): the
                // parts are the fields that are named, each once.
                unsafe {
                    $crate::pin::project(self, |whole| {
                        (&mut whole.$field, ($(&mut whole.$rest,)*))
                    })
                }
            }
        }

        impl<$($generics)*> Unpin for $type where $pinned: Unpin {}
    };
}

pub(crate) use pin_field;
