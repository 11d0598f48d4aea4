//! Where this thread is in the tree: the frame of the poll that runs on it.
//!
//! Each poll of a task, of a group's body, and of a blocked caller's future pushes a frame, and so
//! does a part of a poll that was forked off. A frame says which group is the innermost one, where
//! groups that are polled now are open (the host), and whether the poll belongs to a cut.

#![expect(
    unsafe_code,
    reason = "a list of task-locals, and the frame of a forker, live on a stack below"
)]

use crate::group::node::{Host, Node, NodeRef};
use crate::poll::locals::Locals;
use crate::report::failure::{TaskId, describe};
use crate::scoped::{self, Place, Scoped};
use crate::sync::{LocalKey, process, thread};
use crate::unwind::{self, Payload};
use crate::waiters;
use std::borrow::Cow;
use std::cell::Cell;
use std::panic::Location;
use std::pin::Pin;
use std::ptr;
use std::task::Waker;
use std::time::Duration;

/// The task that is polled, as its frames see it.
pub(crate) trait PolledTask {
    /// Whether it was marked to be cut, be it during this poll.
    fn cancel_requested(&self) -> bool;

    /// Whether it runs inside a shield from beginning to end.
    fn is_shielded(&self) -> bool;

    /// How long ago it was spawned.
    fn age(&self) -> Duration;

    /// Its group, which counts it.
    fn group(&self) -> &Node;
}

/// What a frame knows of the task that is polled, which outlives it.
pub(crate) struct TaskView<'a> {
    pub(crate) id: TaskId,
    pub(crate) name: Option<&'a Cow<'static, str>>,
    pub(crate) location: &'static Location<'static>,
    /// Its task-locals, if it has any.
    pub(crate) locals: Option<&'a Locals>,
    pub(crate) task: &'a dyn PolledTask,
}

impl TaskView<'_> {
    pub(crate) fn cancel_requested(&self) -> bool {
        self.task.cancel_requested()
    }

    /// Where the task is: to tell it from others.
    pub(crate) fn address(&self) -> usize {
        ptr::from_ref(self.task).cast::<()>().addr()
    }

    /// The task as a message names it.
    pub(crate) fn describe(&self) -> String {
        describe(self.id, self.name, self.location)
    }
}

/// Waits for children of its own: a `Task`, a set, a group's join.
const CHILD: u8 = 1;
/// Waits for a timer, a source of I/O, a deadline or a stop of ours.
const LEAF: u8 = 2;

/// A task that is awaited. No reader follows the address, as the task may be gone.
#[derive(Clone, Copy)]
pub(crate) struct AwaitedTask {
    /// Its number.
    pub(crate) id: TaskId,
    /// The host of the groups that are open in it.
    pub(crate) host: *const Host,
}

/// The group in which a poll is.
#[derive(Clone, Copy)]
pub(crate) enum Within<'a> {
    Group(&'a Node),
    /// The root of a runtime, which is found out when it is asked for.
    Visit(&'a dyn Visit),
}

/// A caller's visit to a runtime that it is no part of.
pub(crate) trait Visit {
    /// The root of that runtime. The visit counts from now on.
    fn root(&self) -> &Node;
}

/// One poll on this thread's stack.
pub(crate) struct Frame<'a> {
    within: Within<'a>,
    host: Pin<&'a Host>,
    task: Option<&'a TaskView<'a>>,
    cut: bool,
    /// A shield is around this frame, in the same task.
    sheltered: bool,
    shields: Cell<u32>,
    in_shield: Cell<bool>,
    waits: Cell<u8>,
    /// The child that this poll found unfinished last.
    awaited: Cell<Option<AwaitedTask>>,
    /// The number of this poll; zero until it is asked for.
    number: Cell<u32>,
    /// The task-locals of the code that is polled here; null if there are none. The list lives
    /// further down the stack, on the forker's stack, or in the task.
    locals: Cell<*const Locals>,
}

