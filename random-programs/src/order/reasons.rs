//! Why a frame may be cut.

use super::Replay;
use crate::model::Kind;
use crate::program::{Id, Op};
use crate::record::To;

impl Replay<'_> {
    pub(super) fn raised(&mut self, step: Id) {
        let fact = &self.facts.steps[&step];
        if matches!(fact.op, Op::Cancel) || self.known.fails(step) {
            let mut group = self.facts.home(step);
            self.ending.insert(group);
            if fact.op.panics() {
                // It unwinds whoever awaits.
                while let Some(host) = self.facts.groups[&group].host {
                    group = self.facts.frames[&host].group;
                    self.ending.insert(group);
                }
            }
        } else if fact.op.panics() {
            let mut group = self.facts.home(step);
            let to = self.known.delivered.get(&step).copied();
            // Up to the frame whose reader had it.
            loop {
                let read = self.facts.frames.iter().any(|(id, frame)| {
                    let here = to == Some(To::Reader(*id))
                        || matches!(frame.kind, Kind::Member(set) if to == Some(To::Reader(set)));
                    here && frame.group == group && self.facts.panics_in(*id).contains(&step)
                });
                if read {
                    break;
                }
                self.ending.insert(group);
                let Some(host) = self.facts.groups[&group].host else {
                    break;
                };
                group = self.facts.frames[&host].group;
            }
        }
    }

    pub(super) fn may_be_cut(&self, frame: Id) -> bool {
        let fact = &self.facts.frames[&frame];
        let own = match fact.kind {
            Kind::Started(step) | Kind::Member(step) => self.let_go.contains(&step),
            Kind::Service => self.body_is_gone(fact.group),
            Kind::Half(_) => fact.maker.is_some_and(|maker| self.may_be_cut(maker)),
            _ => false,
        };
        own || self.cancelled.contains(&frame) || self.ends(fact.group)
    }

    fn body_is_gone(&self, group: Id) -> bool {
        self.facts.groups[&group]
            .body
            .is_some_and(|body| self.dropped.contains(&body))
    }

    pub(super) fn ends(&self, group: Id) -> bool {
        let fact = &self.facts.groups[&group];
        self.ending.contains(&group)
            || fact.parent.is_some_and(|parent| self.ends(parent))
            || [fact.host, fact.mover]
                .into_iter()
                .flatten()
                .any(|frame| self.may_be_cut(frame))
    }
}
