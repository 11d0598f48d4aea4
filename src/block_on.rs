//! Sync code that waits for async code: on any thread, also on a worker, nested at will.
//!
//! The blocked caller is a host like a task: groups that its future opens are open in it, and a cut of the task or group
//! that it blocks waits for their joins. It cannot be dropped at a suspension, so a cut unwinds it with a private
//! payload, which the edge of the task or group catches.

#![expect(
    unsafe_code,
    reason = "the innermost group of a frame is alive while the frame is"
)]

use crate::group::frame::{self, Frame};
use crate::group::node::NodeRef;
use crate::group::open::{self, Host};
use crate::pool::context;
use crate::pool::shared::Shared;
use crate::pool::waiting::{self, Step};
use crate::sync::Arc;
use crate::unwind;
use crate::waiters::Key;
use std::pin::pin;
use std::task::{Context, Poll};

/// Runs a future to its end on the calling thread.
///
/// # Examples
///
/// ```
/// assert_eq!(spinney::block_on(async { 1 + 1 }), 2);
/// ```
///
/// # Panics
///
/// If the runtime is shut down while the future waits. A panic of the future comes out as it is.
///
/// # Cancellation
///
/// Inside a task or group that is being cut it unwinds with a private payload that no hook prints.
///
/// # Blocking
///
/// The thread blocks. On a worker its queue is handed away first and a spare thread takes its place.
pub fn block_on<F: Future>(future: F) -> F::Output {
    on(&context::runtime(), future)
}

/// `future.wait()` is `block_on(future)`, for every future.
pub trait Wait: Future + Sized {
    /// Runs the future to its end on the calling thread: see [`block_on`].
    fn wait(self) -> Self::Output {
        block_on(self)
    }
}

impl<F: Future> Wait for F {}

/// What a blocked frame belongs to.
struct Blocked {
    node: NodeRef,
    host: Host,
    stop: Key,
    cut: bool,
    /// Inside a task: a cut unwinds. Outside: only a shutdown cuts, and it panics with a message.
    inside: bool,
    shielded: bool,
}

impl Blocked {
    fn new(runtime: &Shared) -> Self {
        let (node, cut, inside, shielded) = frame::current(|frame| match frame {
            Some(frame) => {
                // SAFETY: the innermost group is alive while its frame is on the stack.
                let node = unsafe { frame.node().as_ref() };
                let own = std::ptr::addr_eq(node.spawn_ptr().as_ptr(), runtime);
                let node = if own { node.to_ref() } else { runtime.root() };
                (node, frame.is_cut(), true, frame.is_shielded())
            }
            None => (runtime.root(), false, false, false),
        });
        Self {
            node,
            host: Host::new(),
            stop: Key::default(),
            cut,
            inside,
            shielded,
        }
    }

    fn step<R>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Step<Result<R, bool>> {
        let frame = Frame::sync(self.node.as_ptr(), &raw const self.host, self.cut);
        if let Poll::Ready(value) = frame.enter(|| poll(cx)) {
            return Step::Ready(Ok(value));
        }
        let held = frame.is_held();
        // Registered before the flag is read, woken after it is set.
        self.node.stop_waiters.register(&mut self.stop, cx.waker());
        self.cut = !self.shielded && (self.cut || self.node.is_cancelled());
        if self.cut && !crate::sync::thread::panicking() {
            open::cut(&self.host, cx.waker(), !held);
            if !held && open::settled(&self.host) {
                return Step::Ready(Err(self.inside));
            }
        }
        Step::Pending {
            take_part: frame.waits_for_children_only(),
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.node.stop_waiters.remove(&mut self.stop);
    }
}

/// Runs a future on the calling thread, with its groups on the given runtime.
pub(crate) fn on<F: Future>(runtime: &Arc<Shared>, future: F) -> F::Output {
    let mut blocked = Blocked::new(runtime);
    let mut future = pin!(future);
    let ended = waiting::wait(runtime, &mut |cx| {
        blocked.step(cx, |cx| future.as_mut().poll(cx))
    });
    match ended {
        Ok(value) => value,
        Err(true) => unwind::unwind_cut(),
        Err(false) => panic!(
            "the runtime `{}` was shut down while `block_on` waited",
            runtime.name
        ),
    }
}

/// Blocks until a group has joined: for `scope`, whose body has returned.
pub(crate) fn join<R>(
    runtime: &Arc<Shared>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
) -> R {
    waiting::wait(runtime, &mut |cx| match poll(cx) {
        Poll::Ready(value) => Step::Ready(value),
        Poll::Pending => Step::Pending { take_part: true },
    })
}
