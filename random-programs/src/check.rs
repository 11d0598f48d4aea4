//! Judges what happened: that every failure arrived once and in the right place, that every group ended as the model
//! allows, that every promise to a single call was kept. Order is judged in `order`.

use crate::model::{Facts, FrameFact, Kind};
use crate::order;
use crate::program::{Id, Op};
use crate::record::{Began, Event, To};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a run of a program; empty: nothing.
#[must_use]
pub fn check(facts: &Facts, events: &[Event]) -> Vec<String> {
    let known = Known::of(facts, events);
    let mut wrong = Vec::new();
    known.failures(&mut wrong);
    known.outcomes(&mut wrong);
    known.calls(&mut wrong);
    known.alive(&mut wrong);
    known.partings(&mut wrong);
    known.relays(&mut wrong);
    known.knocks(&mut wrong);
    order::check(facts, &known, &mut wrong);
    wrong
}

/// What is wrong with what was alive when the outermost group had ended, for a run that hangs afterwards.
#[must_use]
pub fn left_over(facts: &Facts, events: &[Event]) -> Vec<String> {
    let mut wrong = Vec::new();
    if events.contains(&Event::Over) {
        Known::of(facts, events).alive(&mut wrong);
    }
    wrong
}

/// What a run came to as a whole.
pub(crate) struct Known<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) events: &'a [Event],
    /// Failures that began, errors and panics.
    pub(crate) raised: BTreeSet<Id>,
    /// Where failures arrived, those of deadlines included.
    pub(crate) delivered: BTreeMap<Id, To>,
    /// Groups whose futures were forgotten, and those that were open in their bodies.
    pub(crate) forgotten: BTreeSet<Id>,
    /// Races of which a contestant was polled: before that, their futures hold the contestants.
    run: BTreeSet<Id>,
}

impl<'a> Known<'a> {
    fn of(facts: &'a Facts, events: &'a [Event]) -> Self {
        let mut known = Self {
            facts,
            events,
            raised: BTreeSet::new(),
            delivered: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            run: BTreeSet::new(),
        };
        let mut resolved = BTreeSet::new();
        for event in events {
            match event {
                Event::Raised(step) => _ = known.raised.insert(*step),
                Event::Delivered(step, to) => _ = known.delivered.insert(*step, *to),
                Event::Forgotten(group) => _ = known.forgotten.insert(*group),
                Event::Resolved(group, _) | Event::Gone(group, _) => _ = resolved.insert(*group),
                Event::Polled(frame, _) if facts.kind(*frame) == Kind::Contestant => {
                    known.run.insert(facts.frames[frame].group);
                }
                _ => {}
            }
        }
        // A group comes after the one around it.
        for (id, group) in &facts.groups {
            let held = |frame: Option<Id>| frame.is_some_and(|frame| known.holds(frame));
            if !resolved.contains(id) && (held(group.host) || held(group.mover)) {
                known.forgotten.insert(*id);
            }
        }
        known
    }

    /// Whether a forgotten future holds a frame: the body of a group, what was to clean up in one, or a contestant in a
    /// race that did not begin, as the budget of its poll was spent.
    pub(crate) fn holds(&self, frame: Id) -> bool {
        let fact = &self.facts.frames[&frame];
        let held = match fact.kind {
            Kind::Body | Kind::Cleanup => true,
            Kind::Contestant => !self.run.contains(&fact.group),
            _ => false,
        };
        held && self.forgotten.contains(&fact.group)
    }

    /// Whether a step raises a panic.
    pub(crate) fn is_panic(&self, step: Id) -> bool {
        self.facts
            .steps
            .get(&step)
            .is_some_and(|step| step.op.panics())
    }

    /// A failure of this group, and not of its readers, happened.
    pub(crate) fn fails(&self, step: Id) -> bool {
        let delivered = self.delivered.get(&step);
        match self.facts.steps.get(&step).map(|step| &step.op) {
            // A deadline that fired is known by its error.
            None | Some(Op::Deadline(_) | Op::StopWithin(_)) => delivered.is_some(),
            _ => {
                self.raised.contains(&step)
                    && !matches!(delivered, Some(To::Reader(_)))
                    && !self.is_second_panic(step)
            }
        }
    }

