//! A part of a poll that is forked off: it runs in a copy of the forker's frame, on this thread or
//! another one.

use crate::poll::frame::{self, Forked};
use crate::tree::host_end::StackHost;

/// Runs `f` as the part of the poll that was forked off there. Groups that it polls and leaves open
/// are open in no host afterwards. `unwinds`: the thread that waits for it does.
pub(crate) fn enter<R>(at: Forked<'_>, unwinds: bool, f: impl FnOnce() -> R) -> R {
    let run = || {
        // A shield around the fork outlives the groups that are polled here.
        let host = StackHost::new(at.is_shielded());
        match at.frame(&host) {
            Some(frame) => frame.enter(f),
            None => frame::with_locals(at.locals(), f),
        }
    };
    frame::unwinding_elsewhere(unwinds, || frame::outside(run))
}
