//! The task that runs the defers of a group: one last child, shielded, newest first, in every ending.
//!
//! It waits until it is the only child left, runs the newest defer to its end, waits for what that one started, and so
//! on until there is none. It counts in the group like any child, so the group ends after it.

#![expect(unsafe_code, reason = "it refers to the group that counts it")]

use crate::group::frame;
use crate::group::node::{Node, Origin};
use crate::task::cell::{Birth, Kind, fail_with_panic};
use crate::task::header::Extension;
use crate::task::run;
use crate::unwind::{self, Payload};
use std::borrow::Cow;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// Runs the defers of a group.
struct RunDefers {
    node: NonNull<Node>,
    current: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

// SAFETY: the node is `Send` and `Sync`, and the task counts in it, which keeps it alive.
unsafe impl Send for RunDefers {}

impl RunDefers {
    fn node(&self) -> &Node {
        // SAFETY: the task counts in the group, so the node is alive.
        unsafe { self.node.as_ref() }
    }

    /// The next defer, once nobody else is left. Ready with `None`: there is no other.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let node = self.node();
        let mut slow = node.slow.lock();
        if node.word.0.watch_defers() > 1 {
            // The waker is that of this task: to clone and to drop it is no user code.
            slow.defer_waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        node.word.0.unwatch_defers();
        let next = slow.defers.pop();
        if next.is_none() {
            slow.deferring = false;
        }
        drop(slow);
        self.current = next;
        Poll::Ready(self.current.is_some())
    }

    /// Drives the current defer. A panic goes to the group; the other defers still run.
    fn poll_current(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(current) = &mut self.current {
            let polled = unwind::catch(|| current.as_mut().poll(cx));
            let polled = match polled {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(())) => Ok(()),
                Err(payload) => Err(payload),
            };
            let dropped = unwind::drop_quietly(self.current.take());
            for payload in [polled, dropped].into_iter().filter_map(Result::err) {
                let origin = self.node().origin();
                // SAFETY: the node is alive: this task counts in it.
                unsafe { fail_with_panic(payload, self.node, origin) };
            }
        }
        Poll::Ready(())
    }
}

impl Future for RunDefers {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        frame::current(|frame| {
            let mut drive = || {
                while this.poll_current(cx).is_ready() {
                    match this.poll_next(cx) {
                        Poll::Ready(true) => {}
                        Poll::Ready(false) => return Poll::Ready(()),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Poll::Pending
            };
            match frame {
                Some(frame) => frame.shielded(drive),
                None => drive(),
            }
        })
    }
}

/// The kind of a task whose only failure can be a panic.
struct Infallible;

impl Kind<()> for Infallible {
    type Value = ();

    unsafe fn finish((): (), _: NonNull<Node>, _: Origin) -> Option<()> {
        None
    }

    unsafe fn panicked(payload: Payload, node: NonNull<Node>, origin: Origin) -> Option<()> {
        // SAFETY: the caller's promise.
        unsafe { fail_with_panic(payload, node, origin) };
        None
    }

    unsafe fn unclaimed((): (), _: NonNull<Node>, _: Origin) {}
}

/// `NodeTable::start_defers`.
///
/// # Safety
///
/// The node is alive and one count is handed over.
pub(crate) unsafe fn start(node: &Node) {
    let birth = Birth {
        location: node.location,
        extension: Some(Box::new(Extension {
            name: Some(Cow::Borrowed("defer")),
            shielded: true,
        })),
    };
    let future = RunDefers {
        node: node.whole,
        current: None,
    };
    // SAFETY: one count is handed over, which keeps the node for as long as the task uses it; no error type is used.
    drop(unsafe { run::spawn_counted::<_, Infallible>(node, future, birth) });
}
