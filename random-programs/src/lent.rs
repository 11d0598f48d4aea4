//! Judges what outlives something: waits in destructors, relays, and handles that are used after their groups.

use crate::check::Known;
use crate::model::{Facts, Kind};
use crate::program::Id;
use crate::record::Event;
use std::collections::BTreeSet;

/// Groups that are over.
struct Over<'a> {
    facts: &'a Facts,
    ended: BTreeSet<Id>,
    orphaned: BTreeSet<Id>,
}

impl Over<'_> {
    /// This one, or its parent.
    fn has(&self, group: Id) -> bool {
        let parent = self.facts.groups[&group].parent;
        self.ended.contains(&group)
            || self.orphaned.contains(&group)
            || parent.is_some_and(|parent| self.ended.contains(&parent))
    }
}

impl Known<'_> {
    /// A wait in a destructor is never cut, and the rest of the destructor is run; what a frame borrows is there at its end.
    pub(crate) fn partings(&self, wrong: &mut Vec<String>) {
        for event in self.events {
            match event {
                Event::Parting(id) if !self.events.contains(&Event::Parted(*id)) => {
                    wrong.push(format!("the wait in destructor {id} was cut"));
                }
                Event::Stale(frame) => {
                    wrong.push(format!(
                        "{frame} was dropped after what it borrows from its group"
                    ));
                }
                _ => {}
            }
        }
    }

    /// After a relay nothing of it is left.
    pub(crate) fn relays(&self, wrong: &mut Vec<String>) {
        for event in self.events {
            match event {
                Event::Relayed(step, left) if *left > 0 => {
                    wrong.push(format!("{left} values of relay {step} are left over"));
                }
                _ => {}
            }
        }
    }

    fn contestants(&self, race: Id) -> BTreeSet<Id> {
        let frames = self.facts.frames.iter();
        let of_race = frames
            .filter(|(_, fact)| fact.group == race && fact.kind == Kind::Contestant)
            .map(|(id, _)| *id);
        of_race.collect()
    }

    /// A handle gives the future back once its group, or the parent of that, has ended, and not before.
    pub(crate) fn knocks(&self, wrong: &mut Vec<String>) {
        let mut over = Over {
            facts: self.facts,
            ended: BTreeSet::new(),
            orphaned: BTreeSet::new(),
        };
        let mut ending = BTreeSet::new();
        let mut contestants = BTreeSet::new();
        let mut too_late = BTreeSet::new();
        for event in self.events {
            match event {
                Event::Resolved(group, _) => _ = over.ended.insert(*group),
                Event::Orphaned(group) => {
                    over.orphaned.insert(*group);
                    ending.insert(*group);
                }
                // When a group ends whose body is gone is not known. A race has none: it ends when all
                // its contestants are gone.
                Event::Dropped(frame) => {
                    let group = self.facts.frames[frame].group;
                    match self.facts.kind(*frame) {
                        Kind::Body => _ = ending.insert(group),
                        Kind::Contestant => {
                            contestants.insert(*frame);
                            if self.contestants(group).is_subset(&contestants) {
                                ending.insert(group);
                            }
                        }
                        _ => {}
                    }
                }
                Event::Knocks(frame, group) if over.has(*group) => _ = too_late.insert(*frame),
                Event::Spawned(frame) if too_late.contains(frame) => {
                    wrong.push(format!("{frame} was taken in by a group that is over, as it is itself or its parent"));
                }
                Event::Refused(frame) => {
                    let group = self.facts.frames[frame].group;
                    let parent = |group: &Id| self.facts.groups[group].parent;
                    let mut around = std::iter::successors(Some(group), parent);
                    if !around.any(|group| ending.contains(&group)) {
                        wrong.push(format!("{frame} was given back, and nothing had ended"));
                    }
                }
                Event::LastKnock(group, false) if over.has(*group) => {
                    wrong.push(format!(
                        "group {group}, or its parent, is over, and its handle took a future"
                    ));
                }
                _ => {}
            }
        }
    }
}
