//! Blocking scopes: children borrow the caller's stack, because the call does not return before
//! they have ended.

use crate::api::group::handle::{Group, Never};
use crate::api::group::lifetime;
use crate::group::node::Opening;
use crate::poll::frame;
use crate::pool::shared::Shared;
use crate::pool::{children, global};
use crate::report::errors::Errors;
use crate::spans::GroupSpan;
use crate::sync::Arc;
use crate::tree::awaited::Awaited;
use crate::tree::owner::{Answer, Owner};
use crate::tree::unresolvable::poller_is_cut;
use crate::{block_on, unwind};
use std::panic::{Location, resume_unwind};

/// Runs `body` on this thread with a group whose children may borrow the caller's stack, and waits
/// for all of them.
///
/// # Examples
///
/// ```
/// let mut numbers = [1, 2, 3, 4];
/// spinney::scope(|s| {
///     for number in &mut numbers {
///         s.spawn(async move { *number *= 2 });
///     }
/// });
/// assert_eq!(numbers, [2, 4, 6, 8]);
/// ```
///
/// # Panics
///
/// The first panic of the body or of a child comes out after all children have ended.
///
/// # Blocking
///
/// The thread blocks until the last child has ended, and runs children meanwhile.
#[track_caller]
pub fn scope<'p, R>(body: impl for<'s> FnOnce(Group<'s, 'p>) -> R) -> R {
    let location = Location::caller();
    let result: Result<R, Errors<Never>> = run(location, |group| Ok(body(group)));
    result.unwrap_or_else(|errors| match *errors.first() {})
}

/// As [`scope`], for a body and children that can fail: the first error cancels the rest.
///
/// # Examples
///
/// ```
/// use spinney::{Group, try_scope};
///
/// let numbers = [1, 2, 3];
/// let result = try_scope(|s: Group<'_, '_, String>| {
///     for number in &numbers {
///         s.spawn(async move {
///             if *number < 3 { Ok(()) } else { Err(format!("{number} is too much")) }
///         });
///     }
///     Ok(())
/// });
/// assert_eq!(result.unwrap_err().into_first(), "3 is too much");
/// ```
///
/// # Errors
///
/// All errors, in the order in which they came.
///
/// # Panics
///
/// As [`scope`].
///
/// # Blocking
///
/// As [`scope`].
#[track_caller]
pub fn try_scope<'p, R, E: Send + 'static>(
    body: impl for<'s> FnOnce(Group<'s, 'p, E>) -> Result<R, E>,
) -> Result<R, Errors<E>> {
    run(Location::caller(), body)
}

fn run<'p, R, E: Send + 'static>(
    location: &'static Location<'static>,
    body: impl for<'s> FnOnce(Group<'s, 'p, E>) -> Result<R, E>,
) -> Result<R, Errors<E>> {
    global::with_runtime(|runtime| run_on(runtime, location, body))
}

fn run_on<'p, R, E: Send + 'static>(
    runtime: &Arc<Shared>,
    location: &'static Location<'static>,
    body: impl for<'s> FnOnce(Group<'s, 'p, E>) -> Result<R, E>,
) -> Result<R, Errors<E>> {
    let (parent, shielded) = frame::current(|frame| match frame {
        Some(frame) => (
            frame.group().to_ref(),
            frame.is_shielded() || !unwind::POSSIBLE,
        ),
        None => (runtime.root(), false),
    });
    let opening = Opening {
        name: None,
        location,
        shielded,
        unattached: false,
        span: GroupSpan::open(None, location),
    };
    let mut owner = Owner::new(lifetime::open::<E>(parent, opening));
    let awaited = Awaited::Group(&raw const **owner.node);
    let (value, failed) = children::in_place(runtime, awaited, || {
        lifetime::scoped(
            &mut owner,
            |group| body(Group::new(group)),
            |node, poll| block_on::join(runtime, node, poll),
        )
    });
    match owner.answer(failed, value) {
        Answer::Value(value) => Ok(value),
        Answer::Errors(errors) => Err(errors),
        Answer::Panic(payload) => resume_unwind(payload),
        // In a destructor of a thread that panics already, to unwind would abort the process.
        Answer::Outer(Some(value)) if frame::is_panicking() => Ok(value),
        Answer::Outer(_) if poller_is_cut() => unwind::unwind_cut(),
        Answer::Outer(_) => panic!(
            "the runtime `{}` was shut down during a scope",
            runtime.name
        ),
    }
}
