//! A program is a tree of data: a group, its body, the children that they start. Every part has a number.
//!
//! No part is run twice, so the number of a part also names the one run of it.

/// The number of a group, a frame or a step; unique in a program.
pub type Id = u32;

/// A whole program and the runtime that it is run on.
#[derive(Clone, Debug)]
pub struct Program {
    /// Worker threads.
    pub workers: usize,
    /// Threads for closures that block.
    pub max_blocking: usize,
    /// Whether the blocked caller runs children.
    pub callers_take_part: bool,
    /// How many ticks the clock jumps at a time.
    pub jump: u32,
    /// The outermost group. Its deadline ends what would wait for ever; if it has none, nothing in it does.
    pub root: GroupProgram,
}

/// A group.
#[derive(Clone, Debug)]
pub struct GroupProgram {
    /// Its number.
    pub id: Id,
    /// In ticks.
    pub deadline: Option<u8>,
    /// What its body does.
    pub body: Frame,
}

/// What a body or a child does, step by step.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its number.
    pub id: Id,
    /// In order.
    pub steps: Vec<Step>,
}

/// One step of a frame.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number.
    pub id: Id,
    /// What it does.
    pub op: Op,
}

/// What becomes of the handle of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Dropped at once.
    Leave,
    /// Awaited at once.
    Await,
    /// Awaited at the end of the frame.
    Late,
    /// `cancel()`, and the join is dropped.
    Cancel,
    /// `cancel().await`
    Join,
}

/// Where a child that is a closure runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// `compute`
    Compute,
    /// `blocking`
    Blocking,
}

/// What becomes of the future of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Awaited.
    Await,
    /// Awaited in a shield.
    Shielded,
    /// `.wait()`
    Wait,
    /// Awaited under a timeout, in ticks.
    Timeout(u8),
    /// Polled once, left for one suspension, then awaited.
    Once,
    /// Dropped after so many polls.
    Drop(u8),
    /// Forgotten after so many polls.
    Forget(u8),
    /// Sent, after so many polls, to a new child, which awaits it.
    Move(u8),
    /// Polled once in a half of `join`, and awaited outside it.
    Half,
    /// Polled once inside a group that ends then, and awaited outside it; a free group only.
    Escape,
}

/// An inner group.
#[derive(Clone, Debug)]
pub struct Nest {
    /// The group.
    pub group: GroupProgram,
    /// Opened by the free function, and not by a method of the group around it.
    pub free: bool,
    /// What becomes of its future.
    pub how: How,
    /// Whether its failure makes the frame fail.
    pub passes_on: bool,
    /// The number of the child that it is sent to.
    pub mover: Id,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Op {
    /// Yields so many times.
    Yield(u8),
    /// Keeps its thread for a while.
    Busy(u8),
    /// Sleeps so many ticks.
    Sleep(u8),
    /// Waits to be cut.
    Pend,
    /// Ends the frame with an error.
    Fail,
    /// Panics.
    Panic,
    /// `cancel(e)` on the group.
    Cancel,
    /// `deadline(ticks, e)` on the group.
    Deadline(u8),
    /// `stop()`
    Stop,
    /// `stop_within(ticks, e)`
    StopWithin(u8),
    /// Waits for a stop.
    Stopping,
    /// Gives the group a value.
    Keep,
    /// Says that a started child is ready; nothing elsewhere.
    Ready,
    /// A cleanup of the group.
    Defer(Frame),
    /// A child.
    Spawn(Frame, Use),
    /// A supervised child.
    Supervise(Frame, Use),
    /// A child that is a closure, in which the frame is waited for.
    Closure(Site, Frame, Use),
    /// `join`, in place, of two closures; in each a frame is waited for.
    Join(Frame, Frame),
    /// A service.
    Service(Frame),
    /// A child that is started; the start is awaited, or dropped after one poll.
    Start(Frame, bool),
    /// A set of children, of which so many results are read.
    Set(Vec<Frame>, u8),
    /// A race.
    Race(Vec<Frame>),
    /// A child through a `Handle`.
    Post(Frame),
    /// An inner group.
    Nest(Box<Nest>),
    /// Steps in a shield.
    Shield(Vec<Step>),
    /// Steps under a timeout, in ticks.
    Timeout(u8, Vec<Step>),
}

/// Where a step stands: what it may do there.
#[derive(Clone, Copy)]
struct Place {
    /// There is a group to spawn into: not so in what must be `'static`.
    grouped: bool,
    /// Nobody cuts it, so it must end by itself.
    sheltered: bool,
    /// A cleanup: it cannot fail, and awaits no child, which may have been born cancelled.
    cleanup: bool,
    /// In a task that may be cut alone.
    alone: bool,
}

impl Program {
    /// A program from a tree whose parts have no numbers yet. What would hang, or does not compile, in its place is
    /// replaced by a yield.
    #[must_use]
    pub fn new(workers: usize, callers_take_part: bool, jump: u32, body: Vec<Op>) -> Self {
        Self::numbered(workers, callers_take_part, jump, body, Some(LAST_RESORT))
    }

