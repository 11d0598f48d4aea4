//! What becomes of the poller of a future that will never be ready.
//!
//! A child that was cut has no value, and a group that was cut from outside does not resolve. Their
//! poller is being dropped, as a rule: then they pend. A poller that is not being dropped is
//! unwound: inside a shield with the private payload of a cut, elsewhere with a panic that names
//! the child.

use crate::poll::frame;
use crate::tree::paths;
use crate::unwind;
use std::task::{Context, Poll};

/// Whether the code that polls now, or any group around it, is being cut. Its owner will drop it.
pub(crate) fn poller_is_cut() -> bool {
    frame::current(|frame| {
        let Some(frame) = frame else { return false };
        if frame.is_cut() || frame.cancel_requested() {
            return true;
        }
        frame.group().ancestors().any(|node| node.is_cancelled())
    })
}

/// Polls of an unresolvable wait in one and the same poll of a task, after which the poller is
/// taken for a foreign `block_on`: `FuturesUnordered` polls a future that wakes itself three times,
/// an executor goes on for ever.
const FOREIGN: u8 = 64;

/// The answers so far to the poller of a future that will never be ready: see
/// [`pend_until_dropped`].
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// The poll of the task in which it was asked last.
    poll: Option<u32>,
    /// How often it was asked in that poll.
    times: u8,
    /// How often its waker was woken in all: a task that waits for other joins must not spin.
    wakes: u8,
}

/// Pends for a poller that is being dropped anyway. A poller that goes on in the same poll of the
/// task is a foreign `block_on` inside a cut task: that is not dropped, so it is unwound.
pub(crate) fn pend_until_dropped<T>(asked: &mut Asked, cx: &mut Context<'_>) -> Poll<T> {
    let now = frame::current(|frame| frame.map(frame::Frame::number));
    if asked.poll == now {
        asked.times += 1;
    } else {
        (asked.poll, asked.times) = (now, 0);
    }
    if asked.times >= FOREIGN && !frame::is_panicking() {
        unwind::unwind_cut();
    }
    // A foreign `block_on` polls again only when it is woken.
    if asked.wakes < 2 * FOREIGN {
        asked.wakes += 1;
        cx.waker().wake_by_ref();
    }
    Poll::Pending
}

/// The duty of a poller of a child that ended without a value. `Pending` if it is being dropped
/// anyway.
pub(crate) fn unresolvable<T>(
    child: impl FnOnce() -> String,
    asked: &mut Asked,
    cx: &mut Context<'_>,
) -> Poll<T> {
    let foreign = frame::current(|frame| frame.is_none());
    if frame::is_sheltered() {
        // The poller is not dropped: the cut goes to the edge of the shield.
        unwind::unwind_cut();
    }
    if poller_is_cut() {
        return pend_until_dropped(asked, cx);
    }
    if foreign && asked.poll.replace(0).is_none() {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    panic!(
        "{} was cut: it will never have a value, and its awaiter is not being cut ({})",
        child(),
        whereabouts().unwrap_or_else(|| "outside every group".to_owned())
    );
}

/// The task that runs here and its group, for a message; `None` outside.
pub(crate) fn whereabouts() -> Option<String> {
    frame::current(|frame| {
        let frame = frame?;
        let group = paths::path(frame.group());
        match (frame.task_view(), group.is_empty()) {
            (Some(task), true) => Some(task.describe()),
            (Some(task), false) => Some(format!("{}, in group `{group}`", task.describe())),
            (None, true) => None,
            (None, false) => Some(format!("group `{group}`")),
        }
    })
}
