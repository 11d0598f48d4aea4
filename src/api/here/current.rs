//! A read-only view of the innermost group of the code that runs. There is no implicit spawn.

use crate::group::node::{Node, NodeRef, SHIELDED};
use crate::poll::budget;
use crate::poll::frame::{self, Frame, TaskView};
use crate::poll::own_cancel::OwnCancel;
use crate::report::failure::{TaskId, name_or_place};
use crate::report::reason::{CancelKind, CancelReason, Origin, Reason};
use crate::tree::attach::attach;
use crate::tree::paths;
use crate::waiters::Key;
use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

fn with<R>(f: impl FnOnce(Option<&Node>) -> R) -> R {
    frame::current(|frame| {
        let node = frame.map(Frame::group);
        node.into_iter().for_each(attach);
        f(node)
    })
}

/// The task that is polled here, as the origin of a failure.
pub(crate) fn origin() -> Option<Origin> {
    frame::current(|frame| {
        let task = frame?.task_view()?;
        Some(Origin {
            task: Some(task.id),
            name: task.name.cloned(),
            location: task.location,
        })
    })
}

/// Waits until the innermost group is asked to stop, or until it, or the task by itself, is being
/// cut. Outside every group it waits for the shutdown of the runtime.
///
/// # Examples
///
/// ```
/// use spinney::{block_on, current, group};
///
/// async fn until_stopped() {
///     current::stopping().await;
/// }
///
/// block_on(group(async |g| {
///     let child = g.spawn(until_stopped());
///     g.stop();
///     child.await;
/// }));
/// ```
///
/// # Cancellation
///
/// Dropping the future loses nothing.
pub fn stopping() -> impl Future<Output = ()> + Send {
    CurrentStopping {
        group: None,
        own_cancel: OwnCancel::default(),
    }
}

/// Whether the innermost group was asked to stop, or it, or the task by itself, is being cut.
///
/// # Examples
///
/// ```
/// use spinney::{block_on, current, group};
///
/// block_on(group(async |g| {
///     assert!(!current::is_stopping());
///     g.stop();
///     assert!(current::is_stopping());
/// }));
/// assert!(!current::is_stopping()); // outside every group
/// ```
#[must_use]
pub fn is_stopping() -> bool {
    cancel_requested() || with(|node| node.is_some_and(Node::is_stopping))
}

/// Whether the innermost group, or the task by itself, is being cut: seen inside `shield`, `defer`
/// and destructors.
///
/// # Examples
///
/// ```
/// use spinney::{Group, block_on, current, shield, try_group};
///
/// let result = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
///     g.cancel("enough");
///     shield(async { assert!(current::is_cancelled()) }).await;
///     Ok(())
/// }));
/// assert!(result.is_err());
/// ```
#[must_use]
pub fn is_cancelled() -> bool {
    cancel_requested() || with(|node| node.is_some_and(Node::is_cancelled))
}

/// Whether the task is being cut by itself, shielded or not.
fn cancel_requested() -> bool {
    let marked = |frame: &Frame<'_>| frame.task_view().is_some_and(TaskView::cancel_requested);
    frame::current(|frame| frame.is_some_and(marked)) && is_exposed()
}