    /// The groups that a panic comes through, from the inside out.
    fn way_of_panic(&self, step: Id) -> Vec<Id> {
        let mut way = Vec::new();
        let mut at = Some(self.facts.home(step));
        while let Some(group) = at {
            way.push(group);
            let host = self.facts.groups[&group].host;
            at = host.map(|host| self.facts.frames[&host].group);
        }
        way
    }

    fn failures(&self, wrong: &mut Vec<String>) {
        for event in self.events {
            match event {
                Event::Twice(step) => {
                    wrong.push(format!("the failure of {step} was delivered twice"))
                }
                Event::Alien(text) => wrong.push(format!("a failure that no step made: {text}")),
                _ => {}
            }
        }
        for step in &self.raised {
            let Some(to) = self.delivered.get(step) else {
                let lost = match self.is_panic(*step) {
                    true => self.way_of_panic(*step),
                    false => vec![self.facts.home(*step)],
                };
                if !lost.iter().any(|group| self.forgotten.contains(group)) {
                    wrong.push(format!("the failure of {step} was lost"));
                }
                continue;
            };
            if !self.may_arrive(*step, *to) {
                wrong.push(format!(
                    "the failure of {step} arrived in a wrong place: {to:?}"
                ));
            }
        }
        for (step, to) in &self.delivered {
            if !self.raised.contains(step) && !self.may_arrive(*step, *to) {
                wrong.push(format!(
                    "the deadline of {step} arrived in a wrong place: {to:?}"
                ));
            }
        }
    }

    fn may_arrive(&self, step: Id, to: To) -> bool {
        let facts = self.facts;
        let home = facts.home(step);
        let is_panic = self.is_panic(step);
        let frame = facts.steps.get(&step).map(|step| step.frame);
        if is_panic && to != To::Hook && frame.is_some_and(|frame| self.is_outranked(frame)) {
            return false;
        }
        match to {
            To::Errors(group) => !is_panic && group == home,
            To::Poller(group) => is_panic && facts.groups[&group].panics.contains(&step),
            To::Caller => is_panic && facts.groups[&self.root()].panics.contains(&step),
            To::Reader(reader) => {
                let read = |frame: Id| match facts.frames.get(&reader) {
                    Some(_) => frame == reader,
                    None => facts.frames[&frame].kind == Kind::Member(reader),
                };
                let is_half = |fact: &FrameFact| matches!(fact.kind, Kind::Half(_));
                if facts.frames.get(&reader).is_some_and(is_half) {
                    return frame.is_some_and(|frame| facts.carriers(frame).contains(&reader))
                        && !is_panic
                        && self.is_outdone(reader);
                }
                match is_panic {
                    false => frame.is_some_and(|frame| facts.carriers(frame).into_iter().any(read)),
                    true => facts
                        .frames
                        .keys()
                        .any(|frame| read(*frame) && facts.panics_in(*frame).contains(&step)),
                }
            }
            To::Hook => {
                let kind = frame.map(|frame| facts.kind(frame));
                // A failure that waits in a handle is the group's when the handle is dropped, which may be with the body
                // in a cut that has no poll to spare: then there is nobody left who could be given it. A deadline may
                // fire at that moment, too.
                let waited = matches!(
                    kind,
                    Some(Kind::Supervised | Kind::Member(_) | Kind::Started(_))
                );
                let late = (waited || !self.raised.contains(&step))
                    && self.events.contains(&Event::Gone(home, false));
                let second = |group: &Id| {
                    let panics = &facts.groups[group].panics;
                    panics.intersection(&self.raised).count() > 1
                };
                late || match is_panic {
                    true => self
                        .way_of_panic(step)
                        .iter()
                        .any(|group| self.is_loose(*group) || second(group)),
                    false => {
                        kind == Some(Kind::Posted)
                            || self.is_loose(home)
                            || self.panicked(home)
                            || self.omits(home)
                    }
                }
            }
        }
    }

