//! The closer: the task that ends a group's services and runs its defers; one last child, shielded,
//! in every ending.
//!
//! It waits until no other work is left, cuts the services, newest first, each joined before the
//! next, and waits for the work that they started while ending; then it runs the newest defer to
//! its end, and begins anew, until nothing is left. `group::ending` decides the next step each
//! time. The closer counts in the group like any child, so the group ends after it.

use crate::group::duties::{Defer, Next};
use crate::group::node::{Node, NodeRef};
use crate::group::services::Serving;
use crate::poll::frame;
use crate::poll::locals::Locals;
use crate::report::reason::Origin;
use crate::task::cell::{Birth, Kind, fail_with_panic};
use crate::task::spawn;
use crate::tree::cascade;
use crate::tree::typed_node::{Closing, Typed, TypedCounted};
use crate::unwind::{self, Payload};
use std::borrow::Cow;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Ends the services of a group and runs its defers.
pub(crate) struct Closer {
    /// Given back with the future, before the count of the task: never the last one.
    node: NodeRef,
    /// The service that was cut last.
    ending: Option<Box<dyn Serving>>,
    current: Option<Defer>,
}

impl Closer {
    fn node(&self) -> &Node {
        &self.node
    }

    /// The next defer, once neither work nor a service is left. Ready with false: there is no
    /// other, and the closer has ended as far as its group is concerned.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            if self.poll_ending(cx).is_pending() {
                return Poll::Pending;
            }
            let node = self.node();
            let next = node.slow.lock().ending.next(&node.word, cx.waker());
            match next {
                Next::Work => return Poll::Pending,
                Next::Service(service) => {
                    service.cancel();
                    self.ending = Some(service);
                }
                Next::Services(services) => {
                    if let Some(services) = services {
                        // Groups that a service opened and forgot: a cascade from above passes them
                        // by.
                        cascade::cancel_inner(&services);
                    }
                    return Poll::Pending;
                }
                Next::Defer(defer) => {
                    self.current = Some(defer);
                    return Poll::Ready(true);
                }
                Next::Done => return Poll::Ready(false),
            }
        }
    }

    /// Waits for the service that was cut last.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(ending) = &self.ending else {
            return Poll::Ready(());
        };
        // Each leaver of that node passes through its lock after its task is over, and calls this
        // waker.
        let services = self.node().slow.lock().ending.services().cloned();
        if let Some(services) = services {
            services.slow.lock().ending.wait_for_service(cx.waker());
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
            let dropped = frame::drop_quietly(self.current.take());
            for payload in [polled, dropped].into_iter().filter_map(Result::err) {
                let origin = self.node().origin();
                fail_with_panic(payload, self.node(), origin);
            }
        }
        Poll::Ready(())
    }
}

impl Future for Closer {
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
struct Infallible<E>(PhantomData<E>);

impl<E: Send + 'static> Kind<()> for Infallible<E> {
    type Error = E;
    type Value = ();

    fn finish((): (), _: &Typed<E>, _: Origin) -> Option<()> {
        None
    }

    fn panicked(payload: Payload, group: &Typed<E>, origin: Origin) -> Option<()> {
        fail_with_panic(payload, group, origin);
        None
    }

    fn unclaimed((): (), _: &Typed<E>, _: Origin) {}
}

impl<E: Send + 'static> Closing<E> for Closer {
    fn start(count: TypedCounted<E>) {
        let name = Some(Cow::Borrowed("defer"));
        let birth = Birth::shielded(name, Locals::none(), count.location);
        let future = Self {
            node: count.to_ref(),
            ending: None,
            current: None,
        };
        drop(spawn::spawn_in_place_of::<_, Infallible<E>>(
            count, future, birth,
        ));
    }
}
