//! Judges order: from the inside out, once each, and nobody cut without a reason.

mod reasons;

use crate::check::Known;
use crate::model::{Facts, Kind};
use crate::program::{Id, Op};
use crate::record::{Event, To};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn check(facts: &Facts, known: &Known<'_>, wrong: &mut Vec<String>) {
    let mut replay = Replay::new(facts, known);
    for (at, event) in known.events.iter().enumerate() {
        replay.event(at, event, wrong);
    }
}

/// The state of a run between two events.
struct Replay<'a> {
    facts: &'a Facts,
    known: &'a Known<'a>,
    /// Frames whose captures exist, in the order of their making.
    live: Vec<Id>,
    polled: BTreeSet<Id>,
    /// Frames whose spawn has come back.
    spawned: BTreeSet<Id>,
    ended: BTreeSet<Id>,
    dropped: BTreeSet<Id>,
    /// Values that groups keep, oldest first.
    kept: Vec<Id>,
    /// Values of frames, and how many of each exist.
    values: BTreeMap<Id, i32>,
    /// Why frames may be cut from now on: a group that ends early, a frame that is cancelled, a holder that lets go.
    ending: BTreeSet<Id>,
    cancelled: BTreeSet<Id>,
    let_go: BTreeSet<Id>,
    stopped: BTreeSet<Id>,
    /// Groups whose futures are on the shelves of their frames.
    shelved: BTreeSet<Id>,
    unresolved: BTreeSet<Id>,
    /// Groups whose futures are dropped early.
    leaving: BTreeSet<Id>,
    /// Of these, where a destructor opened a group meanwhile. That is over when its last child says
    /// so, which may take a moment more to leave the group around it, and ends that one then.
    reopened: BTreeSet<Id>,
    /// Frames that have called `cancel` on their group.
    cancelling: BTreeSet<Id>,
    /// Where `cancel` of a group, or of a frame's handle, came back first.
    closed: BTreeMap<Id, usize>,
}

impl<'a> Replay<'a> {
    fn new(facts: &'a Facts, known: &'a Known<'a>) -> Self {
        // When a deadline fired is not known, but that it did is; a forgotten group tells nobody.
        let mut ending: BTreeSet<_> = known
            .delivered
            .iter()
            .filter(|(step, to)| !known.raised.contains(step) && !matches!(to, To::Reader(_)))
            .map(|(step, _)| facts.home(*step))
            .collect();
        let armed = |step: &Id| match facts.steps.get(step) {
            None => true,
            Some(step) => matches!(step.op, Op::Deadline(_) | Op::StopWithin(_)),
        };
        ending.extend(
            known
                .forgotten
                .iter()
                .filter(|group| facts.groups[group].causes.iter().any(armed)),
        );
        Self {
            facts,
            known,
            live: Vec::new(),
            polled: BTreeSet::new(),
            spawned: BTreeSet::new(),
            ended: BTreeSet::new(),
            dropped: BTreeSet::new(),
            kept: Vec::new(),
            values: BTreeMap::new(),
            ending,
            cancelled: BTreeSet::new(),
            let_go: BTreeSet::new(),
            stopped: BTreeSet::new(),
            shelved: BTreeSet::new(),
            unresolved: facts.groups.keys().copied().collect(),
            leaving: BTreeSet::new(),
            reopened: BTreeSet::new(),
            cancelling: BTreeSet::new(),
            closed: BTreeMap::new(),
        }
    }

