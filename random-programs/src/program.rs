//! A program is a tree of data: a group, its body, the children that they start. Every part has a number.
//!
//! No part is run twice, so the number of a part also names the one run of it.

use std::collections::BTreeSet;

/// The number of a group, a frame or a step; unique in a program.
pub type Id = u32;

/// A whole program and the runtime that it is run on.
#[derive(Clone, Debug)]
pub struct Program {
    /// Worker threads.
    pub workers: usize,
    /// Threads for closures that block.
    pub max_blocking: usize,
    /// How many operations may be ready in one poll.
    pub operations_per_poll: u8,
    /// Whether the blocked caller runs children.
    pub callers_take_part: bool,
    /// How many ticks the clock jumps at a time.
    pub jump: u32,
    /// Groups whose handles are used elsewhere.
    pub lent: BTreeSet<Id>,
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
    /// Among its captures is something that waits in its destructor.
    pub parting: Option<Parting>,
}

/// A value whose destructor waits. That is never cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    /// Its number.
    pub id: Id,
    /// For what it waits.
    pub what: Waits,
}

/// What a destructor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// A yield.
    Yield,
    /// Time, in ticks.
    Sleep(u8),
    /// A group of its own, with a child and a cleanup.
    Group,
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
    /// The same after so many ticks.
    Later(u8),
}

impl Use {
    /// The child may be cut alone.
    #[must_use]
    pub fn cancels(self) -> bool {
        matches!(self, Self::Cancel | Self::Join | Self::Later(_))
    }
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
    /// Polled so many times in a row, and put on the shelf of the frame, which goes on: see [`Op::Shelf`].
    Keep(u8),
}

/// What a frame does with a future on its shelf. What is left there at its end is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Polled once more.
    Poll,
    /// Awaited.
    Await,
    /// `.wait()`
    Wait,
    /// Awaited under a timeout, in ticks, and put back.
    Timeout(u8),
    /// Dropped.
    Drop,
    /// Forgotten.
    Forget,
    /// Sent to a new child, which awaits it.
    Move,
    /// Sent to a new child, which polls it in a shield after a stop or a cut, and then awaits it outside.
    Late,
    /// Sent to a thread of its own, which polls it so many times, with a pause of so many spins before each, and drops it.
    Thread(u8, u8),
}

/// What becomes of the last group of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Awaited.
    Await,
    /// Dropped.
    Drop,
    /// Forgotten.
    Forget,
}

/// Which function of a foreign waker panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// `clone`
    Clone,
    /// `wake`
    Wake,
    /// `wake_by_ref`
    WakeByRef,
    /// `drop`, that of the last copy.
    Drop,
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

/// The last act of a child.
#[derive(Clone, Debug)]
pub enum Act {
    /// A service.
    Service(Frame),
    /// A cleanup.
    Defer(Frame),
    /// A child.
    Spawn(Frame),
    /// It fails.
    Fail,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Op {
    /// Yields so many times.
    Yield(u8),
    /// Keeps its thread for a while.
    Busy(u8),
    /// Sleeps in the kernel, so many milliseconds: its worker is stalled, and replaced.
    Stall(u8),
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
    /// A child through a `GroupHandle`.
    Post(Frame),
    /// An inner group.
    Nest(Box<Nest>),
    /// Steps in a shield.
    Shield(Vec<Step>),
    /// Steps under a timeout, in ticks.
    Timeout(u8, Vec<Step>),
    /// Steps one after the other.
    Block(Vec<Step>),
    /// Steps in which what is awaited is first polled with a waker that panics.
    Foreign(Bad, Vec<Step>),
    /// Spins, so many times, without a suspension.
    Spin(u8),
    /// A child that spins until it is cancelled, if that is said, and so many times more, and whose last act it is to give
    /// the group this. It notes nothing of its own: that would take time.
    Racer(bool, u8, Act),
    /// Says that it is here.
    Here,
    /// Spins until a frame on another thread is here, but not for ever.
    Meet,
    /// Says that it is here, and spins until it is cancelled, but not for ever.
    UntilCut,
    /// Does something with one of the futures on the frame's shelf: the newest is number 0.
    Shelf(u8, What),
    /// Each group opens the next one, polls it once, hands it out and ends; so many of them.
    Relay(u16, End),
    /// A child through the handle of a group that was opened before, perhaps elsewhere, and may have ended.
    Knock(u8, Id, Frame),
    /// From here on the frame panics when it ends or is cut; only in frames that do nothing that might panic before.
    Bomb,
    /// Gives the group a value that waits in its destructor.
    KeepParting(Parting),
}

impl Op {
    /// Makes a panic.
    #[must_use]
    pub fn panics(&self) -> bool {
        matches!(self, Self::Panic | Self::Bomb)
    }
}
