//! Groups that are lent a value: children borrow it, and the caller gets it back.

use crate::api::group::body::{LendCall, Plain, Split};
use crate::api::group::handle::{Group, Never};
use crate::api::group::machine::{Machine, Setup};
use crate::group::arena::Lent;
use crate::group::node::NodeRef;
use crate::report::errors::Errors;
use pin_project_lite::pin_project;
use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Where the lent value is.
enum Loan<S> {
    /// In the future, which was not polled yet.
    Here(Box<S>),
    /// With the group's node, which drops it if its future does not claim it back.
    Out(NodeRef, Lent<S>),
    /// Given back.
    Back,
}

impl<S: Send + 'static> Loan<S> {
    /// Takes the value back from the node of a group that has ended.
    fn reclaim(self) -> Option<S> {
        let Self::Out(node, lent) = self else {
            return None;
        };
        let value = node.slow.lock().rare().lent.reclaim(lent);
        value.map(|value| *value)
    }
}

pin_project! {
    // The future behind [`group_with`] and [`try_group_with`]; `W` splits what the body resolves
    // to.
    struct LendFuture<S, R, E, F, B, W>
    where
        S: 'static,
        E: Send,
        E: 'static,
    {
        #[pin]
        machine: Machine<'static, F, B, R, E>,
        call: LendCall<E, F, B, S>,
        loan: Loan<S>,
        wrap: PhantomData<fn() -> W>,
    }
}

impl<S, R, E, F, B, W> Future for LendFuture<S, R, E, F, B, W>
where
    S: Send + 'static,
    E: Send + 'static,
    B: Future,
    W: From<B::Output> + Split<E, Value = R>,
{
    type Output = (S, Result<R, Errors<E>>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let loan = Cell::from_mut(this.loan);
        let value = || match loan.replace(Loan::Back) {
            Loan::Here(value) => value,
            Loan::Out(..) | Loan::Back => unreachable!("a group is opened once"),
        };
        let lent = |node, lent| loan.set(Loan::Out(node, lent));
        let polled = this
            .machine
            .poll_lending(cx, *this.call, value, lent, W::from);
        polled.map(|result| {
            let value = loan.replace(Loan::Back).reclaim();
            (
                value.expect("a group that has ended gives back what it was lent"),
                result,
            )
        })
    }
}

impl<R> From<R> for Plain<R> {
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
    let future: LendFuture<S, R, Never, F, B, Plain<R>> = LendFuture {
        machine: Machine::new(body, Setup::at(Location::caller())),
        call: LendCall::of_body(),
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
        call: LendCall::of_body(),
        loan: Loan::Here(Box::new(state)),
        wrap: PhantomData,
    };
    future
}

pin_project! {
    // The future of a group that cannot fail.
    #[must_use = "a group does nothing unless it is awaited"]
    struct Unfailing<W> {
        #[pin]
        inner: W,
    }
}

impl<S, R, W> Future for Unfailing<W>
where
    W: Future<Output = (S, Result<R, Errors<Never>>)>,
{
    type Output = (S, R);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(S, R)> {
        self.project()
            .inner
            .poll(cx)
            .map(|(state, result)| match result {
                Ok(value) => (state, value),
                Err(errors) => match *errors.first() {},
            })
    }
}
