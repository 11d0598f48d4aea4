//! Groups that are lent a value: children borrow it, and the caller gets it back.

#![expect(
    unsafe_code,
    reason = "the lent value is owned by the group's node while the group is open"
)]

use crate::api::group::handle::{Group, Never};
use crate::api::group::machine::{Machine, Setup, Split, Whole};
use crate::group::node::NodeRef;
use crate::pin::pin_field;
use crate::report::errors::Errors;
use crate::tree::owner::Owner;
use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// Where the lent value is.
enum Loan<S> {
    /// In the future, which was not polled yet.
    Here(Box<S>),
    /// With the group's node, which drops it if its future does not claim it back.
    Out(NodeRef, NonNull<S>),
    /// Given back.
    Back,
}

// SAFETY: a `Loan` owns the value as the box did that the pointer came from, and `S` is `Send`.
unsafe impl<S: Send> Send for Loan<S> {}
// SAFETY: a shared `Loan` gives no access to the value.
unsafe impl<S: Send> Sync for Loan<S> {}

impl<S: Send + 'static> Loan<S> {
    /// Moves the value to the node and returns its place.
    fn lend<E: Send + 'static>(&mut self, owner: &Owner<E>) {
        if let Self::Here(value) = std::mem::replace(self, Self::Back) {
            // SAFETY: `keep`: `S` is `'static`.
            let place = unsafe { owner.node.slow.lock().lent.keep(value) };
            *self = Self::Out(owner.node.to_ref(), place);
        }
    }

    /// Takes the value back from the node of a group that has ended.
    fn reclaim(&mut self) -> Option<S> {
        let Self::Out(node, place) = std::mem::replace(self, Self::Back) else {
            return None;
        };
        let still_there = node.slow.lock().lent.release(place);
        // SAFETY: it was made from a box by `lend`, and the node has given it up.
        still_there.then(|| *unsafe { Box::from_raw(place.as_ptr()) })
    }
}

/// The future behind [`group_with`] and [`try_group_with`]; `W` splits what the body resolves to.
struct LendFuture<S, R, E: Send + 'static, F, B, W> {
    machine: Machine<'static, F, B, R, E>,
    loan: Loan<S>,
    wrap: PhantomData<fn() -> W>,
}

pin_field!([S, R, E: Send + 'static, F, B, W] LendFuture<S, R, E, F, B, W> {
    machine: Machine<'static, F, B, R, E>;
    loan: Loan<S>
});

impl<S, R, E, F, B, W> Future for LendFuture<S, R, E, F, B, W>
where
    S: Send + 'static,
    E: Send + 'static,
    F: FnOnce(Group<'static, 'static, E>, &'static mut S) -> B,
    B: Future,
    W: From<B::Output> + Split<E, Value = R>,
{
    type Output = (S, Result<R, Errors<E>>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (machine, (loan,)) = self.project();
        let place = Cell::new(NonNull::<S>::dangling());
        let call = |body: F, group| {
            // SAFETY: `opened` runs before the closure is called, and stores the place of the
            // value, which the node owns until body and children are gone; this is the one
            // reference to it.
            body(group, unsafe { &mut *place.get().as_ptr() })
        };
        let opened = |owner: &Owner<E>| {
            loan.lend(owner);
            if let Loan::Out(_, value) = loan {
                place.set(*value);
            }
        };
        // SAFETY: `group_with` and `try_group_with`, which make every `LendFuture`, ask for a
        // closure that is a body for every lifetime of group and reference; the group goes to that
        // closure alone.
        let polled = unsafe { machine.poll_with(cx, call, opened, W::from) };
        polled.map(|result| {
            let value = loan.reclaim();
            (
                value.expect("a group that has ended gives back what it was lent"),
                result,
            )
        })
    }
}

impl<R> From<R> for Whole<R> {
    fn from(value: R) -> Self {
        Self(value)
    }
}

/// Opens a group that is lent `state`: the body and its children borrow it, and the caller gets it
/// back at the end.
///
/// # Examples
///
/// ```
/// use spinney::{block_on, group_with};
///
/// let words = vec![1_u64, 2, 3, 4];
/// let (words, sum) = block_on(group_with(words, async |g, words: &mut Vec<u64>| {
///     let (left, right) = words.split_at_mut(2);
///     let a = g.spawn(async move { Ok(left.iter().sum::<u64>()) });
///     let b = g.spawn(async move { Ok(right.iter().sum::<u64>()) });
///     a.await + b.await
/// }));
/// assert_eq!((words.len(), sum), (4, 10));
/// ```
///
/// # Panics
///
/// As [`group`](crate::group); the state is dropped then.
///
/// # Cancellation
///
/// As [`group`](crate::group); the state is dropped after the last child.
#[track_caller]
pub fn group_with<S, R, F, B>(state: S, body: F) -> impl Future<Output = (S, R)> + use<S, R, F, B>
where
    S: Send + 'static,
    F: for<'s> AsyncFnOnce(Group<'s, 'static>, &'s mut S) -> R
        + FnOnce(Group<'static, 'static>, &'static mut S) -> B,
    B: Future<Output = R>,
{
    let future: LendFuture<S, R, Never, F, B, Whole<R>> = LendFuture {
        machine: Machine::new(body, Setup::at(Location::caller())),
        loan: Loan::Here(Box::new(state)),
        wrap: PhantomData,
    };
    Unfailing { inner: future }
}

/// As [`group_with`], for a group that can fail.
///
/// # Examples
///
/// ```
/// use spinney::{Group, block_on, try_group_with};
///
/// let body = async |_: Group<'_, '_, &'static str>, count: &mut u32| {
///     *count += 1;
///     Err::<(), _>("no")
/// };
/// let (count, result) = block_on(try_group_with(0, body));
/// assert_eq!(count, 1); // it comes back in every case
/// assert!(result.is_err());
/// ```
///
/// # Errors
///
/// As [`try_group`](crate::try_group); the state comes back in every case.
///
/// # Panics
///
/// As [`try_group`](crate::try_group); the state is dropped then.
///
/// # Cancellation
///
/// As [`group_with`]; the state is dropped after the last child.
#[track_caller]
pub fn try_group_with<S, R, E, F, B>(
    state: S,
    body: F,
) -> impl Future<Output = (S, Result<R, Errors<E>>)> + use<S, R, E, F, B>
where
    S: Send + 'static,
    E: Send + 'static,
    F: for<'s> AsyncFnOnce(Group<'s, 'static, E>, &'s mut S) -> Result<R, E>
        + FnOnce(Group<'static, 'static, E>, &'static mut S) -> B,
    B: Future<Output = Result<R, E>>,
{
    let future: LendFuture<S, R, E, F, B, Result<R, E>> = LendFuture {
        machine: Machine::new(body, Setup::at(Location::caller())),
        loan: Loan::Here(Box::new(state)),
        wrap: PhantomData,
    };
    future
}

/// The future of a group that cannot fail.
#[must_use = "a group does nothing unless it is awaited"]
struct Unfailing<W> {
    inner: W,
}

pin_field!([W] Unfailing<W> { inner: W; });

impl<S, R, W> Future for Unfailing<W>
where
    W: Future<Output = (S, Result<R, Errors<Never>>)>,
{
    type Output = (S, R);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(S, R)> {
        let (inner, ()) = self.project();
        inner.poll(cx).map(|(state, result)| match result {
            Ok(value) => (state, value),
            Err(errors) => match errors.into_first() {},
        })
    }
}