/// Whether a cut of the task is a cut of the innermost group, too: no group between them was opened
/// in a shield.
fn is_exposed() -> bool {
    frame::current(|frame| {
        let Some((frame, task)) = frame.and_then(|frame| Some((frame, frame.task_view()?))) else {
            return false;
        };
        let task_group: *const Node = task.task.group();
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
///
/// # Examples
///
/// ```
/// use spinney::current::{self, CancelKind};
/// use spinney::{Group, block_on, shield, try_group};
///
/// let result = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
///     g.cancel("enough");
///     let reason = shield(async { current::cancel_reason() }).await;
///     assert_eq!(reason.unwrap().kind(), CancelKind::Cancelled);
///     Ok(())
/// }));
/// assert!(result.is_err());
/// ```
#[must_use]
pub fn cancel_reason() -> Option<CancelReason> {
    frame::current(|frame| {
        let frame = frame?;
        let node = frame.group();
        node.cancel_reason().or_else(|| {
            // A wait that a cut unwinds is still in the poll that began before the cut.
            let alone = frame.belongs_to_cut() || cancel_requested();
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
///
/// # Examples
///
/// ```
/// use spinney::{Group, block_on, current, try_group};
/// use std::time::{Duration, Instant};
///
/// block_on(try_group(async |g: Group<'_, '_, &'static str>| {
///     assert_eq!(current::deadline(), None);
///     g.deadline(Duration::from_secs(60), "too late");
///     assert!(current::deadline().unwrap() > Instant::now());
///     Ok(())
/// }))
/// .unwrap();
/// ```
#[must_use]
pub fn deadline() -> Option<Instant> {
    with(|node| {
        node?
            .ancestors()
            .filter_map(|node| node.slow.lock().deadline())
            .min()
    })
}

/// The task that runs.
///
/// # Examples
///
/// ```
/// use spinney::{block_on, current, group};
///
/// block_on(group(async |g| {
///     let child = g.spawn(async { Ok(current::task_id()) });
///     let id = child.id();
///     assert_eq!(child.await, Some(id));
/// }));
/// assert_eq!(current::task_id(), None); // outside every task
/// ```
#[must_use]
pub fn task_id() -> Option<TaskId> {
    frame::current(|frame| frame?.task_view().map(|task| task.id))
}

/// The names of the groups around the caller, from the root down: `server/conn`. A group without a
/// name shows where it was opened.
///
/// # Examples
///
/// ```
/// use spinney::{GroupBuilder, Never, block_on, current};
///
/// let path = block_on(GroupBuilder::<Never>::new().name("server").run(async |g| {
///     let inner = GroupBuilder::<Never>::new().name("conn");
///     inner.run_in(g, async |_| Ok(current::group_path())).await.map_err(|e| e.into_first())
/// }));
/// assert_eq!(path.unwrap().unwrap().to_string(), "server/conn");
/// assert_eq!(current::group_path(), None); // outside every group
/// ```
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
///
/// # Examples
///
/// ```
/// use spinney::{block_on, current, group};
///
/// let name = block_on(group(async |g| {
///     g.spawn_named("fetch", async { Ok(current::task_name()) }).await
/// }));
/// assert_eq!(name.unwrap(), "fetch");
/// ```
#[must_use]
pub fn task_name() -> Option<Cow<'static, str>> {
    frame::current(|frame| {
        let task = frame?.task_view()?;
        Some(name_or_place(task.name, task.location))
    })
}

/// The names of nested groups, from the root down.
///
/// # Examples
///
/// ```
/// use spinney::{GroupBuilder, Never, block_on, current};
///
/// let group = GroupBuilder::<Never>::new().name("server");
/// let path = block_on(group.run(async |_| Ok(current::group_path()))).unwrap().unwrap();
/// assert_eq!(format!("in {path}"), "in server");
/// ```
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

    pub(crate) fn is_over(&self) -> bool {
        self.node.is_stopping() || self.node.word.is_closed()
    }

    /// One poll, which takes nothing from the budget.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_over() {
            self.node.wait_for_stop(&mut self.key, cx.waker());
            // The flag is set before the waiters are woken: look at it after registering.
            if !self.is_over() {
                frame::note_leaf();
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

impl Future for Stopping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_over(cx));
        budget::spend(cx)
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        self.node.forget_stop(&mut self.key);
    }
}

/// The innermost group is the one at the first poll.
struct CurrentStopping {
    group: Option<Stopping>,
    own_cancel: OwnCancel<'static>,
}

impl Future for CurrentStopping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Without a shield, a task that is cut by itself is dropped: its poller does not ask.
        if frame::is_sheltered() && is_exposed() && self.own_cancel.look(cx) {
            return budget::spend(cx);
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
            None => budget::spend(cx),
        }
    }
}
