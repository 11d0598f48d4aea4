//! Judges what the runtime says to be alive after the outermost group.

use crate::check::Known;
use crate::record::Event;

impl Known<'_> {
    /// After the outermost group no task is alive, and no group and no timer but those that were forgotten.
    pub(crate) fn alive(&self, wrong: &mut Vec<String>) {
        let alive = self.events.iter().find_map(|event| match event {
            Event::Alive(tasks, groups, timers) => Some((*tasks, *groups as usize, *timers)),
            _ => None,
        });
        let Some((tasks, groups, timers)) = alive else {
            wrong.push("nobody asked what is alive".to_owned());
            return;
        };
        if tasks != 0 {
            wrong.push(format!("{tasks} tasks are alive"));
        }
        let after = Event::AliveAfter(tasks + 1, groups as u64 + 1);
        if !self.events.contains(&after) {
            wrong.push("one more task and one more group are not counted".to_owned());
        }
        // A timer of a forgotten group is there until it fires.
        if timers != 0 && self.forgotten.is_empty() {
            wrong.push(format!("{timers} timers are alive"));
        }
        let (least, most) = (self.surely_open(), self.perhaps_open());
        if !(least..=most).contains(&groups) {
            wrong.push(format!(
                "{groups} groups are alive, and should be {least} to {most}"
            ));
        }
    }

    /// How many groups were forgotten with their bodies.
    fn surely_open(&self) -> usize {
        let happened = |event: &Event| self.events.contains(event);
        let bodies = self
            .forgotten
            .iter()
            .filter_map(|group| self.facts.groups.get(group)?.body);
        bodies
            .filter(|body| happened(&Event::Made(*body)) && !happened(&Event::Dropped(*body)))
            .count()
    }

    /// As many more may have been opened, and not have ended before they were forgotten. One that escapes has another
    /// one around it.
    fn perhaps_open(&self) -> usize {
        let groups = self.facts.groups.values();
        let escapes =
            groups.filter(|group| group.escapes && group.host.is_some_and(|host| self.holds(host)));
        self.forgotten.len() + escapes.count()
    }
}
