//! A program is a tree of data: a group, its body, the children that they start. Every part has a number.
//!
//! No part is run twice, so the number of a part also names the one run of it.

use std::fmt;

/// The number of a group, a frame or a step; unique in a program.
pub type Id = u32;

/// A whole program and the runtime that it is run on.
#[derive(Clone, Debug)]
pub struct Program {
    /// Worker threads.
    pub workers: usize,
    /// Whether the blocked caller runs children.
    pub callers_take_part: bool,
    /// How many ticks the clock jumps at a time.
    pub jump: u32,
    /// The outermost group. Its deadline ends what would wait for ever.
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
        let steps = body.into_iter().map(|op| Step { id: 0, op }).collect();
        let body = Frame { id: 0, steps };
        let mut program = Self {
            workers,
            callers_take_part,
            jump,
            root: GroupProgram {
                id: 0,
                deadline: Some(LAST_RESORT),
                body,
            },
        };
        let place = Place {
            grouped: true,
            sheltered: false,
            cleanup: false,
            alone: false,
        };
        let mut numbers = Numbers { last: 0 };
        numbers.group(&mut program.root, place);
        program
    }
}

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
            Op::Spawn(frame, used) | Op::Supervise(frame, used) => {
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
            Op::Yield(_) | Op::Sleep(_) | Op::Panic | Op::Ready | Op::Race(_) => true,
            Op::Nest(_) | Op::Shield(_) | Op::Timeout(..) => true,
            _ => self.grouped,
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            workers,
            callers_take_part,
            jump,
            root,
        } = self;
        writeln!(
            f,
            "{workers} workers, callers take part: {callers_take_part}, the clock jumps by {jump}"
        )?;
        write!(
            f,
            "group {}, deadline {LAST_RESORT}, body {}",
            root.id, root.body.id
        )?;
        print(f, &root.body.steps, 1)
    }
}

fn print(f: &mut fmt::Formatter<'_>, steps: &[Step], depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    for Step { id, op } in steps {
        write!(f, "\n{indent}{id} ")?;
        let one = |f: &mut fmt::Formatter<'_>, frame: &Frame| {
            write!(f, ", frame {}", frame.id)?;
            print(f, &frame.steps, depth + 1)
        };
        let many = |f: &mut fmt::Formatter<'_>, frames: &[Frame]| {
            frames.iter().try_for_each(|frame| {
                write!(f, "\n{indent}  frame {}", frame.id)?;
                print(f, &frame.steps, depth + 2)
            })
        };
        match op {
            Op::Defer(frame) => write!(f, "defer").and_then(|()| one(f, frame))?,
            Op::Spawn(frame, used) => write!(f, "spawn, {used:?}").and_then(|()| one(f, frame))?,
            Op::Supervise(frame, used) => {
                write!(f, "supervise, {used:?}").and_then(|()| one(f, frame))?;
            }
            Op::Service(frame) => write!(f, "service").and_then(|()| one(f, frame))?,
            Op::Start(frame, await_it) => {
                write!(f, "start, awaited: {await_it}").and_then(|()| one(f, frame))?;
            }
            Op::Post(frame) => write!(f, "post").and_then(|()| one(f, frame))?,
            Op::Set(frames, reads) => {
                write!(f, "set, {reads} read").and_then(|()| many(f, frames))?
            }
            Op::Race(frames) => write!(f, "race").and_then(|()| many(f, frames))?,
            Op::Nest(nest) => {
                let Nest {
                    group,
                    free,
                    how,
                    passes_on,
                    mover,
                } = &**nest;
                let free = if *free { "free group" } else { "group" };
                write!(f, "{free} {}, {how:?}", group.id)?;
                if let Some(deadline) = group.deadline {
                    write!(f, ", deadline {deadline}")?;
                }
                if *passes_on {
                    write!(f, ", passes on")?;
                }
                if let How::Move(_) = how {
                    write!(f, ", to child {mover}")?;
                }
                one(f, &group.body)?;
            }
            Op::Shield(steps) => write!(f, "shield").and_then(|()| print(f, steps, depth + 1))?,
            Op::Timeout(after, steps) => {
                write!(f, "timeout {after}").and_then(|()| print(f, steps, depth + 1))?;
            }
            leaf => write!(f, "{leaf:?}")?,
        }
    }
    Ok(())
}