    /// The same, but no deadline hides that something was not woken: whatever would wait to be cut is replaced.
    #[must_use]
    pub fn finite(workers: usize, callers_take_part: bool, jump: u32, body: Vec<Op>) -> Self {
        Self::numbered(workers, callers_take_part, jump, body, None)
    }

    fn numbered(
        workers: usize,
        callers_take_part: bool,
        jump: u32,
        body: Vec<Op>,
        deadline: Option<u8>,
    ) -> Self {
        let steps = body.into_iter().map(|op| Step { id: 0, op }).collect();
        let body = Frame { id: 0, steps };
        let mut program = Self {
            workers,
            max_blocking: MANY,
            callers_take_part,
            jump,
            root: GroupProgram {
                id: 0,
                deadline,
                body,
            },
        };
        let place = Place {
            grouped: true,
            sheltered: deadline.is_none(),
            cleanup: false,
            alone: false,
        };
        let mut numbers = Numbers { last: 0 };
        numbers.group(&mut program.root, place);
        program
    }
}

/// More threads for closures that block than a program has closures.
pub const MANY: usize = 512;

/// The deadline of the outermost group, in ticks.
pub const LAST_RESORT: u8 = 100;

/// Gives numbers, and repairs.
struct Numbers {
    last: Id,
}

impl Numbers {
    fn next(&mut self) -> Id {
        self.last += 1;
        self.last
    }

    fn group(&mut self, group: &mut GroupProgram, place: Place) {
        group.id = self.next();
        self.frame(
            &mut group.body,
            Place {
                grouped: true,
                cleanup: false,
                ..place
            },
        );
    }

    fn frame(&mut self, frame: &mut Frame, place: Place) {
        frame.id = self.next();
        self.steps(&mut frame.steps, place);
    }

    fn steps(&mut self, steps: &mut Vec<Step>, place: Place) {
        for step in steps {
            step.id = self.next();
            self.op(&mut step.op, place);
        }
    }

    fn op(&mut self, op: &mut Op, place: Place) {
        if !place.allows(op) {
            *op = Op::Yield(1);
        }
        let child = Place {
            cleanup: false,
            alone: false,
            ..place
        };
        let alone = Place {
            alone: true,
            ..child
        };
        let static_child = Place {
            grouped: false,
            ..child
        };
        match op {
            Op::Spawn(frame, used) | Op::Supervise(frame, used) | Op::Closure(_, frame, used) => {
                if place.cleanup && *used != Use::Join {
                    *used = Use::Leave;
                }
                self.frame(
                    frame,
                    if matches!(used, Use::Cancel | Use::Join) {
                        alone
                    } else {
                        child
                    },
                );
            }
            Op::Service(frame) | Op::Start(frame, _) => self.frame(frame, alone),
            // Halves are a part of the frame around them: what may hang, or fail, there may do so here.
            Op::Join(first, second) => {
                self.frame(first, place);
                self.frame(second, place);
            }
            Op::Defer(frame) => {
                let place = Place {
                    sheltered: true,
                    cleanup: true,
                    ..place
                };
                self.frame(frame, place);
            }
            Op::Set(frames, _) => frames.iter_mut().for_each(|frame| self.frame(frame, alone)),
            Op::Race(frames) => frames
                .iter_mut()
                .for_each(|frame| self.frame(frame, static_child)),
            Op::Post(frame) => self.frame(frame, static_child),
            Op::Nest(nest) => {
                nest.mover = self.next();
                nest.free |= !place.grouped || nest.how == How::Escape;
                if !place.grouped && matches!(nest.how, How::Move(_) | How::Escape) {
                    nest.how = How::Await;
                }
                if place.alone && matches!(nest.how, How::Move(_)) {
                    // A task that is cut alone is polled on while its groups join, and might give one of them, cancelled,
                    // to a child that lives: which panics, and says so.
                    nest.how = How::Move(0);
                }
                nest.passes_on &= !place.cleanup;
                let sheltered = place.sheltered || nest.how == How::Shielded;
                self.group(&mut nest.group, Place { sheltered, ..place });
            }
            Op::Shield(steps) => self.steps(
                steps,
                Place {
                    sheltered: true,
                    ..place
                },
            ),
            Op::Timeout(_, steps) => self.steps(steps, place),
            _ => {}
        }
    }
}

impl Place {
    fn allows(self, op: &Op) -> bool {
        match op {
            Op::Pend | Op::Stopping => !self.sheltered && (self.grouped || matches!(op, Op::Pend)),
            Op::Fail => !self.cleanup,
            Op::Yield(_) | Op::Busy(_) | Op::Sleep(_) | Op::Panic | Op::Ready => true,
            Op::Join(..) | Op::Race(_) | Op::Nest(_) | Op::Shield(_) | Op::Timeout(..) => true,
            _ => self.grouped,
        }
    }
}
