//! The name of a group, and where the pool counts groups of that name.

use std::borrow::Cow;
use std::time::Instant;

/// The name of a group that was opened.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) text: Cow<'static, str>,
    /// Where it is counted; `None` for a name of ours, or if there was no room for one more.
    pub(crate) counted: Option<Counted>,
}

/// A group that is counted by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) place: usize,
    pub(crate) opened: Instant,
}

/// How a group has ended, as it is counted by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedEnd {
    /// With its body's value.
    Well,
    /// With an error or a panic.
    Failed,
    /// Cancelled from outside, and without a failure of its own.
    Cut,
}