    fn event(&mut self, at: usize, event: &Event, wrong: &mut Vec<String>) {
        let facts = self.facts;
        match event {
            // It may be given back, and then its group may have ended meanwhile.
            Event::Made(frame) if facts.frames[frame].kind == Kind::Posted => {}
            Event::Made(frame) => self.live.push(*frame),
            Event::Polled(frame, before) => {
                self.taken_in(*frame);
                if facts.frames[frame].kind == Kind::Cleanup {
                    self.cleanup(*frame, wrong);
                }
                self.begins(*frame, *before, wrong);
                self.polled.insert(*frame);
            }
            Event::Ended(frame, well) => {
                self.ended.insert(*frame);
                let fact = &facts.frames[frame];
                if *well && fact.kind == Kind::Contestant {
                    self.ending.insert(fact.group);
                }
            }
            Event::Spawned(frame) => {
                self.taken_in(*frame);
                self.spawned.insert(*frame);
                self.spawned(*frame, wrong);
            }
            Event::Shelved(group) => _ = self.shelved.insert(*group),
            Event::Taken(group) => _ = self.shelved.remove(group),
            Event::Refused(frame) if self.polled.contains(frame) => {
                wrong.push(format!("{frame} was given back, and had been polled"));
            }
            Event::Dropped(frame) => self.dropped(*frame, wrong),
            Event::Raised(step) => self.raised(*step),
            Event::Cancelling(frame) => _ = self.cancelled.insert(*frame),
            Event::Cancelled(frame) => _ = self.closed.insert(*frame, at),
            Event::Rejoined(step) => self.rejoined(*step, wrong),
            Event::Let(step) => _ = self.let_go.insert(*step),
            Event::Stopped(step) => _ = self.stopped.insert(facts.home(*step)),
            Event::Leaving(group) if self.unresolved.contains(group) => {
                self.ending.insert(*group);
                self.leaving.insert(*group);
            }
            Event::Parting(id) => {
                let home = facts.openers.get(id);
                let around = |group: &&Id| home.is_some_and(|home| facts.is_in(*home, **group));
                self.reopened.extend(self.leaving.iter().filter(around));
            }
            Event::Resolved(group, _) => {
                self.unresolved.remove(group);
                self.over(*group, wrong);
            }
            Event::Gone(group, unwinding) => {
                self.unresolved.remove(group);
                if *unwinding && facts.is_reached(*group) {
                    self.over(*group, wrong);
                }
            }
            Event::Done(step) => self.done(at, *step, wrong),
            Event::Kept(step) => self.kept.push(*step),
            Event::KeptDropped(step) => self.kept_dropped(*step, wrong),
            Event::Valued(of) => *self.values.entry(*of).or_default() += 1,
            Event::ValueDropped(of) => {
                let count = self.values.entry(*of).or_default();
                *count -= 1;
                if *count < 0 {
                    wrong.push(format!("the value of {of} was dropped twice"));
                }
            }
            Event::Over => self.all_over(wrong),
            _ => {}
        }
    }

    /// A group has taken in a frame that might have been given back.
    fn taken_in(&mut self, frame: Id) {
        let posted = self.facts.frames[&frame].kind == Kind::Posted;
        if posted && !self.dropped.contains(&frame) && !self.live.contains(&frame) {
            self.live.push(frame);
        }
    }

    /// Frames that are alive in a group and below; those that a forgotten future holds are nobody's.
    fn alive_in(&self, group: Id) -> Vec<Id> {
        let inside = |frame: &&Id| {
            self.facts.is_in(self.facts.frames[frame].group, group) && !self.known.holds(**frame)
        };
        self.live.iter().filter(inside).copied().collect()
    }

    fn kept_in(&self, group: Id) -> Vec<Id> {
        let inside = |step: &&Id| {
            let home = self.facts.home(**step);
            self.facts.is_in(home, group) && !self.known.forgotten.contains(&home)
        };
        self.kept.iter().filter(inside).copied().collect()
    }

    fn cleanup(&self, frame: Id, wrong: &mut Vec<String>) {
        let fact = &self.facts.frames[&frame];
        let waits = |other: &Id| {
            let other_fact = &self.facts.frames[other];
            other_fact.kind == Kind::Cleanup
                && other_fact.group == fact.group
                && !self.polled.contains(other)
        };
        let mut alive = self.alive_in(fact.group);
        // A body that nobody polls holds up nothing: it is dropped with the frame that has it.
        let aside = |other: &Id| {
            let other_fact = &self.facts.frames[other];
            other_fact.kind == Kind::Body && self.facts.is_kept(other_fact.group)
        };
        alive.retain(|other| !waits(other) && !aside(other));
        if !alive.is_empty() {
            wrong.push(format!(
                "cleanup {frame} began while {alive:?} lived in its group"
            ));
        }
        let place = self
            .live
            .iter()
            .position(|other| *other == frame)
            .unwrap_or_default();
        let newer = self.live[place..].iter().skip(1);
        let newer: Vec<_> = newer
            .filter(|other| waits(other) && self.facts.frames[other].maker == fact.maker)
            .collect();
        if !newer.is_empty() {
            wrong.push(format!("cleanup {frame} began before the newer {newer:?}"));
        }
    }

