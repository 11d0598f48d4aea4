//! Sync code that waits for async code: on any thread, also on a worker, nested at will.
//!
//! The blocked caller is a host like a task: groups that its future opens are open in it, and a cut
//! of the task or group that it blocks waits for their joins. It cannot be dropped at a suspension,
//! so a cut unwinds it with a private payload, which the edge of the task or group catches.

use crate::driver::beside::is_apart;
use crate::group::node::{Host, Node};
use crate::poll::frame::{self, Frame, Within};
use crate::poll::own_cancel::{OwnCancel, Reach};
use crate::pool::runtime::Runtime;
use crate::pool::shared::Shared;
use crate::pool::visit::Visiting;
use crate::pool::waiting::{self, Pending, Step};
use crate::pool::{children, global, thread_ctx};
use crate::sync::Arc;
use crate::tree::attach::attach;
use crate::tree::awaited::Awaited;
use crate::tree::cut::{self, Cut, Knew};
use crate::tree::host_end::StackHost;
use crate::tree::{cascade, zero_deadline};
use crate::unwind::{self, Payload};
use crate::waiters::Key;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

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
/// If the runtime is shut down while the future waits. A panic of the future comes out as it is,
/// and so does one of its destructor where a cut ends the wait. Or if the future is not ready in a
/// process that was forked from that of the runtime, which has none of its threads: see
/// [`Runtime`](crate::Runtime#fork).
///
/// # Cancellation
///
/// Inside a task or group that is being cut it unwinds with a private payload that no hook prints.
/// In a destructor that the cut runs it waits on, as in a [`shield`](crate::shield), and so does it
/// in a destructor while the thread panics: to unwind would skip the rest of the destructor. Put a
/// [`timeout`](crate::timeout) inside where that could take long. In a program that is built with
/// `panic = "abort"` it waits on, and aborts with a message if what it waits for was cut.
///
/// # Blocking
///
/// The thread blocks, and runs the children that it waits for until it sleeps. On a worker its
/// queue is handed away then, and a spare thread takes its place.
pub fn block_on<F: Future>(future: F) -> F::Output {
    global::with_runtime(|runtime| on(runtime, future))
}

impl Runtime {
    /// Runs a future on the calling thread, with its groups on this runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// let sum = runtime.block_on(spinney::group(async |g| g.spawn(async { Ok(1 + 1) }).await));
    /// assert_eq!(sum, 2);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the runtime is shut down while the future waits, or if the future is not ready in a
    /// process that was forked from that of the runtime. A panic of the future comes out as it is.
    ///
    /// # Cancellation
    ///
    /// As the free [`block_on`](crate::block_on).
    ///
    /// # Blocking
    ///
    /// The thread blocks. On a worker a spare thread takes its place.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        on(self.shared(), future)
    }
}

/// `future.wait()` is `block_on(future)`, for every future.
///
/// # Examples
///
/// ```
/// use spinney::Wait;
///
/// async fn square(number: u32) -> u32 {
///     number * number
/// }
///
/// // The closure of `map` is sync.
/// let squares: Vec<_> = (1..=3).map(|number| square(number).wait()).collect();
/// assert_eq!(squares, [1, 4, 9]);
/// ```
pub trait Wait: Future + Sized {
    /// Runs the future to its end on the calling thread: see [`block_on`].
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    ///
    /// assert_eq!(async { 1 + 1 }.wait(), 2);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`block_on`].
    ///
    /// # Cancellation
    ///
    /// As [`block_on`].
    ///
    /// # Blocking
    ///
    /// As [`block_on`].
    fn wait(self) -> Self::Output {
        block_on(self)
    }
}

impl<F: Future> Wait for F {}

/// What a blocked frame belongs to.
struct Blocked<'a> {
    /// The parent of groups that the future opens.
    within: Within<'a>,
    /// The innermost group of the code that called; none outside. A cut of it unwinds.
    caller: Option<&'a Node>,
    /// If the caller is no part of the runtime: only its shutdown cancels the wait then, and that
    /// is a panic with a message.
    visit: Option<&'a Visiting<'a>>,
    /// Not in it: others follow pointers to the host while this is borrowed for writing.
    host: Pin<&'a Host>,
    /// Made when a poll is pending for the first time.
    waits: Option<Waits<'a>>,
    /// The caller was being cut already when it began to wait.
    doomed: bool,
    /// The next poll belongs to a cut.
    cut: bool,
    /// Inside a shield, in a destructor while the thread panics, or where nothing can be unwound:
    /// no cut reaches the caller, nor the groups that the future opens, which could not answer
    /// otherwise.
    shielded: bool,
}

