//! A part of a poll that is forked off: it runs in a copy of the forker's frame, on this thread or
//! another one.

use crate::group::node::Host;
use crate::poll::frame::{self, Forked};
use crate::tree::host_end::StackHost;
use std::pin::pin;

/// Runs `f` as the part of the poll that was forked off there. Groups that it polls and leaves open
/// are open in no host afterwards. `unwinds`: the thread that waits for it does.
pub(crate) fn enter<R>(at: Forked<'_>, unwinds: bool, f: impl FnOnce() -> R) -> R {
    let run = || {
        // A shield around the fork outlives the groups that are polled here.
        let host = pin!(Host::new());
        let host = StackHost::new(host.as_ref(), at.is_shielded());
        match at.frame(host.host()) {
            Some(frame) => frame.enter(f),
            None => frame::with_locals(at.locals(), f),
        }
    };
    frame::unwinding_elsewhere(unwinds, || frame::outside(run))
}
