//! What a program may do, from its text alone: where each part belongs, and which ends a group may have.
//!
//! The model runs nothing in parallel. It follows each frame step by step and says what is certain whatever the
//! scheduler does; where that depends on who is faster it says so, and the checks then take either.

mod steps;

use crate::program::{
    Act, Frame, GroupProgram, How, Id, Nest, Op, Parting, Program, Step, Waits, What,
};
use std::collections::{BTreeMap, BTreeSet};
use steps::{Sure, awaits, shallow, sure};

/// What a frame is to its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The body.
    Body,
    /// A child, or the one that a group was sent to.
    Child,
    /// A supervised child.
    Supervised,
    /// A service.
    Service,
    /// A child that is started, by this step.
    Started(Id),
    /// A member of this set.
    Member(Id),
    /// A contestant in a race, which counts as a group.
    Contestant,
    /// A cleanup.
    Cleanup,
    /// A child through a `GroupHandle`.
    Posted,
    /// A half of this `join`: a part of the frame that makes it.
    Half(Id),
}

/// Where a frame belongs.
#[derive(Clone, Debug)]
pub struct FrameFact {
    /// What it is.
    pub kind: Kind,
    /// The group that it reports to.
    pub group: Id,
    /// The frame that makes it.
    pub maker: Option<Id>,
    /// Some group that it polled may be open in it later, when the future is elsewhere: then a cut polls it on.
    pub leaves_open: bool,
    /// It is waited for in a closure, so a cut unwinds it.
    pub waited: bool,
    /// It may block, so a cut may unwind it, which waits for nothing.
    pub blocks: bool,
}

/// Where a group belongs, and what it may come to.
#[derive(Clone, Debug, Default)]
pub struct GroupFact {
    /// The group around it.
    pub parent: Option<Id>,
    /// The frame that polls it first; `None` for the outermost.
    pub host: Option<Id>,
    /// The child that it may be sent to.
    pub mover: Option<Id>,
    /// Its body; `None` for a race.
    pub body: Option<Id>,
    /// Only the engine can end its future early, and every poll of its host reaches it.
    pub plain: bool,
    /// As `plain`, but it is left unpolled for one suspension.
    pub held: bool,
    /// Its future may be put aside, and not be polled when it is cut.
    pub kept: bool,
    /// It has another one around it, which ends when it has been polled once.
    pub escapes: bool,
    /// Errors that may come out of it, by the steps that make them.
    pub causes: BTreeSet<Id>,
    /// Panics that may come out of it.
    pub panics: BTreeSet<Id>,
    /// It cannot end with a value.
    pub never_ok: bool,
}

/// Where a step stands.
#[derive(Clone, Debug)]
pub struct StepFact {
    /// The frame.
    pub frame: Id,
    /// Inside a shield of that frame.
    pub shielded: bool,
    /// Inside a timeout of that frame.
    pub timed: bool,
    /// Itself, without what is in it.
    pub op: Op,
    /// A shield or a cleanup that awaits a child, which may have been cut, and then is cut itself.
    pub awaits: bool,
}

/// All about a program.
#[derive(Debug, Default)]
pub struct Facts {
    /// By number.
    pub frames: BTreeMap<Id, FrameFact>,
    /// Groups and races, by number; a race has that of its step.
    pub groups: BTreeMap<Id, GroupFact>,
    /// Destructors that open a group and wait for it, each with the group in which they do.
    pub openers: BTreeMap<Id, Id>,
    /// By number. Deadlines of groups have the number of the group, and are not in here.
    pub steps: BTreeMap<Id, StepFact>,
}

impl FrameFact {
    fn new(kind: Kind, group: Id, maker: Option<Id>) -> Self {
        Self {
            kind,
            group,
            maker,
            leaves_open: false,
            waited: false,
            blocks: false,
        }
    }
}