    fn root(&self) -> Id {
        *self
            .facts
            .groups
            .keys()
            .next()
            .expect("a program has a group")
    }

    /// A group whose future may be dropped while something fails in it, or whose errors nobody gets when it is won.
    fn is_loose(&self, group: Id) -> bool {
        self.facts.groups[&group].body.is_none() || !self.facts.is_reached(group)
    }

    fn panicked(&self, group: Id) -> bool {
        !self.facts.groups[&group].panics.is_disjoint(&self.raised)
    }

    fn omits(&self, group: Id) -> bool {
        self.events.iter().any(|event| {
            matches!(event, Event::Resolved(id, Some((_, omitted))) if *id == group && *omitted > 0)
        })
    }

    fn outcomes(&self, wrong: &mut Vec<String>) {
        for event in self.events {
            match event {
                Event::Resolved(group, None) => self.ended_well(*group, wrong),
                Event::Resolved(group, Some((errors, _))) => {
                    self.ended_badly(*group, errors, wrong)
                }
                Event::Gone(group, true) => {
                    let fact = &self.facts.groups[group];
                    let facts = self.facts;
                    let owned = fact.plain
                        && fact.host.is_none_or(|host| {
                            facts.is_owned(host)
                                && !facts.is_unwound(host)
                                && !facts.is_sheltered(host)
                        });
                    if owned && fact.panics.is_disjoint(&self.raised) {
                        wrong.push(format!("group {group} panicked, and nothing in it did"));
                    }
                }
                Event::ShutDown(Some(stragglers)) => {
                    wrong.push(format!("stragglers: {stragglers}"))
                }
                _ => {}
            }
        }
        let root = self.root();
        let ended = |event: &Event| matches!(event, Event::Resolved(id, _) | Event::Gone(id, true) if *id == root);
        if !self.events.iter().any(ended) {
            wrong.push("the outermost group has no end".to_owned());
        }
    }

    fn ended_well(&self, group: Id, wrong: &mut Vec<String>) {
        let fact = &self.facts.groups[&group];
        if fact.body.is_none() {
            let members = self
                .facts
                .frames
                .iter()
                .filter(|(_, frame)| frame.group == group && frame.kind == Kind::Contestant);
            if !members.clone().any(|(id, _)| self.ended(*id) == Some(true)) {
                wrong.push(format!("race {group} has no winner, and was won"));
            }
        } else {
            if fact.never_ok {
                wrong.push(format!(
                    "group {group} ended with a value; the model: never"
                ));
            }
            for step in self
                .raised
                .iter()
                .filter(|step| self.facts.home(**step) == group)
            {
                let posted = self
                    .facts
                    .steps
                    .get(step)
                    .is_some_and(|step| self.facts.kind(step.frame) == Kind::Posted);
                if self.fails(*step) && !posted {
                    wrong.push(format!(
                        "group {group} ended with a value, and {step} failed in it"
                    ));
                }
            }
        }
    }

    fn ended_badly(&self, group: Id, errors: &[(Id, bool)], wrong: &mut Vec<String>) {
        let fact = &self.facts.groups[&group];
        for (at, (step, after_cancel)) in errors.iter().enumerate() {
            if at > 0 && !after_cancel {
                wrong.push(format!("group {group} has a second cause: {step}"));
            }
            if fact.body.is_some() && !fact.causes.contains(step) {
                wrong.push(format!(
                    "group {group} has the error of {step}; the model: never"
                ));
            }
        }
        if fact.body.is_some()
            && self.raised.iter().any(|step| {
                self.is_panic(*step) && self.facts.home(*step) == group && self.fails(*step)
            })
        {
            wrong.push(format!(
                "group {group} ended with errors, and something in it panicked"
            ));
        }
        if fact.body.is_none() {
            let members: Vec<_> = self
                .facts
                .frames
                .iter()
                .filter(|(_, frame)| frame.group == group && frame.kind == Kind::Contestant)
                .collect();
            if members.len() != errors.len()
                || members
                    .iter()
                    .any(|(id, _)| self.ended(**id) != Some(false))
            {
                wrong.push(format!("race {group} was lost, and not by all"));
            }
        }
    }