/// Where a blocked caller has registered for what may end its wait.
struct Waits<'a> {
    /// The parent of groups that the future opens.
    node: &'a Node,
    /// The group of the caller, if that is another one.
    caller: Option<&'a Node>,
    keys: [Key; 2],
    own_cancel: OwnCancel<'a>,
}

impl Waits<'_> {
    /// Registers the waker; whether the task of the caller is to be cut.
    fn register(&mut self, cx: &mut Context<'_>) -> bool {
        let [own, callers] = &mut self.keys;
        self.node.wait_for_stop(own, cx.waker());
        if let Some(caller) = self.caller {
            caller.wait_for_stop(callers, cx.waker());
        }
        cancel_requested(&mut self.own_cancel, cx)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let [own, callers] = &mut self.keys;
        self.node.forget_stop(own);
        if let Some(caller) = self.caller {
            caller.forget_stop(callers);
        }
    }
}

/// Why a wait ended without a value.
enum Ended {
    /// What the caller belongs to is being cut.
    Cut,
    /// The runtime was shut down.
    ShutDown,
}

impl<'a> Blocked<'a> {
    #[inline]
    fn new(
        around: Option<&'a Frame<'a>>,
        visit: &'a Visiting<'a>,
        host: Pin<&'a Host>,
        shielded: bool,
    ) -> Self {
        let caller = around.map(Frame::group);
        let cut = around.is_some_and(|frame| frame.is_cut() || frame.cancel_requested());
        let own = caller.filter(|node| visit.is_to(node));
        Self {
            within: own.map_or(Within::Visit(visit), Within::Group),
            caller,
            visit: own.is_none().then_some(visit),
            host,
            waits: None,
            doomed: cut,
            cut,
            shielded,
        }
    }

    #[inline]
    fn step<R>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Step<Result<R, Ended>> {
        let knew = Knew::of(self.cut);
        if let Some(visit) = self.visit {
            visit.polls_again();
        }
        if self.cut {
            // It is polled in any case, and what it waits for may be ready: nothing was lost until
            // now.
            let _ = cut::before_poll(&self.host, cx.waker(), true);
        }
        let (polled, held, pending) = frame::of_future(self.within, self.host, self.cut, |frame| {
            let polled = frame.enter(|| match self.shielded {
                true => frame.shielded(|| poll(cx)),
                false => poll(cx),
            });
            let pending = Pending {
                take_part: frame.waits_for_children_only(),
                task: frame.awaited(),
            };
            (polled, frame.ended_in_shield(), pending)
        });
        match polled {
            Poll::Ready(value) => Step::Ready(Ok(value)),
            Poll::Pending => match self.pends(cx, held, knew) {
                Some(ended) => Step::Ready(Err(ended)),
                None => Step::Pending(pending),
            },
        }
    }

    /// After a poll that is pending: why the wait is to end now, if it is.
    #[inline(never)]
    fn pends(&mut self, cx: &mut Context<'_>, held: bool, knew: Knew) -> Option<Ended> {
        zero_deadline::blocks();
        let ended = self.ended(cx);
        if let Some(visit) = self.visit {
            visit.be_guest(!self.host.is_empty());
        }
        let ended = ended?;
        self.cut = true;
        match cut::after_poll(&self.host, cx.waker(), held, knew) {
            Cut::Drop => Some(ended),
            Cut::Poll => None,
        }
    }

    /// Drops what was waited for, as a cut drops a task: in the frame of the wait, and as in a
    /// shield. Returns the payload of a destructor that panicked.
    fn drop_awaited(&mut self, drop: impl FnOnce()) -> Result<(), Payload> {
        let enter = |frame: &Frame<'_>| unwind::catch(|| frame.enter_to_drop(drop));
        let dropped = frame::of_future(self.within, self.host, true, enter);
        dropped.or_else(unwind::ignore_cut)
    }

    /// Whether the wait is to end without a value. It registers for the moment when it is.
    fn ended(&mut self, cx: &mut Context<'_>) -> Option<Ended> {
        let reach = match self.shielded || frame::is_sheltered() {
            true => Reach::Nothing,
            false => Reach::Host(self.host.get_ref()),
        };
        let waits = self.waits.get_or_insert_with(|| {
            // From now on a cancel has to find the caller.
            self.caller.into_iter().for_each(attach);
            Waits {
                node: match self.within {
                    Within::Group(node) => node,
                    Within::Visit(visit) => visit.root(),
                },
                caller: self.visit.and(self.caller),
                keys: Default::default(),
                own_cancel: OwnCancel::reaching(reach),
            }
        });
        // Registered before the flags are read, woken after they are set.
        let requested = waits.register(cx);
        let cancelled = self.caller.is_some_and(Node::is_cancelled);
        if !self.shielded && (self.doomed || requested || cancelled) {
            return Some(Ended::Cut);
        }
        if self.visit.is_some() && waits.node.is_cancelled() && !frame::is_panicking() {
            return Some(Ended::ShutDown);
        }
        None
    }
}