impl Facts {
    /// Reads a program.
    #[must_use]
    pub fn of(program: &Program) -> Self {
        let mut facts = Self::default();
        facts.group(
            &program.root,
            GroupFact {
                plain: true,
                ..GroupFact::default()
            },
        );
        let panics: Vec<_> = facts
            .groups
            .keys()
            .map(|id| (*id, facts.panics_of(*id)))
            .collect();
        for (id, panics) in panics {
            facts
                .groups
                .entry(id)
                .and_modify(|group| group.panics = panics);
        }
        facts
    }

    fn group(&mut self, group: &GroupProgram, fact: GroupFact) {
        let mut fact = GroupFact {
            body: Some(group.body.id),
            ..fact
        };
        fact.causes.extend(group.deadline.map(|_| group.id));
        fact.never_ok = sure(&group.body.steps) == Sure::NeverOk;
        self.groups.insert(group.id, fact);
        self.frame(&group.body, Kind::Body, group.id, None);
    }

    fn frame(&mut self, frame: &Frame, kind: Kind, group: Id, maker: Option<Id>) {
        self.frames
            .insert(frame.id, FrameFact::new(kind, group, maker));
        self.parting(frame.parting, group);
        self.steps(&frame.steps, frame.id, group, (false, false));
    }

    /// A closure that waits for the frame. No timeout around a `join` reaches into it; a shield does.
    fn waited(&mut self, frame: &Frame, fact: FrameFact, shielded: bool) {
        let group = fact.group;
        self.frames.insert(
            frame.id,
            FrameFact {
                waited: true,
                ..fact
            },
        );
        self.parting(frame.parting, group);
        self.steps(&frame.steps, frame.id, group, (shielded, false));
    }

    fn parting(&mut self, parting: Option<Parting>, group: Id) {
        let opener = parting.filter(|parting| parting.what == Waits::Group);
        self.openers
            .extend(opener.map(|parting| (parting.id, group)));
    }

    fn steps(&mut self, steps: &[Step], frame: Id, group: Id, (shielded, timed): (bool, bool)) {
        for Step { id, op } in steps {
            let fact = StepFact {
                frame,
                shielded,
                timed,
                op: shallow(op),
                awaits: awaits(op),
            };
            self.steps.insert(*id, fact);
            let blocks = match op {
                Op::Join(..) | Op::Shelf(_, What::Wait) => true,
                Op::Nest(nest) => matches!(nest.how, How::Wait | How::Half),
                _ => false,
            };
            if blocks {
                self.frames
                    .entry(frame)
                    .and_modify(|frame| frame.blocks = true);
            }
            let maker = Some(frame);
            match op {
                Op::Fail | Op::Cancel | Op::Deadline(_) | Op::StopWithin(_) => {
                    self.cause(group, *id)
                }
                Op::Spawn(child, _) => self.frame(child, Kind::Child, group, maker),
                Op::Supervise(child, _) => self.frame(child, Kind::Supervised, group, maker),
                Op::Closure(_, child, _) => {
                    self.waited(child, FrameFact::new(Kind::Child, group, maker), false);
                }
                Op::Join(first, second) => {
                    for half in [first, second] {
                        let fact = FrameFact::new(Kind::Half(*id), group, maker);
                        self.waited(half, fact, shielded);
                    }
                }
                // Racers run side by side: what each of them makes has no order.
                Op::Racer(_, _, act) => match act {
                    Act::Service(child) => self.frame(child, Kind::Service, group, Some(child.id)),
                    Act::Defer(child) => self.frame(child, Kind::Cleanup, group, Some(child.id)),
                    Act::Spawn(child) => self.frame(child, Kind::Child, group, Some(child.id)),
                    Act::Fail => self.cause(group, *id),
                },
                Op::Service(child) => self.frame(child, Kind::Service, group, maker),
                Op::Start(child, _) => self.frame(child, Kind::Started(*id), group, maker),
                Op::Defer(child) => self.frame(child, Kind::Cleanup, group, maker),
                Op::Post(child) => self.frame(child, Kind::Posted, group, maker),
                Op::Set(children, _) => {
                    for child in children {
                        self.frame(child, Kind::Member(*id), group, maker);
                    }
                }
                Op::Race(children) => {
                    let fact = GroupFact {
                        parent: Some(group),
                        host: Some(frame),
                        plain: !timed,
                        ..GroupFact::default()
                    };
                    self.groups.insert(*id, fact);
                    for child in children {
                        self.frame(child, Kind::Contestant, *id, maker);
                    }
                }
                Op::Nest(nest) => self.nest(nest, *id, frame, group, timed),
                Op::Shield(steps) => self.steps(steps, frame, group, (true, timed)),
                Op::Block(steps) | Op::Foreign(_, steps) => {
                    self.steps(steps, frame, group, (shielded, timed));
                }
                Op::Knock(_, host, child) => self.frame(child, Kind::Posted, *host, maker),
                Op::KeepParting(parting) => self.parting(Some(*parting), group),
                // A relay is a group to those that may forget it.
                Op::Relay(..) => {
                    let fact = GroupFact {
                        parent: Some(group),
                        host: Some(frame),
                        ..GroupFact::default()
                    };
                    self.groups.insert(*id, fact);
                }
                Op::Timeout(_, steps) => self.steps(steps, frame, group, (shielded, true)),
                _ => {}
            }
        }
    }

