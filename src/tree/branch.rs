//! A part of a poll that is forked off: it runs in a copy of the forker's frame, on this thread or
//! another one.

#![expect(unsafe_code, reason = "the forker's frame is on its stack")]

use crate::group::node::Node;
use crate::poll::frame::{self, Frame, TaskView};
use crate::poll::locals::Locals;
use crate::tree::host_end::StackHost;
use std::ptr::{self, NonNull};

/// Where a part of a poll was forked off, for the thread that runs it: the frame that was on top,
/// and the parts of it that may change until then.
#[derive(Clone, Copy)]
pub(crate) struct Branch {
    frame: *const Frame<'static>,
    shielded: bool,
    locals: *const Locals,
}

impl Branch {
    /// The point at which this thread is.
    #[inline]
    pub(crate) fn here() -> Self {
        frame::current(|frame| Self {
            frame: frame.map_or(ptr::null(), |frame| ptr::from_ref(frame).cast()),
            shielded: frame.is_some_and(Frame::is_shielded),
            locals: frame::locals_here(frame),
        })
    }

    fn frame(&self) -> Option<&Frame<'_>> {
        // SAFETY: the frame stays where it is while a branch is used: the function on whose stack
        // it is, or one above it, waits for the thread that runs the part.
        unsafe { self.frame.as_ref() }
    }

    /// The innermost group, if there is one.
    pub(crate) fn node(&self) -> Option<NonNull<Node>> {
        self.frame().map(|frame| frame.group().whole)
    }

    /// The task, if there is one.
    pub(crate) fn task(&self) -> Option<&TaskView> {
        self.frame()?.task_view()
    }

    /// Runs `f` as the part of the poll that was forked off here. Groups that it polls and leaves
    /// open are open in no host afterwards. `unwinds`: the thread that waits for it does.
    ///
    /// # Safety
    ///
    /// The thread that was at this point stays in the function that it was in until `f` has
    /// returned.
    pub(crate) unsafe fn enter<R>(&self, unwinds: bool, f: impl FnOnce() -> R) -> R {
        // SAFETY: the list is on the stack of the thread at that point, or in its task, and that
        // thread stays there until `f` has returned.
        let locals = unsafe { self.locals.as_ref() };
        let run = || {
            let Some(around) = self.frame() else {
                return frame::with_locals(locals, f);
            };
            // A shield around the fork outlives the groups that are polled here.
            let host = StackHost::new(self.shielded);
            let frame = Frame::forked(around, &host, self.shielded, self.locals);
            frame.enter(f)
        };
        frame::unwinding_elsewhere(unwinds, || frame::outside(run))
    }
}
