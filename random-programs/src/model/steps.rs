//! What single steps are, and what a frame comes to, as far as that is certain.

use crate::program::{Act, Frame, How, Op, Step, Use, What};

/// What a frame comes to if nobody cuts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sure {
    /// It ends with a value.
    Passes,
    /// Its group cannot end with a value.
    NeverOk,
    /// It depends.
    Unknown,
}

pub(super) fn sure(steps: &[Step]) -> Sure {
    for step in steps {
        match sure_step(&step.op) {
            Sure::Passes => {}
            other => return other,
        }
    }
    Sure::Passes
}

fn sure_step(op: &Op) -> Sure {
    let passes = |frame: &Frame| match sure(&frame.steps) {
        Sure::Passes => Sure::Passes,
        _ => Sure::Unknown,
    };
    match op {
        Op::Fail | Op::Panic | Op::Cancel | Op::Pend => Sure::NeverOk,
        Op::Racer(_, _, Act::Fail) => Sure::NeverOk,
        Op::Racer(_, _, Act::Spawn(child)) => match sure(&child.steps) {
            Sure::NeverOk => Sure::NeverOk,
            _ => Sure::Passes,
        },
        Op::Stopping | Op::Bomb | Op::Relay(..) => Sure::Unknown,
        Op::Shelf(_, What::Drop | What::Forget) => Sure::Passes,
        Op::Shelf(..) => Sure::Unknown,
        Op::Block(steps) | Op::Foreign(_, steps) => sure(steps),
        Op::Spawn(child, used) | Op::Closure(_, child, used) => match (sure(&child.steps), used) {
            (_, Use::Cancel | Use::Join | Use::Later(_)) => Sure::Passes,
            (Sure::Unknown, Use::Leave) => Sure::Passes,
            // One that is awaited at the end is no hindrance here, but may be there.
            (sure, _) => sure,
        },
        // Both are run to their end, whatever the other one does.
        Op::Join(first, second) => match (sure(&first.steps), sure(&second.steps)) {
            (Sure::NeverOk, _) | (_, Sure::NeverOk) => Sure::NeverOk,
            (Sure::Passes, Sure::Passes) => Sure::Passes,
            _ => Sure::Unknown,
        },
        Op::Supervise(child, Use::Await | Use::Late | Use::Join | Use::Later(_)) => passes(child),
        Op::Start(child, _) => passes(child),
        Op::Set(children, _) | Op::Race(children) => {
            match children.iter().all(|child| passes(child) == Sure::Passes) {
                true => Sure::Passes,
                false => Sure::Unknown,
            }
        }
        Op::Shield(steps) => sure(steps),
        Op::Timeout(_, steps) => match sure(steps) {
            Sure::Passes => Sure::Passes,
            _ => Sure::Unknown,
        },
        Op::Nest(nest) => match (sure(&nest.group.body.steps), nest.how) {
            (_, How::Drop(0) | How::Forget(0)) => Sure::Passes,
            (Sure::NeverOk, How::Await | How::Shielded | How::Once | How::Half | How::Escape)
                if nest.passes_on =>
            {
                Sure::NeverOk
            }
            _ => Sure::Unknown,
        },
        _ => Sure::Passes,
    }
}

/// A step without what is in it.
pub(super) fn shallow(op: &Op) -> Op {
    match op {
        Op::Shield(_) => Op::Shield(Vec::new()),
        Op::Timeout(after, _) => Op::Timeout(*after, Vec::new()),
        Op::Set(frames, _) => Op::Set(Vec::new(), frames.len() as u8),
        Op::Race(frames) => Op::Set(Vec::new(), frames.len() as u8),
        Op::Defer(_)
        | Op::Spawn(..)
        | Op::Supervise(..)
        | Op::Closure(..)
        | Op::Join(..)
        | Op::Service(_)
        | Op::Start(..)
        | Op::Post(_)
        | Op::Racer(..)
        | Op::Knock(..)
        | Op::Block(_)
        | Op::Foreign(..) => Op::Yield(0),
        Op::Nest(_) => Op::Yield(0),
        leaf => leaf.clone(),
    }
}

/// Whether it awaits children, in itself or in a group that it polls.
pub(super) fn awaits(op: &Op) -> bool {
    let any = |steps: &[Step]| steps.iter().any(|step| awaits(&step.op));
    match op {
        Op::Spawn(_, used) | Op::Supervise(_, used) | Op::Closure(_, _, used) => {
            matches!(used, Use::Await | Use::Late)
        }
        Op::Join(first, second) => any(&first.steps) || any(&second.steps),
        Op::Nest(nest) => any(&nest.group.body.steps),
        Op::Shield(steps) | Op::Timeout(_, steps) => any(steps),
        Op::Block(steps) | Op::Foreign(_, steps) => any(steps),
        _ => false,
    }
}