/// Frames are entered; where a thread runs code that is none of a poll's business, that there is
/// none.
struct Frames;

impl Scoped for Frames {
    type At<'a> = Option<&'a Frame<'a>>;

    const NOTHING: Option<&'static Frame<'static>> = None;

    const PLACE: &'static LocalKey<Place<Self>> = &CURRENT;

    #[inline]
    fn shorten<'s, 'l>(frame: Option<&'l Frame<'l>>) -> Option<&'s Frame<'s>>
    where
        'l: 's,
    {
        frame
    }
}

crate::sync::thread_local! {
    static CURRENT: Place<Frames> = const { Place::new() };
    // The task-locals of code that runs in no frame.
    static FRAMELESS: Cell<*const Locals> = const { Cell::new(ptr::null()) };
    // A part of a poll runs here that was forked off on a thread which unwinds.
    static UNWINDS_ELSEWHERE: Cell<bool> = const { Cell::new(false) };
}

impl<'a> Frame<'a> {
    /// The frame of a poll of a task.
    #[inline]
    pub(crate) fn task(
        node: &'a Node,
        host: Pin<&'a Host>,
        task: &'a TaskView<'a>,
        cut: bool,
    ) -> Self {
        Self {
            task: Some(task),
            locals: Cell::new(task.locals.map_or(ptr::null(), ptr::from_ref)),
            ..Self::new(Within::Group(node), host, cut)
        }
    }

    #[inline]
    fn new(within: Within<'a>, host: Pin<&'a Host>, cut: bool) -> Self {
        Self {
            within,
            host,
            task: None,
            cut,
            sheltered: false,
            shields: Cell::new(0),
            in_shield: Cell::new(false),
            waits: Cell::new(0),
            awaited: Cell::new(None),
            number: Cell::new(0),
            locals: Cell::new(ptr::null()),
        }
    }

    /// A number that tells this poll from others.
    pub(crate) fn number(&self) -> u32 {
        if self.number.get() == 0 {
            // Truncated: polls that are compared are close together.
            self.number.set(process::next_number() as u32);
        }
        self.number.get()
    }

