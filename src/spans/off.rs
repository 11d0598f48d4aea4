//! No spans: the feature `tracing` is off. The names are those of `on`, and nothing is left of
//! them.

use std::borrow::Cow;
use std::panic::Location;

/// Whether there may be any.
pub(crate) const POSSIBLE: bool = false;

/// Whether any span is looked at.
#[inline(always)]
pub(crate) const fn is_wanted() -> bool {
    false
}

/// The span of a group.
#[derive(Debug)]
pub(crate) struct GroupSpan;

impl GroupSpan {
    #[inline(always)]
    pub(crate) const fn none() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) const fn open(_: Option<&str>, _: &'static Location<'static>) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) const fn shared(&self) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) const fn is_none(&self) -> bool {
        true
    }

    #[inline(always)]
    pub(crate) const fn close(&self) {}

    #[inline(always)]
    pub(crate) const fn enter(&self) -> InGroup {
        InGroup
    }
}

/// A poll of a body in the span of its group.
pub(crate) struct InGroup;

/// What a span says of a task.
#[expect(dead_code, reason = "it is made where spans are wanted")]
pub(crate) struct About<'a> {
    pub(crate) id: u64,
    pub(crate) name: Option<&'a str>,
    pub(crate) is_blocking: bool,
    pub(crate) bytes: usize,
    pub(crate) location: &'static Location<'static>,
    pub(crate) group: &'a dyn Fn() -> Cow<'static, str>,
}

/// The span of a task.
#[derive(Debug)]
pub(crate) struct TaskSpan;

/// What a waker does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WakerOp {
    Clone,
    Wake,
    WakeByRef,
    Drop,
}

impl TaskSpan {
    #[inline(always)]
    pub(crate) const fn none() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) const fn open(_: &GroupSpan, _: &About<'_>) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) const fn is_none(&mut self) -> bool {
        true
    }

    #[inline(always)]
    pub(crate) const fn is_watched(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) const fn tell(&self, _: WakerOp) {}

    #[inline(always)]
    pub(crate) const fn enter(&self) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) const fn close(&self) {}
}
