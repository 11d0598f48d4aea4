//! How a program is printed: a line for each step, with its number.

use crate::program::{Act, Frame, How, Nest, Op, Parting, Program, Step};
use std::fmt;

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            workers,
            max_blocking,
            operations_per_poll,
            callers_take_part,
            jump,
            root,
            ..
        } = self;
        writeln!(
            f,
            "{workers} workers, {max_blocking} for blocking closures, {operations_per_poll} operations in a poll, callers take part: {callers_take_part}, the clock jumps by {jump}"
        )?;
        write!(
            f,
            "group {}, deadline {:?}, body {}",
            root.id, root.deadline, root.body.id
        )?;
        print(f, &root.body.steps, 1)
    }
}

fn print(f: &mut fmt::Formatter<'_>, steps: &[Step], depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    for Step { id, op } in steps {
        write!(f, "\n{indent}{id} ")?;
        let one = |f: &mut fmt::Formatter<'_>, frame: &Frame| {
            write!(f, ", frame {}{}", frame.id, parting(frame))?;
            print(f, &frame.steps, depth + 1)
        };
        let many = |f: &mut fmt::Formatter<'_>, frames: &[Frame]| {
            frames.iter().try_for_each(|frame| {
                write!(f, "\n{indent}  frame {}{}", frame.id, parting(frame))?;
                print(f, &frame.steps, depth + 2)
            })
        };
        match op {
            Op::Defer(frame) => write!(f, "defer").and_then(|()| one(f, frame))?,
            Op::Spawn(frame, used) => write!(f, "spawn, {used:?}").and_then(|()| one(f, frame))?,
            Op::Supervise(frame, used) => {
                write!(f, "supervise, {used:?}").and_then(|()| one(f, frame))?;
            }
            Op::Closure(site, frame, used) => {
                write!(f, "{site:?}, {used:?}").and_then(|()| one(f, frame))?;
            }
            Op::Join(first, second) => {
                write!(f, "join")?;
                one(f, first)?;
                write!(f, "\n{indent}and").and_then(|()| one(f, second))?;
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
                if let How::Move(_) | How::Keep(_) = how {
                    write!(f, ", to child {mover}")?;
                }
                one(f, &group.body)?;
            }
            Op::Knock(_, group, frame) => {
                write!(f, "post to group {group}").and_then(|()| one(f, frame))?;
            }
            Op::Racer(until_cut, spins, act) => {
                let until = if *until_cut { " until cut" } else { "" };
                write!(f, "racer spins{until} and {spins}")?;
                match act {
                    Act::Service(frame) => write!(f, ", service").and_then(|()| one(f, frame))?,
                    Act::Defer(frame) => write!(f, ", defer").and_then(|()| one(f, frame))?,
                    Act::Spawn(frame) => write!(f, ", spawn").and_then(|()| one(f, frame))?,
                    Act::Fail => write!(f, ", fails")?,
                }
            }
            Op::Block(steps) => write!(f, "block").and_then(|()| print(f, steps, depth + 1))?,
            Op::Foreign(bad, steps) => {
                write!(f, "wakers whose {bad:?} panics")
                    .and_then(|()| print(f, steps, depth + 1))?;
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

fn parting(frame: &Frame) -> String {
    let waits = |parting: Parting| {
        format!(
            ", whose destructor {} waits for {:?}",
            parting.id, parting.what
        )
    };
    frame.parting.map_or_else(String::new, waits)
}
