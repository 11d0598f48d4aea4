//! A read-only view of the innermost group of the code that runs. There is no implicit spawn.

use crate::group::node::{Node, NodeRef, SHIELDED};
use crate::poll::frame;
use crate::poll::frame::{Frame, TaskView};
use crate::poll::own_cancel::Mark;
use crate::report::failure::TaskId;
use crate::report::failure::name_or_place;
use crate::report::reason::Origin;
use crate::report::reason::{CancelKind, CancelReason, Reason};
use crate::tree::paths;

use crate::waiters::Key;
use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

fn with<R>(f: impl FnOnce(Option<&Node>) -> R) -> R {
    frame::current(|frame| f(frame.map(Frame::group)))
}

/// The task that is polled here, as the origin of a failure.
pub(crate) fn origin() -> Option<Origin> {
    frame::current(|frame| {
        let task = frame?.task_view()?;
        Some(Origin {
            task: Some(task.id),
            name: task.name().cloned(),
            location: task.location,
        })
    })
}

/// Waits until the innermost group is asked to stop, or until it, or the task by itself, is being
/// cut. Outside every group it waits for the shutdown of the runtime.
pub fn stopping() -> impl Future<Output = ()> + Send {
    CurrentStopping {
        group: None,
        mark: Mark::default(),
    }
}

/// Whether the innermost group was asked to stop, or it, or the task by itself, is being cut.
#[must_use]
pub fn is_stopping() -> bool {
    is_marked() || with(|node| node.is_some_and(Node::is_stopping))
}

/// Whether the innermost group, or the task by itself, is being cut: seen inside `shield`, `defer`
/// and destructors.
#[must_use]
pub fn is_cancelled() -> bool {
    is_marked() || with(|node| node.is_some_and(Node::is_cancelled))
}

/// Whether the task is being cut by itself, shielded or not.
fn is_marked() -> bool {
    let marked = |frame: &Frame<'_>| frame.task_view().is_some_and(TaskView::is_marked);
    frame::current(|frame| frame.is_some_and(marked)) && is_exposed()
}

/// Whether a cut of the task is a cut of the innermost group, too: no group between them was opened
/// in a shield.
fn is_exposed() -> bool {
    frame::current(|frame| {
        let Some((frame, task)) = frame.and_then(|frame| Some((frame, frame.task_view()?))) else {
            return false;
        };
        let task_group: *const Node = task.task().group();
        frame
            .group()
            .ancestors()
            .take_while(|node| !std::ptr::eq(&raw const **node, task_group))
            .all(|node| node.flags() & SHIELDED == 0)
    })
}

/// Why the caller is being cut, if it is: seen inside `shield`, `defer` and destructors.
///
/// The first reason of the innermost group that is being cut, or of the one around it from which
/// the cut came down.
#[must_use]
pub fn cancel_reason() -> Option<CancelReason> {
    frame::current(|frame| {
        let frame = frame?;
        let node = frame.group();
        node.cancel_reason().or_else(|| {
            // A wait that a cut unwinds is still in the poll that began before the cut.
            let alone = frame.belongs_to_cut() || is_marked();
            let origin = alone.then(origin)??;
            Some(CancelReason {
                reason: Reason {
                    kind: CancelKind::TaskCancelled,
                    origin,
                },
                chain: vec![paths::path(node)],
            })
        })
    })
}

/// The earliest deadline of the groups around the caller.
#[must_use]
pub fn deadline() -> Option<Instant> {
    with(|node| {
        node?
            .ancestors()
            .filter_map(|node| node.slow.lock().deadline)
            .min()
    })
}

/// The task that runs.
#[must_use]
pub fn task_id() -> Option<TaskId> {
    frame::current(|frame| frame?.task_view().map(|task| task.id))
}

/// The names of the groups around the caller, from the root down: `server/conn`. A group without a
/// name shows where it was opened.
#[must_use]
pub fn group_path() -> Option<GroupPath> {
    with(|node| {
        let node = node?;
        node.with_parent(|_| ())
            .is_some()
            .then(|| GroupPath(paths::path(node)))
    })
}

/// The path of the group around the caller, as text; empty outside every group.
pub(crate) fn path() -> String {
    with(|node| node.map(paths::path).unwrap_or_default())
}

/// The name of the task that runs, or, if it was given none, where it was spawned:
/// `src/main.rs:12`.
#[must_use]
pub fn task_name() -> Option<Cow<'static, str>> {
    frame::current(|frame| {
        let task = frame?.task_view()?;
        Some(name_or_place(task.name(), task.location))
    })
}

/// The names of nested groups, from the root down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupPath(String);

impl fmt::Display for GroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Waits for a group to be asked to stop.
pub(crate) struct Stopping {
    node: NodeRef,
    key: Key,
}

impl Stopping {
    pub(crate) fn of(node: &Node) -> Self {
        Self {
            node: node.to_ref(),
            key: Key::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.node.is_stopping() || self.node.word.is_closed()
    }
}

impl Future for Stopping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.is_over() {
            return Poll::Ready(());
        }
        this.node.stop_waiters.register(&mut this.key, cx.waker());
        // The flag is set before the waiters are woken: look at it after registering.
        if this.is_over() {
            return Poll::Ready(());
        }
        frame::note_leaf();
        Poll::Pending
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        self.node.stop_waiters.remove(&mut self.key);
    }
}

/// The innermost group is the one at the first poll.
struct CurrentStopping {
    group: Option<Stopping>,
    mark: Mark,
}

impl Future for CurrentStopping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Without a shield, a task that is cut by itself is dropped: its poller does not ask.
        let sheltered = frame::current(|frame| frame.is_some_and(Frame::is_sheltered));
        if sheltered && is_exposed() && self.mark.look(cx) {
            return Poll::Ready(());
        }
        if self.group.is_none() {
            self.group = with(|node| match node {
                Some(node) => Some(Stopping::of(node)),
                None => Some(Stopping::of(&*crate::pool::global::runtime().open_root()?)),
            });
        }
        match &mut self.group {
            Some(stopping) => Pin::new(stopping).poll(cx),
            // The runtime was shut down.
            None => Poll::Ready(()),
        }
    }
}