    /// Runs `f` with this frame on top.
    #[inline]
    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        struct PassOn<'f, 'a>(&'f Frame<'a>);
        impl Drop for PassOn<'_, '_> {
            #[inline]
            fn drop(&mut self) {
                if self.0.waits.get() != 0 {
                    note(self.0.waits.get(), self.0.awaited.get());
                }
            }
        }
        // After this frame was left: the one below waits for the same.
        let _pass_on = PassOn(self);
        scoped::enter::<Frames, _>(Some(self), f)
    }

    /// Runs `f`, which drops the future that was polled here, or its output, with this frame on top
    /// and as in a shield.
    #[inline]
    pub(crate) fn enter_to_drop<R>(&self, f: impl FnOnce() -> R) -> R {
        self.enter(|| self.shielded(f))
    }

    /// The innermost group.
    #[inline]
    pub(crate) fn group(&self) -> &'a Node {
        match self.within {
            Within::Group(node) => node,
            Within::Visit(visit) => visit.root(),
        }
    }

    /// The innermost group, if it is not the root of a runtime that is visited here.
    pub(crate) fn own_group(&self) -> Option<&'a Node> {
        match self.within {
            Within::Group(node) => Some(node),
            Within::Visit(_) => None,
        }
    }

    /// The node of the services of a group, if a service of it is polled here.
    pub(crate) fn service_of(&self, group: &Node) -> Option<NodeRef> {
        let node = self.own_group()?;
        (node.serves() && ptr::eq(node.receiver(), group)).then(|| node.to_ref())
    }

    #[inline]
    pub(crate) fn host(&self) -> Pin<&Host> {
        self.host
    }

    pub(crate) fn task_view(&self) -> Option<&TaskView<'_>> {
        self.task
    }

    /// Whether the future that is polled here is being cut, as seen from this point: inside a
    /// shield it is not.
    #[inline]
    pub(crate) fn is_cut(&self) -> bool {
        self.cut && self.shields.get() == 0
    }

    /// Whether the poll belongs to a cut, shielded or not.
    pub(crate) fn belongs_to_cut(&self) -> bool {
        self.cut
    }

    /// Whether a shield, or a defer, is around this point.
    #[inline]
    pub(crate) fn is_shielded(&self) -> bool {
        self.shields.get() != 0
    }

    /// Whether a shield is around this point, be it further down the stack: no cut drops a future
    /// that pends here.
    #[inline]
    pub(crate) fn is_sheltered(&self) -> bool {
        self.sheltered || self.is_shielded()
    }

    /// Whether the task is to be cut by itself, and nothing shelters this point from that.
    pub(crate) fn cancel_requested(&self) -> bool {
        !self.is_sheltered() && self.task_view().is_some_and(TaskView::cancel_requested)
    }

    /// Runs `f` inside a shield.
    #[inline]
    pub(crate) fn shielded<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Lower<'a>(&'a Cell<u32>);
        impl Drop for Lower<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        self.shields.set(self.shields.get() + 1);
        let _lower = Lower(&self.shields);
        f()
    }

    /// Notes that a shield was reached by this poll and is not done.
    pub(crate) fn note_shield(&self) {
        self.in_shield.set(true);
    }

    /// Whether a shield was reached by this poll and is not done.
    #[inline]
    pub(crate) fn ended_in_shield(&self) -> bool {
        self.in_shield.get()
    }

    /// The child that this poll found unfinished last.
    pub(crate) fn awaited(&self) -> Option<AwaitedTask> {
        self.awaited.get()
    }

    /// Whether the poll waits for its own children and for nothing else of ours.
    pub(crate) fn waits_for_children_only(&self) -> bool {
        self.waits.get() == CHILD
    }
}

/// Calls `f` with the frame of a poll of a group's body, in whichever task polls it.
#[inline]
pub(crate) fn of_body<R>(node: &Node, cut: bool, f: impl FnOnce(&Frame<'_>) -> R) -> R {
    of_future(Within::Group(node), node.body(), cut, f)
}

/// Calls `f` with the frame of a future that a blocked caller polls.
#[inline]
pub(crate) fn of_future<R>(
    within: Within<'_>,
    host: Pin<&Host>,
    cut: bool,
    f: impl FnOnce(&Frame<'_>) -> R,
) -> R {
    current(|around| {
        f(&Frame {
            task: around.and_then(|around| around.task),
            sheltered: around.is_some_and(Frame::is_sheltered),
            locals: Cell::new(locals_here(around)),
            ..Frame::new(within, host, cut)
        })
    })
}

/// A point at which a part of a poll was forked off: the frame that was on top on the forker's
/// thread, and those of its fields that may change until the part is run.
#[derive(Clone, Copy)]
pub(crate) struct Fork {
    frame: *const Frame<'static>,
    node: *const Node,
    shielded: bool,
    locals: *const Locals,
}

/// What another thread may know of a [`Fork`], while the forker stays there.
#[derive(Clone, Copy)]
pub(crate) struct Forked<'a> {
    /// Another thread reads nothing in it that can change.
    frame: Option<&'a Frame<'a>>,
    node: Option<&'a Node>,
    shielded: bool,
    locals: Option<&'a Locals>,
}

impl Fork {
    /// The point at which this thread is.
    #[inline]
    pub(crate) fn here() -> Self {
        current(|frame| Self {
            frame: frame.map_or(ptr::null(), |frame| ptr::from_ref(frame).cast()),
            // Now: another thread cannot ask a visit for it.
            node: frame.map_or(ptr::null(), |frame| frame.group()),
            shielded: frame.is_some_and(Frame::is_shielded),
            locals: locals_here(frame),
        })
    }

    /// Follows the pointers to the forker's frame.
    ///
    /// # Safety
    ///
    /// The thread that was at this point stays in the function that it was in for as long as any
    /// value is used that comes from the returned one.
    #[inline]
    pub(crate) unsafe fn follow(&self) -> Forked<'_> {
        Forked {
            // SAFETY: the frame is on the stack below the function in which the forker stays.
            frame: unsafe { self.frame.as_ref() },
            // SAFETY: what the frame borrows its group from is below that function, too.
            node: unsafe { self.node.as_ref() },
            shielded: self.shielded,
            // SAFETY: the list is below that function, too, or in the task that is polled there.
            locals: unsafe { self.locals.as_ref() },
        }
    }
}

