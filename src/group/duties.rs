//! What those who bring about an event of an ending have to do next: the answers of `ending`.
//!
//! Each is a duty outside the node's lock, and is carried out once. What they carry (wakers, services, defers, payloads) is user
//! code.

use crate::group::services::{Services, Serving};
use crate::unwind::Payload;
use std::future::Future;
use std::pin::Pin;
use std::task::Waker;

/// An async cleanup.
pub(crate) type Defer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Who leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaver {
    /// A child, an inner group, the closer.
    Child,
    /// The node of the services.
    Services,
}

/// What an owner that joins has to do.
#[derive(Debug)]
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

/// What a leaver has to do, which took the lock.
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
    /// Wait to be woken: no service is in the line, but one is counted, or a group that one of them opened. The node of the
    /// services, whose groups are to be cancelled.
    Services(Option<R>),
    /// Run it.
    Defer(Defer),
    /// Leave.
    Done,
}

/// What a cut host that was polled has to do about one of its groups.
#[derive(Debug)]
#[must_use]
pub(crate) enum Judgement {
    /// Nothing: nobody and nothing of this group is waited for.
    Quiet,
    /// Wait: somebody is counted who will wake the host.
    Busy,
    /// Wake the owner, and be polled again.
    Ask(Option<Waker>),
    /// Start the closer.
    StartCloser,
}

/// What a group leaves behind; `R` keeps the node of its services.
pub(crate) struct Remains<R> {
    pub(crate) services: Option<Services<R>>,
    /// None is left: they have run.
    pub(crate) defers: Vec<Defer>,
    /// They wake nobody any more.
    pub(crate) wakers: [Option<Waker>; 3],
    /// The first panic.
    pub(crate) panic: Option<Payload>,
}
