//! Gives the parts of a program their numbers, and repairs what would hang, or does not compile, in its place.

use crate::program::{
    Act, Bad, Frame, GroupProgram, How, Id, Op, Parting, Program, Step, Use, What,
};
use std::collections::BTreeSet;
use std::env;
use std::sync::LazyLock;

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
    /// In a service, which is cut at the end of its group, and in no shield of it.
    serves: bool,
    /// In a frame that may panic in its destructor.
    armed: bool,
    /// In a shield of the frame.
    shielded: bool,
    /// In a group that may be forgotten, whose services then are cut by nobody.
    left: bool,
    /// In the body of a group that may be kept, and then be polled in a shield: what blocks in it is
    /// reached by no cut there.
    late: bool,
}

/// Kinds of steps that `SPINNEY_PROGRAM_WITHOUT` leaves out, by the names of [`kind`].
static WITHOUT: LazyLock<Vec<String>> = LazyLock::new(|| {
    let names = env::var("SPINNEY_PROGRAM_WITHOUT").unwrap_or_default();
    names.split(',').map(str::to_owned).collect()
});

fn is_left_out(kind: &str) -> bool {
    !kind.is_empty() && WITHOUT.iter().any(|name| name == kind)
}

/// The name of a kind of steps that can be left out; empty for the others.
fn kind(op: &Op) -> &'static str {
    match op {
        Op::Nest(nest) if matches!(nest.how, How::Keep(_)) => "keep",
        Op::Shelf(_, What::Late) => "late",
        Op::Shelf(_, What::Thread(..)) => "thread",
        Op::Shelf(..) => "keep",
        Op::Spin(_) | Op::Here | Op::Meet | Op::UntilCut | Op::Racer(..) => "spin",
        Op::Relay(..) => "relay",
        Op::Knock(..) => "knock",
        Op::Foreign(Bad::Drop, _) => "foreign_drop",
        Op::Foreign(..) => "foreign",
        Op::Bomb => "bomb",
        Op::Stall(_) => "stall",
        Op::KeepParting(_) => "parting",
        _ => "",
    }
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
        let body = Frame {
            id: 0,
            steps,
            parting: None,
        };
        let mut program = Self {
            workers,
            max_blocking: MANY,
            operations_per_poll: WHOLE,
            callers_take_part,
            jump,
            lent: BTreeSet::new(),
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
            serves: false,
            armed: false,
            shielded: false,
            left: false,
            late: false,
        };
        let mut numbers = Numbers::default();
        numbers.group(&mut program.root, place);
        program.lent = numbers.lent;
        program
    }
}

/// More threads for closures that block than a program has closures.
pub(crate) const MANY: usize = 512;

/// The budget of a poll that runtimes have if nobody says otherwise.
pub(crate) const WHOLE: u8 = 127;

/// The deadline of the outermost group, in ticks.
pub(crate) const LAST_RESORT: u8 = 100;

/// Gives numbers, and repairs.
#[derive(Default)]
struct Numbers {
    last: Id,
    /// Groups so far.
    groups: Vec<Id>,
    lent: BTreeSet<Id>,
}

impl Numbers {
    fn next(&mut self) -> Id {
        self.last += 1;
        self.last
    }

    fn group(&mut self, group: &mut GroupProgram, place: Place) {
        group.id = self.next();
        self.groups.push(group.id);
        self.frame(
            &mut group.body,
            Place {
                grouped: true,
                cleanup: false,
                serves: false,
                armed: false,
                ..place
            },
        );
    }

    fn frame(&mut self, frame: &mut Frame, place: Place) {
        frame.id = self.next();
        self.parting(&mut frame.parting);
        let place = Place {
            shielded: false,
            armed: place.armed && frame.steps.iter().all(|step| is_quiet(&step.op)),
            ..place
        };
        let mut armed = 0;
        for step in &mut frame.steps {
            armed += usize::from(matches!(step.op, Op::Bomb));
            if armed > 1 && matches!(step.op, Op::Bomb) {
                step.op = Op::Yield(1);
            }
        }
        self.steps(&mut frame.steps, place);
    }

    fn parting(&mut self, parting: &mut Option<Parting>) {
        match parting {
            Some(_) if is_left_out("parting") => *parting = None,
            Some(parting) => parting.id = self.next(),
            None => {}
        }
    }

    fn steps(&mut self, steps: &mut Vec<Step>, place: Place) {
        for step in steps {
            step.id = self.next();
            self.op(&mut step.op, place);
        }
    }