impl<'a> Forked<'a> {
    /// The innermost group, if there is one.
    pub(crate) fn node(&self) -> Option<&'a Node> {
        self.node
    }

    /// Whether a task was polled there.
    pub(crate) fn is_in_task(&self) -> bool {
        self.frame.is_some_and(|frame| frame.task.is_some())
    }

    /// Whether a shield was around that point, in its frame.
    pub(crate) fn is_shielded(&self) -> bool {
        self.shielded
    }

    /// The task-locals there.
    pub(crate) fn locals(&self) -> Option<&'a Locals> {
        self.locals
    }

    /// A frame for the part, in a host of its own; `None` where there was no frame.
    pub(crate) fn frame<'b>(&self, host: Pin<&'b Host>) -> Option<Frame<'b>>
    where
        'a: 'b,
    {
        let around = self.frame?;
        let within = Within::Group(self.node?);
        Some(Frame {
            task: around.task,
            sheltered: around.sheltered || self.shielded,
            shields: Cell::new(self.shielded.into()),
            locals: Cell::new(self.locals.map_or(ptr::null(), ptr::from_ref)),
            ..Frame::new(within, host, around.cut)
        })
    }
}

/// Calls `f` with the frame of the poll that runs on this thread.
#[inline]
pub(crate) fn current<R>(f: impl FnOnce(Option<&Frame<'_>>) -> R) -> R {
    scoped::with::<Frames, _>(f)
}

/// Whether a shield is around this point: see [`Frame::is_sheltered`].
pub(crate) fn is_sheltered() -> bool {
    current(|frame| frame.is_some_and(Frame::is_sheltered))
}

/// The outermost group that `is_it` and whose body is polled by this thread.
pub(crate) fn outermost_body(is_it: impl Fn(&Node) -> bool) -> Option<NodeRef> {
    scoped::with_all::<Frames, _>(|entries| {
        let mut outermost = None;
        // Up to the point from which on this poll goes.
        for frame in entries.iter().map_while(|frame| frame) {
            let Some(node) = frame.own_group() else {
                continue;
            };
            if ptr::eq(&raw const *frame.host, &raw const node.body) && is_it(node) {
                outermost = Some(node);
            }
        }
        outermost.map(Node::to_ref)
    })
}

/// Calls `f` with the group of each poll on this thread's stack, the innermost one first.
pub(crate) fn each_group(f: impl FnMut(&Node)) {
    scoped::with_all::<Frames, _>(|entries| {
        let frames = entries.iter().flatten();
        frames.filter_map(Frame::own_group).for_each(f);
    });
}

/// Calls `f` with the task of each poll on this thread's stack, the innermost one first.
pub(crate) fn each_task(f: impl FnMut(&TaskView<'_>)) {
    scoped::with_all::<Frames, _>(|entries| {
        let frames = entries.iter().flatten();
        frames.filter_map(|frame| frame.task).for_each(f);
    });
}

/// Whether this thread unwinds, or the one that waits for the part of a poll that runs here: a
/// panic that comes out of a destructor meanwhile aborts the process.
#[inline]
pub(crate) fn is_panicking() -> bool {
    thread::panicking() || UNWINDS_ELSEWHERE.get()
}

/// Runs `f`, in which destructors run, as in a shield: a wait in one of them goes on, also if the
/// value that is dropped is being cut, because to unwind the wait would skip the rest of the
/// destructor.
#[inline]
pub(crate) fn drop_shielded<R>(f: impl FnOnce() -> R) -> R {
    current(|frame| match frame {
        Some(frame) => frame.shielded(f),
        None => f(),
    })
}

/// Drops a value as in a shield, and returns the payload if its destructor panicked.
pub(crate) fn drop_quietly<T>(value: T) -> Result<(), Payload> {
    drop_shielded(|| unwind::drop_quietly(value))
}

/// Runs `f` with no frame: for calls into code that is none of this poll's business.
#[inline]
pub(crate) fn outside<R>(f: impl FnOnce() -> R) -> R {
    scoped::enter::<Frames, _>(None, f)
}

#[inline]
fn note(wait: u8, task: Option<AwaitedTask>) {
    current(|frame| {
        if let Some(frame) = frame {
            frame.waits.set(frame.waits.get() | wait);
            if task.is_some() {
                frame.awaited.set(task);
            }
        }
    });
}

/// Notes that this poll waits for a timer, a source of I/O, a deadline or a stop. A blocked caller
/// that waits for one of these polls its body only.
#[inline]
pub(crate) fn note_leaf() {
    note(LEAF, None);
}

/// Notes that this poll waits for children of its own: one that is ready is not waited for.
#[inline]
pub(crate) fn note_child() {
    note(CHILD, None);
}

/// As [`note_child`], for one child: a blocked caller may run it.
#[inline]
pub(crate) fn note_task(task: AwaitedTask) {
    note(CHILD, Some(task));
}

/// Runs `f`, a part of a poll that was forked off on another thread; `unwinds`: that thread does.
pub(crate) fn unwinding_elsewhere<R>(unwinds: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNWINDS_ELSEWHERE.set(self.0);
        }
    }
    let _restore = Restore(UNWINDS_ELSEWHERE.replace(unwinds));
    f()
}

