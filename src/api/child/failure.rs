//! The failure of a child that does not belong to its group: an error or a panic, and how a group
//! receives it after all.

use crate::api::group::handle::Group;
use crate::report::reason::Origin;
use crate::task::cell::fail_with_panic;
use crate::tree::typed_node::Typed;
use crate::unwind;
use std::any::Any;
use std::error::Error;
use std::fmt;

/// Why a supervised child has no value.
///
/// # Examples
///
/// ```
/// use spinney::{Failure, Group, block_on, try_group};
///
/// let result = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
///     let child = g.supervise(async { Err::<(), _>("no") });
///     match child.await {
///         Err(Failure::Error(error)) => Ok(error),
///         Err(Failure::Panic(_)) | Ok(()) => Ok("neither"),
///     }
/// }));
/// assert_eq!(result.unwrap(), "no");
/// ```
pub enum Failure<E> {
    /// It returned this error.
    Error(E),
    /// It panicked with this payload.
    Panic(Box<dyn Any + Send>),
}

impl<E: fmt::Debug> fmt::Debug for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => f.debug_tuple("Error").field(error).finish(),
            Self::Panic(payload) => f
                .debug_tuple("Panic")
                .field(&unwind::message(&**payload))
                .finish(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panic(payload) => write!(f, "panicked: {}", unwind::message(&**payload)),
        }
    }
}

impl<E: Error + 'static> Error for Failure<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Error(error) => error.source(),
            Self::Panic(_) => None,
        }
    }
}

impl<E: Send + 'static> Failure<E> {
    /// Makes it a failure of the group, as if an ordinary child had failed.
    pub(crate) fn pass_on(self, group: &Typed<E>, origin: Origin) {
        match self {
            Self::Error(error) => group.fail(error, origin),
            Self::Panic(payload) => fail_with_panic(payload, group, origin),
        }
    }
}

impl<E: Send + 'static> Group<'_, '_, E> {
    /// Makes a failure that was not read one of the group's.
    pub(crate) fn receive(self, failure: Failure<E>, origin: Origin) {
        failure.pass_on(self.typed(), origin);
    }
}