    /// What was taken up after a cancel had come back is dropped instead.
    fn begins(&self, frame: Id, before: Option<usize>, wrong: &mut Vec<String>) {
        let fact = &self.facts.frames[&frame];
        let child = matches!(
            fact.kind,
            Kind::Child | Kind::Supervised | Kind::Member(_) | Kind::Started(_) | Kind::Posted
        );
        let late = |id: &Id| self.closed.get(id).is_some_and(|at| before >= Some(*at));
        if child && (late(&frame) || late(&fact.group)) {
            wrong.push(format!("{frame} began after it was cut"));
        }
    }

    /// Both halves have come to their ends.
    fn rejoined(&self, step: Id, wrong: &mut Vec<String>) {
        for half in self.facts.halves(step) {
            if !self.polled.contains(&half) || !self.dropped.contains(&half) {
                wrong.push(format!("join {step} is over, and its half {half} is not"));
            }
        }
    }

    fn spawned(&self, frame: Id, wrong: &mut Vec<String>) {
        let fact = &self.facts.frames[&frame];
        let born_cut = fact
            .maker
            .is_some_and(|maker| self.cancelling.contains(&maker));
        let into_group = !matches!(fact.kind, Kind::Cleanup | Kind::Contestant | Kind::Posted);
        if born_cut
            && into_group
            && (self.polled.contains(&frame) || !self.dropped.contains(&frame))
        {
            wrong.push(format!("{frame} was not born cancelled"));
        }
    }

    fn dropped(&mut self, frame: Id, wrong: &mut Vec<String>) {
        if !self.dropped.insert(frame) {
            wrong.push(format!("{frame} was dropped twice"));
        }
        self.live.retain(|other| *other != frame);
        let fact = &self.facts.frames[&frame];
        let panicked = || !self.facts.panics_in(frame).is_disjoint(&self.known.raised);
        if !self.ended.contains(&frame) && !panicked() {
            let reason = self.facts.kind(frame) != Kind::Cleanup && self.may_be_cut(frame);
            let refused = fact.kind == Kind::Posted && !self.polled.contains(&frame);
            if !reason && !refused {
                wrong.push(format!("{frame} was cut without a reason"));
            }
        }
        // One that starts while its group is being cancelled cuts itself, and then as a rule before its first poll. One
        // whose spawn has not come back may not be among the services yet, which another thread is cutting.
        let began = self.polled.contains(&frame);
        if fact.kind == Kind::Service && began && !self.ended.contains(&frame) && !panicked() {
            let newer = |other: &&Id| {
                let other_fact = &self.facts.frames[other];
                **other > frame
                    && self.spawned.contains(other)
                    && other_fact.kind == Kind::Service
                    && other_fact.maker == fact.maker
            };
            let newer: Vec<_> = self.live.iter().filter(newer).collect();
            if !newer.is_empty() {
                wrong.push(format!(
                    "service {frame} was cut before the newer {newer:?}"
                ));
            }
        }
        if self.facts.is_owned(frame) {
            for (id, group) in &self.facts.groups {
                // What it kept, and did not poll, is settled before a cut drops it, too.
                let kept = self.shelved.contains(id)
                    && !self.ended.contains(&frame)
                    && !panicked()
                    && !self.facts.is_unwound(frame)
                    && !self.facts.may_block(frame)
                    && !self.facts.is_sheltered(frame);
                if group.host == Some(frame) && (group.plain || group.held || kept) {
                    let alive = self.alive_in(*id);
                    let mut kept = self.kept_in(*id);
                    if self.reopened.contains(id) {
                        kept.clear();
                    }
                    if !alive.is_empty() || !kept.is_empty() {
                        wrong.push(format!("{frame} was dropped before what it waited for in {id}: {alive:?}, {kept:?}"));
                    }
                }
            }
        }
    }