/// Whether the task of the caller is marked, and that reaches the caller: not in a shield. If not,
/// it is woken by the mark.
fn cancel_requested(own: &mut OwnCancel<'_>, cx: &mut Context<'_>) -> bool {
    own.look(cx) && frame::current(|frame| frame.is_some_and(Frame::cancel_requested))
}

/// Runs a future on the calling thread, with its groups on the given runtime.
pub(crate) fn on<F: Future>(runtime: &Arc<Shared>, future: F) -> F::Output {
    frame::current(|around| on_within(around, runtime, future))
}

#[inline]
fn on_within<F: Future>(around: Option<&Frame<'_>>, runtime: &Arc<Shared>, future: F) -> F::Output {
    let visit = Visiting::new(runtime);
    let inside = around.is_some_and(|frame| visit.is_to(frame.group()));
    if !inside && runtime.is_special() {
        return on_special(around, runtime, future);
    }
    on_visit(around, runtime, &visit, true, future)
}

/// As [`on_within`], for a caller from outside in a runtime that has ended, which panics, or that
/// has tokio beside.
#[cold]
#[inline(never)]
fn on_special<F: Future>(
    around: Option<&Frame<'_>>,
    runtime: &Arc<Shared>,
    future: F,
) -> F::Output {
    let visit = Visiting::new(runtime);
    // Boxed: what follows is there once for all futures of an output.
    let future: Pin<Box<dyn Future<Output = F::Output> + '_>> = Box::pin(future);
    let Some(beside) = runtime.for_caller() else {
        return on_visit(around, runtime, &visit, true, future);
    };
    let own = thread_ctx::with(|ctx| ctx.is_some());
    beside.around(own, || {
        on_visit(around, runtime, &visit, !is_apart(), future)
    })
}

/// `takes_part`: this thread may run jobs before it sleeps.
#[inline]
fn on_visit<F: Future>(
    around: Option<&Frame<'_>>,
    runtime: &Arc<Shared>,
    visit: &Visiting<'_>,
    takes_part: bool,
    future: F,
) -> F::Output {
    let shielded =
        around.is_some_and(Frame::is_shielded) || frame::is_panicking() || !unwind::POSSIBLE;
    let host = pin!(Host::new());
    // A shield is around this wait.
    let host = StackHost::new(host.as_ref(), shielded);
    let mut blocked = Blocked::new(around, visit, host.host(), shielded);
    let mut future = pin!(Some(future));
    let awaited = Awaited::In(&raw const *host.host());
    let ended = waiting::wait(runtime, awaited, takes_part, |cx| {
        blocked.step(cx, |cx| match future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        })
    });
    let ended = match ended {
        Ok(value) => return value,
        Err(ended) => ended,
    };
    // Before the unwinding, in which a destructor that panics would abort the process. A real panic
    // outranks the end.
    if let Err(payload) = blocked.drop_awaited(|| future.set(None)) {
        resume_unwind(payload);
    }
    match ended {
        Ended::Cut => unwind::unwind_cut(),
        Ended::ShutDown => panic!(
            "the runtime `{}` was shut down while `block_on` waited",
            runtime.name
        ),
    }
}

/// Blocks until a group has joined: for `scope`, whose body has returned.
pub(crate) fn join<R>(
    runtime: &Arc<Shared>,
    group: &Node,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
) -> R {
    let reach = match frame::is_sheltered() {
        true => Reach::Nothing,
        false => Reach::Group(group),
    };
    let mut own_cancel = OwnCancel::reaching(reach);
    let all_ended = group.word.count() == 0 || {
        // This thread may run children before it is polled for the first time, and a child may
        // block until it is cut.
        let cut_already = own_cancel.look(&mut Context::from_waker(Waker::noop()));
        !cut_already && children::run(group)
    };
    if all_ended {
        // As a rule that is the end. If not, the poll below brings another waker.
        if let Poll::Ready(value) = poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    let awaited = Awaited::Group(group);
    waiting::wait(runtime, awaited, !is_apart(), |cx| {
        if let Poll::Ready(value) = poll(cx) {
            return Step::Ready(value);
        }
        zero_deadline::blocks();
        if cancel_requested(&mut own_cancel, cx) && !group.is_cancelled() {
            cascade::cancel_with_owner(group);
        }
        Step::Pending(Pending {
            take_part: true,
            task: None,
        })
    })
}