/// The list of task-locals of the code that runs in this frame, or in none; null if there are none.
#[inline]
fn locals_here(frame: Option<&Frame<'_>>) -> *const Locals {
    locals_cell(frame, Cell::get)
}

/// Calls `f` with the place of the task-locals of the code that runs.
#[inline]
fn locals_cell<R>(frame: Option<&Frame<'_>>, f: impl FnOnce(&Cell<*const Locals>) -> R) -> R {
    match frame {
        Some(frame) => f(&frame.locals),
        None => FRAMELESS.with(f),
    }
}

/// Calls `f` with the task-locals of the code that runs, if there are any.
#[inline]
pub(crate) fn locals<R>(f: impl FnOnce(Option<&Locals>) -> R) -> R {
    let locals = current(|frame| locals_cell(frame, Cell::get));
    // SAFETY: a list stays where it is while the frame points to it: the task keeps its own until
    // it is complete, `with_locals` takes its pointer back before it returns, and a forker waits
    // for the part of its poll that uses the list of its frame.
    f(unsafe { locals.as_ref() })
}

/// Runs `f` with these task-locals in place of those around it.
pub(crate) fn with_locals<R>(locals: Option<&Locals>, f: impl FnOnce() -> R) -> R {
    struct Restore<'a> {
        cell: &'a Cell<*const Locals>,
        around: *const Locals,
        locals: *const Locals,
    }
    impl Drop for Restore<'_> {
        fn drop(&mut self) {
            if !ptr::eq(self.cell.replace(self.around), self.locals) {
                unwind::abort_misnested();
            }
        }
    }
    current(|frame| {
        locals_cell(frame, |cell| {
            let locals = locals.map_or(ptr::null(), ptr::from_ref);
            let _restore = Restore {
                cell,
                around: cell.replace(locals),
                locals,
            };
            f()
        })
    })
}

/// Calls a waker that sees nothing of ours on the stack: no lock, no frame. Its panic is contained.
#[inline]
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        outside(|| waiters::wake(waker));
    }
}