    fn nest(&mut self, nest: &Nest, step: Id, frame: Id, group: Id, timed: bool) {
        let Nest {
            group: inner,
            how,
            passes_on,
            mover,
            ..
        } = nest;
        let mut fact = GroupFact {
            parent: Some(group),
            host: Some(frame),
            plain: !timed && matches!(how, How::Await | How::Shielded),
            held: !timed && *how == How::Once,
            kept: matches!(how, How::Keep(_)),
            escapes: *how == How::Escape,
            ..GroupFact::default()
        };
        if let How::Move(_) | How::Keep(_) = how {
            fact.mover = Some(*mover);
            let child = FrameFact::new(Kind::Child, group, Some(frame));
            self.frames.insert(*mover, child);
        }
        if *passes_on {
            self.cause(group, step);
        }
        self.group(inner, fact);
        if let How::Forget(_) | How::Move(_) | How::Keep(_) = how {
            for carrier in self.carriers(frame) {
                self.frames
                    .entry(carrier)
                    .and_modify(|frame| frame.leaves_open = true);
            }
        }
    }

    fn cause(&mut self, group: Id, step: Id) {
        self.groups
            .entry(group)
            .and_modify(|group| _ = group.causes.insert(step));
    }

    fn panics_of(&self, group: Id) -> BTreeSet<Id> {
        let frames = self.frames.iter().filter(|(_, fact)| fact.group == group);
        frames
            .flat_map(|(frame, _)| self.panics_in(*frame))
            .collect()
    }

    /// This frame, and while it is a half the frame that made it.
    #[must_use]
    pub fn carriers(&self, frame: Id) -> Vec<Id> {
        let outer = |frame: &Id| match self.frames[frame].kind {
            Kind::Half(_) => self.frames[frame].maker,
            _ => None,
        };
        std::iter::successors(Some(frame), outer).collect()
    }

    /// What the frame is to its group, or for a half that of which it is a part.
    #[must_use]
    pub fn kind(&self, frame: Id) -> Kind {
        match self.frames[&frame] {
            FrameFact {
                kind: Kind::Half(_),
                maker: Some(maker),
                ..
            } => self.kind(maker),
            FrameFact { kind, .. } => kind,
        }
    }

    /// The halves of a `join`.
    #[must_use]
    pub fn halves(&self, step: Id) -> Vec<Id> {
        let halves = self
            .frames
            .iter()
            .filter(|(_, fact)| fact.kind == Kind::Half(step));
        halves.map(|(id, _)| *id).collect()
    }