    /// How the code of a frame came to its end; `None`: it was cut, or panicked.
    pub(crate) fn ended(&self, frame: Id) -> Option<bool> {
        self.events.iter().find_map(|event| match event {
            Event::Ended(id, well) if *id == frame => Some(*well),
            _ => None,
        })
    }

    fn calls(&self, wrong: &mut Vec<String>) {
        let facts = self.facts;
        let mut so_far = BTreeSet::new();
        let mut ready = BTreeSet::new();
        for event in self.events {
            match event {
                Event::Dropped(frame) => _ = so_far.insert(*frame),
                Event::SetReady(step) => _ = ready.insert(facts.steps[step].frame),
                Event::Joined(frame, well) => {
                    if !so_far.contains(frame) {
                        wrong.push(format!(
                            "the cancel of {frame} was joined before it was dropped"
                        ));
                    }
                    let ended = self.ended(*frame) == Some(true);
                    if ended != *well {
                        wrong.push(format!(
                            "the cancel of {frame} gave a value: {well}; it has one: {ended}"
                        ));
                    }
                }
                Event::Read(frame, well) => {
                    if !so_far.contains(frame) {
                        wrong.push(format!("{frame} was read before it was dropped"));
                    }
                    if *well && self.ended(*frame) != Some(true) {
                        wrong.push(format!("{frame} was read, and has no value"));
                    }
                }
                Event::SetOver(set, items) => {
                    let members = facts
                        .frames
                        .iter()
                        .filter(|(_, fact)| fact.kind == Kind::Member(*set));
                    let members: Vec<_> = members.map(|(id, _)| *id).collect();
                    let ended = members
                        .iter()
                        .filter(|id| self.ended(**id).is_some())
                        .count();
                    if *items < ended
                        || *items > members.len()
                        || members.iter().any(|id| !so_far.contains(id))
                    {
                        wrong.push(format!("set {set} is over after {items} items"));
                    }
                }
                Event::Started(step, began) => self.started(*step, *began, &ready, &so_far, wrong),
                Event::Timed(step, passed, elapsed) => {
                    let least = match facts.steps[step].op {
                        Op::Sleep(ticks) => ticks,
                        Op::Timeout(ticks, _) if *elapsed => ticks,
                        _ => 0,
                    };
                    if *passed < u128::from(least) {
                        wrong.push(format!("{step} waited {passed} ticks for {least}"));
                    }
                }
                Event::Unshielded(step, false, unwinding) => {
                    let fact = &facts.steps[step];
                    let panicked =
                        *unwinding && !facts.panics_in(fact.frame).is_disjoint(&self.raised);
                    if !panicked && facts.is_owned(fact.frame) && !fact.timed && !fact.awaits {
                        wrong.push(format!("shield {step} was cut"));
                    }
                }
                _ => {}
            }
        }
    }

    fn started(
        &self,
        step: Id,
        began: Began,
        ready: &BTreeSet<Id>,
        so_far: &BTreeSet<Id>,
        wrong: &mut Vec<String>,
    ) {
        let child = self
            .facts
            .frames
            .iter()
            .find(|(_, fact)| fact.kind == Kind::Started(step));
        let Some((child, _)) = child else { return };
        let ok = match began {
            Began::Ready => ready.contains(child),
            Began::Failed => !ready.contains(child) && so_far.contains(child),
            Began::NotReady => !ready.contains(child) && so_far.contains(child),
        };
        if !ok {
            wrong.push(format!("start {step} says {began:?}"));
        }
    }
}
