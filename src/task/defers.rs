//! The task that ends a group's services and runs its defers: one last child, shielded, in every ending.
//!
//! It waits until no other work is left, cuts the services, newest first, each joined before the next, and waits for what
//! they started while ending; then it runs the newest defer to its end, and begins anew, until there is nothing. It counts
//! in the group like any child, so the group ends after it.

#![expect(unsafe_code, reason = "it refers to the group that counts it")]

use crate::group::frame;
use crate::group::locals::Locals;
use crate::group::node::{Node, Origin};
use crate::group::services::{Services, Serving};
use crate::group::tree;
use crate::sync::cell::Cell;
use crate::task::cell::{Birth, Kind, fail_with_panic};
use crate::task::header::Extension;
use crate::task::run;
use crate::unwind::{self, Payload};
use std::borrow::Cow;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// Ends the services of a group and runs its defers.
struct RunDefers {
    node: NonNull<Node>,
    /// The service that was cut last.
    ending: Option<Box<dyn Serving>>,
    current: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

// SAFETY: the node is `Send` and `Sync`, and the task counts in it, which keeps it alive.
unsafe impl Send for RunDefers {}

impl RunDefers {
    fn node(&self) -> &Node {
        // SAFETY: the task counts in the group, so the node is alive.
        unsafe { self.node.as_ref() }
    }

    /// The next defer, once neither work nor a service is left. Ready with false: there is no other.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        // Wakers in here are those of this task: to clone and to drop them is no user code.
        loop {
            if self.poll_ending(cx).is_pending() {
                return Poll::Pending;
            }
            let node = self.node();
            let mut slow = node.slow.lock();
            let served = slow.served();
            let works = node.word.watch_defers() > 1 + served;
            let service = if works {
                None
            } else {
                slow.sealed = true;
                slow.services.as_mut().and_then(Services::pop)
            };
            if let Some(service) = service {
                drop(slow);
                service.cut();
                self.ending = Some(service);
                continue;
            }
            if node.word.count() > 1 {
                // Work, or the last service, which is over but still counted.
                slow.defer_waker = Some(cx.waker().clone());
                let services = slow.services.as_ref().map(|services| services.node.clone());
                drop(slow);
                if let Some(services) = services.filter(|_| !works) {
                    // Groups that a service opened and forgot: a cascade from above passes them by.
                    tree::cancel_inner(&services);
                }
                return Poll::Pending;
            }
            node.word.unwatch_defers();
            let next = match slow.services_only && !slow.body_gone {
                true => None,
                false => slow.defers.pop(),
            };
            if next.is_none() {
                slow.deferring = false;
            }
            drop(slow);
            self.current = next;
            return Poll::Ready(self.current.is_some());
        }
    }

    /// Waits for the service that was cut last.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(ending) = &self.ending else {
            return Poll::Ready(());
        };
        {
            let slow = self.node().slow.lock();
            let services = slow.services.as_ref().map(|services| services.node.clone());
            drop(slow);
            // Each leaver of that node passes through its lock after its task is over, and calls this waker.
            if let Some(services) = services {
                services.slow.lock().defer_waker = Some(cx.waker().clone());
            }
        }
        if !ending.is_over() {
            return Poll::Pending;
        }
        self.ending = None;
        Poll::Ready(())
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
            locals: Cell::new(Locals::none()),
        })),
    };
    let future = RunDefers {
        node: node.whole,
        ending: None,
        current: None,
    };
    // SAFETY: one count is handed over, which keeps the node for as long as the task uses it; no error type is used.
    drop(unsafe { run::spawn_counted::<_, Infallible>(node, future, birth) });
}