    fn op(&mut self, op: &mut Op, place: Place) {
        if !place.allows(op) || is_left_out(kind(op)) {
            *op = Op::Yield(1);
        }
        // What a step that is itself a part of this frame may do.
        let part = Place {
            serves: false,
            armed: false,
            ..place
        };
        let child = Place {
            cleanup: false,
            alone: false,
            late: false,
            ..part
        };
        let alone = Place {
            alone: true,
            ..child
        };
        let service = Place {
            serves: !place.left && !place.cleanup,
            armed: true,
            ..alone
        };
        let static_child = Place {
            grouped: false,
            ..child
        };
        match op {
            Op::Spawn(frame, used) | Op::Supervise(frame, used) | Op::Closure(_, frame, used) => {
                if place.cleanup && !matches!(used, Use::Join | Use::Later(_)) {
                    *used = Use::Leave;
                }
                let child = if used.cancels() { alone } else { child };
                self.frame(
                    frame,
                    Place {
                        armed: true,
                        ..child
                    },
                );
            }
            Op::Service(frame) | Op::Racer(_, _, Act::Service(frame)) => self.frame(frame, service),
            Op::Start(frame, _) => self.frame(frame, alone),
            // Halves are a part of the frame around them: what may hang, or fail, there may do so here.
            Op::Join(first, second) => {
                let half = Place {
                    sheltered: place.sheltered || place.late,
                    ..part
                };
                self.frame(first, half);
                self.frame(second, half);
            }
            Op::Racer(_, _, Act::Spawn(frame)) => self.frame(frame, child),
            Op::Defer(frame) | Op::Racer(_, _, Act::Defer(frame)) => {
                let place = Place {
                    sheltered: true,
                    cleanup: true,
                    ..part
                };
                self.frame(frame, place);
            }
            Op::Set(frames, _) => {
                let member = Place {
                    armed: true,
                    ..alone
                };
                frames
                    .iter_mut()
                    .for_each(|frame| self.frame(frame, member));
            }
            Op::Race(frames) => frames
                .iter_mut()
                .for_each(|frame| self.frame(frame, static_child)),
            Op::Post(frame) => self.frame(frame, static_child),
            Op::Knock(which, group, frame) => {
                let place = usize::from(*which) % self.groups.len();
                *group = self.groups[self.groups.len() - 1 - place];
                self.lent.insert(*group);
                // It may be the guest of a group that nobody cuts.
                let guest = Place {
                    sheltered: true,
                    ..static_child
                };
                self.frame(frame, guest);
            }
            Op::Shelf(_, what) => {
                let moves = matches!(what, What::Move | What::Late);
                if moves && place.alone {
                    *what = What::Drop; // as below
                } else if moves && !place.grouped {
                    *what = What::Await;
                } else if *what == What::Late && place.sheltered {
                    *what = What::Move;
                } else if *what == What::Wait && place.late {
                    *what = What::Await;
                }
            }
            Op::KeepParting(parting) => parting.id = self.next(),
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
                if place.shielded && matches!(nest.how, How::Keep(_)) {
                    nest.how = How::Await;
                }
                nest.passes_on &= !place.cleanup;
                let blocks = matches!(nest.how, How::Wait | How::Half);
                let inner = Place {
                    sheltered: place.sheltered
                        || nest.how == How::Shielded
                        || (place.late && blocks),
                    late: place.late || matches!(nest.how, How::Keep(_)),
                    left: place.left
                        || matches!(nest.how, How::Forget(_) | How::Keep(_) | How::Escape),
                    ..part
                };
                self.group(&mut nest.group, inner);
            }
            Op::Shield(steps) => self.steps(
                steps,
                Place {
                    sheltered: true,
                    shielded: true,
                    ..part
                },
            ),
            Op::Timeout(_, steps) | Op::Block(steps) | Op::Foreign(_, steps) => {
                let place = Place {
                    armed: false,
                    ..place
                };
                self.steps(steps, place);
            }
            _ => {}
        }
    }
}

impl Place {
    fn allows(self, op: &Op) -> bool {
        match op {
            Op::Pend if self.serves => true,
            Op::Pend | Op::Stopping => !self.sheltered && (self.grouped || matches!(op, Op::Pend)),
            Op::Fail => !self.cleanup,
            Op::Racer(_, _, Act::Fail) => self.grouped && !self.cleanup,
            Op::Bomb => self.armed,
            // The nodes of what it holds were opened outside the shield, and are cut with the frame.
            Op::Shelf(..) => !self.shielded,
            Op::Yield(_) | Op::Busy(_) | Op::Stall(_) | Op::Sleep(_) | Op::Panic | Op::Ready => {
                true
            }
            Op::Spin(_) | Op::Here | Op::Meet | Op::UntilCut => true,
            Op::Join(..) | Op::Race(_) | Op::Nest(_) | Op::Shield(_) | Op::Timeout(..) => true,
            Op::Block(_) | Op::Foreign(..) | Op::Relay(..) | Op::Knock(..) => true,
            _ => self.grouped,
        }
    }
}

/// A step during which nothing panics.
fn is_quiet(op: &Op) -> bool {
    matches!(
        op,
        Op::Yield(_)
            | Op::Busy(_)
            | Op::Stall(_)
            | Op::Sleep(_)
            | Op::Pend
            | Op::Bomb
            | Op::Spin(_)
            | Op::Here
            | Op::UntilCut
    )
}
