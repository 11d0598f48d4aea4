//! The answers of `ending`: what the actor of an event (owner, leaver, closer, cut host) has to do
//! next.
//!
//! Each is a duty outside the node's lock, and is carried out once. The wakers, services, defers
//! and payloads in them are user code.

use crate::group::services::Serving;
use crate::unwind::Payload;
use std::future::Future;
use std::pin::Pin;
use std::task::Waker;

/// An async cleanup.
pub(crate) type Defer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The kind of a leaver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaver {
    /// A child, an inner group, the closer, or an entry that a handle or a timer made at the gate.
    Child,
    /// The node of the services.
    Services,
}

/// What an owner that joins has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Join {
    /// End the group: the word is closed.
    Closed,
    /// Start the closer and ask again.
    StartCloser,
    /// Wait to be woken.
    Wait,
}

/// What an owner that goes away early has to do.
#[derive(Debug)]
#[must_use]
pub(crate) enum Abandon {
    /// End the group: the word is closed.
    End,
    /// Start the closer and ask again.
    StartCloser,
    /// Give its reference up: the last leaver ends the group.
    Leave,
}

/// What a leaver that took the lock has to do.
#[derive(Debug)]
#[must_use]
pub(crate) enum Departure {
    /// Others are left. The node must not be touched any more.
    Left {
        /// To be woken: the closer, the host that is cut.
        wakers: [Option<Waker>; 2],
    },
    /// Still counted: start the closer, which takes the count over.
    StartCloser,
    /// It was the last one: give the parent's count back.
    Last {
        /// End the group, too: the word is closed. Else the node must not be touched any more.
        ends: bool,
        /// To be woken: the closer, the owner, the host that is cut.
        wakers: [Option<Waker>; 3],
    },
}

/// What the closer has to do; `R` keeps the node of the services.
#[must_use]
pub(crate) enum Next<R> {
    /// Wait to be woken: work is left.
    Work,
    /// Cut this service, and wait for its end.
    Service(Box<dyn Serving>),
    /// Wait to be woken: no service is left to be cut, but a service is still counted, or a group
    /// that a service opened. With it comes the node of the services, inside which groups are to be
    /// cancelled.
    Services(Option<R>),
    /// Run this defer.
    Defer(Defer),
    /// Leave.
    Done,
}

/// What a cut host that was polled has to do about one of its groups.
#[derive(Debug)]
#[must_use]
pub(crate) enum Judgement {
    /// Nothing: the host need not wait for this group.
    Quiet,
    /// Wait: a leaver that is still counted will wake the host.
    Busy,
    /// Wake the owner, and be polled again.
    Ask(Option<Waker>),
    /// Start the closer.
    StartCloser,
}

/// What a group leaves behind; `T` is what came after its work.
pub(crate) struct Remains<T> {
    /// Whether there was an error or a panic.
    pub(crate) failed: bool,
    /// The first panic.
    pub(crate) panic: Option<Payload>,
    /// To be dropped: no event is left that would wake them.
    pub(crate) wakers: [Option<Waker>; 2],
    pub(crate) tail: Option<Box<T>>,
}
