//! The body of a group: how the closure that makes it is called, and what its output means.
//!
//! # Soundness of the call
//!
//! The closure is called with `Group<'s, 's, ..>`, an instance of the higher-ranked bound that
//! [`Call::of_body`] demands: it was checked for every lifetime in place of the first `'s`, and
//! lifetimes are erased, so the one body serves the real one. A [`Call`] is proof of that check.

use crate::api::group::handle::Group;

/// How the closure of a group is called: as a body that was checked for every lifetime of the
/// group.
///
/// A function pointer, and not a bound on `Future`: with `F: FnOnce(..) -> B` there, code that
/// needs the output of a group's future as a projection would have to prove `B` again, and cannot
/// where lifetimes are erased, which is in every check that an `async` block is `Send`.
pub(crate) struct Call<'s, E, F, B>(fn(F, Group<'s, 's, E>) -> B);

impl<E, F, B> Clone for Call<'_, E, F, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, F, B> Copy for Call<'_, E, F, B> {}

impl<'s, E, F, B> Call<'s, E, F, B> {
    /// Of a closure that is a body for every lifetime `'i`.
    pub(crate) fn of_body<R>() -> Self
    where
        F: for<'i> AsyncFnOnce(Group<'i, 's, E>) -> R + FnOnce(Group<'s, 's, E>) -> B,
    {
        Self(|body, group| body(group))
    }

    pub(crate) fn call(self, body: F, group: Group<'s, 's, E>) -> B {
        (self.0)(body, group)
    }
}

/// As [`Call`], of a body that is lent an `S`.
pub(crate) struct LendCall<E: 'static, F, B, S: 'static>(LendFn<E, F, B, S>);

type LendFn<E, F, B, S> = fn(F, Group<'static, 'static, E>, &'static mut S) -> B;

impl<E: 'static, F, B, S: 'static> Clone for LendCall<E, F, B, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: 'static, F, B, S: 'static> Copy for LendCall<E, F, B, S> {}

impl<E: 'static, F, B, S: 'static> LendCall<E, F, B, S> {
    /// Of a closure that is a body for every lifetime `'i`.
    pub(crate) fn of_body<R>() -> Self
    where
        F: for<'i> AsyncFnOnce(Group<'i, 'static, E>, &'i mut S) -> R
            + FnOnce(Group<'static, 'static, E>, &'static mut S) -> B,
    {
        Self(|body, group, value| body(group, value))
    }

    pub(crate) fn call(
        self,
        body: F,
        group: Group<'static, 'static, E>,
        value: &'static mut S,
    ) -> B {
        (self.0)(body, group, value)
    }
}

/// How a body's output is split into value and error.
pub(crate) trait Split<E> {
    type Value;
    fn split(self) -> Result<Self::Value, E>;
}

/// The output of a body that cannot fail.
pub(crate) struct Plain<R>(pub(crate) R);

impl<R, E> Split<E> for Plain<R> {
    type Value = R;
    fn split(self) -> Result<R, E> {
        Ok(self.0)
    }
}

impl<R, E> Split<E> for Result<R, E> {
    type Value = R;
    fn split(self) -> Self {
        self
    }
}
