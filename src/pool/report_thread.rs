//! The thread that calls the hooks for reports. It is started when there is something to report,
//! and ends when all of that is told.

use crate::pool::hooks;
use crate::pool::reports::{Report, Sighting};
use crate::pool::shared::Shared;
use crate::pool::thread_ctx::ThreadCtx;
use crate::report::stall::Stall;
use crate::sync::Arc;

/// Has a report told. Where no thread can be had, stderr is told in place of the hook.
pub(crate) fn tell(shared: &Arc<Shared>, report: Report) {
    if !shared.reports.push(report) {
        return;
    }
    let theirs = Arc::clone(shared);
    let started = shared.thread("reports").spawn(move || {
        // A shutdown in a hook must know that it cannot wait for this thread.
        let ctx = ThreadCtx::blocking(&theirs);
        theirs.driver.enter_for_good();
        // Closures that block have no part in it: it does not count against their limit.
        ctx.waits.set(true);
        ctx.occupy(|| {
            while let Some(report) = theirs.reports.next() {
                theirs.hooks.report_stall(stall(&theirs, report));
                ctx.leave_seat();
            }
        });
    });
    match started {
        Ok(thread) => shared.reports.keep(thread),
        Err(_) => {
            while let Some(report) = shared.reports.next() {
                hooks::print_stall(stall(shared, report));
            }
        }
    }
}

/// What was seen, with the paths of groups whose tasks are still there.
fn stall(shared: &Shared, report: Report) -> Stall {
    let sighting = match report {
        Report::Stall(sighting) => sighting,
        Report::Circle(circle) => return shared.circle(circle).0,
    };
    let Sighting {
        seat,
        mut seen,
        lasts,
        thread,
    } = sighting;
    shared.place(shared.seats.get(seat), &mut seen);
    Stall::new(seen.straggler, lasts, thread)
}