    /// A group has resolved, or its panic comes out.
    fn over(&self, group: Id, wrong: &mut Vec<String>) {
        let alive = self.alive_in(group);
        if !alive.is_empty() {
            wrong.push(format!("group {group} ended before {alive:?}"));
        }
        let kept = self.kept_in(group);
        if !kept.is_empty() {
            wrong.push(format!(
                "group {group} ended before the kept values of {kept:?}"
            ));
        }
    }

    fn done(&mut self, at: usize, step: Id, wrong: &mut Vec<String>) {
        let fact = &self.facts.steps[&step];
        let frame = &self.facts.frames[&fact.frame];
        let halves = self.facts.halves(step);
        if halves.iter().any(|half| self.cancelling.contains(half)) {
            self.cancelling.insert(fact.frame);
        }
        match fact.op {
            Op::Cancel => {
                self.cancelling.insert(fact.frame);
                self.closed.entry(frame.group).or_insert(at);
            }
            Op::Stopping => {
                let mut at = Some(frame.group);
                let mut stopped = self.ends(frame.group);
                while let (Some(group), false) = (at, stopped) {
                    stopped = self.stopped.contains(&group);
                    at = self.facts.groups[&group].parent;
                }
                if !stopped {
                    wrong.push(format!("{step} saw a stop that nobody asked for"));
                }
            }
            Op::Yield(times) if times > 0 => {
                let cut = matches!(
                    self.facts.kind(fact.frame),
                    Kind::Body
                        | Kind::Child
                        | Kind::Supervised
                        | Kind::Member(_)
                        | Kind::Started(_)
                );
                if cut
                    && self.cancelling.contains(&fact.frame)
                    && !fact.shielded
                    && !frame.leaves_open
                {
                    wrong.push(format!("{step} came back in a group that was cancelled"));
                }
            }
            _ => {}
        }
    }

    fn kept_dropped(&mut self, step: Id, wrong: &mut Vec<String>) {
        let Some(place) = self.kept.iter().position(|kept| *kept == step) else {
            wrong.push(format!("the kept value of {step} was dropped twice"));
            return;
        };
        let frame = self.facts.steps[&step].frame;
        let newer: Vec<_> = self.kept[place..]
            .iter()
            .skip(1)
            .filter(|kept| self.facts.steps[kept].frame == frame)
            .collect();
        if !newer.is_empty() {
            wrong.push(format!(
                "the kept value of {step} was dropped before the newer {newer:?}"
            ));
        }
        self.kept.remove(place);
        let alive = self.alive_in(self.facts.home(step));
        if !alive.is_empty() {
            wrong.push(format!(
                "the kept value of {step} was dropped while {alive:?} lived"
            ));
        }
    }

    /// The outermost group is over: nothing is left but what was forgotten.
    fn all_over(&self, wrong: &mut Vec<String>) {
        let alive: Vec<_> = self
            .live
            .iter()
            .filter(|frame| !self.known.holds(**frame))
            .collect();
        if !alive.is_empty() {
            wrong.push(format!("left over: frames {alive:?}"));
        }
        let kept: Vec<_> = self
            .kept
            .iter()
            .filter(|step| !self.known.forgotten.contains(&self.facts.home(**step)))
            .collect();
        if !kept.is_empty() {
            wrong.push(format!("left over: kept values {kept:?}"));
        }
        for (of, count) in &self.values {
            let (own, maker) = match self.facts.steps.get(of) {
                Some(step) => (None, self.facts.frames[&step.frame].maker),
                None => (Some(*of), self.facts.frames[of].maker),
            };
            if *count != 0
                && ![own, maker]
                    .into_iter()
                    .flatten()
                    .any(|frame| self.known.holds(frame))
            {
                wrong.push(format!("left over: the value of {of}"));
            }
        }
    }
}
