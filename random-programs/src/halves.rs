//! Judges the failures of halves of `join`: which of two comes out, and where the other one goes.

use crate::check::Known;
use crate::model::Kind;
use crate::program::Id;
use crate::record::To;

impl Known<'_> {
    /// The error of this half is nobody's: the other one panicked or was cut, or it is the first and failed.
    pub(crate) fn is_outdone(&self, half: Id) -> bool {
        let outdoes = |other: Id| match self.ended(other) {
            None => true,
            Some(well) => !well && other < half,
        };
        self.other(half).is_some_and(outdoes)
    }

    /// In a second half whose first one panicked by a step of its own: that panic comes out, whatever this one does.
    pub(crate) fn is_outranked(&self, frame: Id) -> bool {
        let steps = &self.facts.steps;
        let panics = || self.raised.iter().filter(|step| self.is_panic(**step));
        self.is_behind(frame, |first| {
            panics().any(|step| self.facts.carriers(steps[step].frame).contains(&first))
        })
    }

    /// The panic of a second half whose first one panicked: the hook has it, and it fails nothing.
    pub(crate) fn is_second_panic(&self, step: Id) -> bool {
        let panicked = |half: Id| {
            self.ended(half).is_none() && !self.facts.panics_in(half).is_disjoint(&self.raised)
        };
        self.delivered.get(&step) == Some(&To::Hook)
            && self.is_panic(step)
            && self.is_behind(self.facts.steps[&step].frame, panicked)
    }

    /// Whether the frame is, or is in, a second half whose first one is like this.
    fn is_behind(&self, frame: Id, like_this: impl Fn(Id) -> bool) -> bool {
        self.facts.carriers(frame).into_iter().any(|half| {
            let first = self.other(half).filter(|other| *other < half);
            first.is_some_and(&like_this)
        })
    }

    /// The other half of the same `join`.
    fn other(&self, half: Id) -> Option<Id> {
        let Kind::Half(join) = self.facts.frames[&half].kind else {
            return None;
        };
        let halves = self.facts.halves(join);
        halves.into_iter().find(|other| *other != half)
    }
}