    /// A cut unwinds what polls this frame, so it is dropped by a panic, though nothing in it panicked.
    #[must_use]
    pub fn is_unwound(&self, frame: Id) -> bool {
        let fact = &self.frames[&frame];
        let host = || self.groups[&fact.group].host;
        fact.waited || fact.kind == Kind::Body && host().is_some_and(|host| self.is_unwound(host))
    }

    /// Panics that may come out of a frame, those of its halves and of the groups that it polls included.
    #[must_use]
    pub fn panics_in(&self, frame: Id) -> BTreeSet<Id> {
        let own = self
            .steps
            .iter()
            .filter(|(_, step)| step.frame == frame && step.op.panics());
        let inner = self
            .groups
            .iter()
            .filter(|(_, group)| group.host == Some(frame) || group.mover == Some(frame));
        let halves = self
            .frames
            .iter()
            .filter(|(_, half)| matches!(half.kind, Kind::Half(_)) && half.maker == Some(frame));
        own.map(|(id, _)| *id)
            .chain(inner.flat_map(|(id, _)| self.panics_of(*id)))
            .chain(halves.flat_map(|(id, _)| self.panics_in(*id)))
            .collect()
    }

    /// Whether a group is this one or inside it.
    #[must_use]
    pub fn is_in(&self, group: Id, outer: Id) -> bool {
        let mut at = Some(group);
        while let Some(id) = at {
            if id == outer {
                return true;
            }
            at = self.groups[&id].parent;
        }
        false
    }

    /// A cut of it may unwind it, or a body that it polls, out of a wait.
    #[must_use]
    pub fn may_block(&self, frame: Id) -> bool {
        let polls = |group: &GroupFact| group.host == Some(frame) || group.mover == Some(frame);
        let mut bodies = self
            .groups
            .values()
            .filter(|group| polls(group))
            .filter_map(|group| group.body);
        self.frames[&frame].blocks || bodies.any(|body| self.may_block(body))
    }

    /// It may be polled inside a shield: a child of it that was cut, and that it awaits, unwinds it to the edge of that.
    #[must_use]
    pub fn is_sheltered(&self, frame: Id) -> bool {
        let fact = &self.frames[&frame];
        let shields = |host: Id| {
            let mut steps = self.steps.values().filter(|step| step.frame == host);
            steps.any(|step| match &step.op {
                Op::Shield(_) => true,
                Op::Nest(nest) => nest.how == How::Shielded,
                _ => false,
            })
        };
        let host = || self.groups[&fact.group].host;
        fact.kind == Kind::Body
            && host().is_some_and(|host| shields(host) || self.is_sheltered(host))
    }

    /// It, or a group around it in whose body it is polled, may be put aside.
    #[must_use]
    pub fn is_kept(&self, group: Id) -> bool {
        let fact = &self.groups[&group];
        let carriers = fact.host.map(|host| self.carriers(host));
        let mut bodies = carriers
            .into_iter()
            .flatten()
            .map(|frame| &self.frames[&frame]);
        fact.kept || bodies.any(|frame| frame.kind == Kind::Body && self.is_kept(frame.group))
    }

    /// The group that a failure of this step is for.
    #[must_use]
    pub fn home(&self, step: Id) -> Id {
        match self.steps.get(&step) {
            Some(step) => self.frames[&step.frame].group,
            None => step, // the deadline of a group
        }
    }

    /// Only the engine drops this frame: a task, or the body of a group that is polled whenever its task is.
    #[must_use]
    pub fn is_owned(&self, frame: Id) -> bool {
        match self.kind(frame) {
            Kind::Body => self.is_reached(self.frames[&frame].group),
            _ => true,
        }
    }

    /// The future of this group is dropped by nobody but the engine, and each poll of its task reaches it.
    #[must_use]
    pub fn is_reached(&self, group: Id) -> bool {
        let fact = &self.groups[&group];
        fact.plain && fact.host.is_none_or(|host| self.is_owned(host))
    }
}
