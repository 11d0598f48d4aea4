//! What must come of each combination: a sequential model of one child.

use super::case::{Case, Fate, Gives, Held, Kind, When};
use crate::matrix::Answer;
use spinney::current::CancelKind;

/// What came of a combination, or must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) polls: usize,
    /// Outputs made, and dropped.
    pub(crate) made: usize,
    pub(crate) outputs: usize,
    /// Why it was cut, if it was.
    pub(crate) cut: Option<CancelKind>,
    /// What the handle gave.
    pub(crate) read: Option<String>,
    pub(crate) answer: Answer,
    pub(crate) outer: Answer,
    pub(crate) unseen: Vec<String>,
}

impl Report {
    /// A reason may also be seen by a child that ended by itself.
    pub(crate) fn agrees(&self, seen: &Self) -> bool {
        let cut = if self.cut.is_none() { None } else { seen.cut };
        *self
            == Self {
                cut,
                ..seen.clone()
            }
    }
}

/// A failure in a group.
#[derive(Clone, Copy, Debug)]
struct Fault {
    is_panic: bool,
    text: &'static str,
}

impl Fault {
    fn error(text: &'static str) -> Self {
        Self {
            is_panic: false,
            text,
        }
    }

    fn panic(text: &'static str) -> Self {
        Self {
            is_panic: true,
            text,
        }
    }

    fn said(self) -> String {
        let kind = if self.is_panic { "panic" } else { "error" };
        format!("{kind} {}", self.text)
    }
}

/// How a child ended: cut, or with what it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Cut,
    Done,
}

/// What the handle can take.
enum Slot {
    Empty,
    Value,
    Failure(Fault),
}

/// The polls and ends that are possible.
fn ends(case: Case) -> Vec<(usize, End)> {
    let last = case.ends.polls();
    let (by_group, by_handle) = (case.cut_by_group(), case.cut_by_handle());
    let before = match case.when {
        When::Born => return vec![(0, End::Cut)],
        When::Unpolled => 0,
        When::During | When::Between => 1,
        When::After => return vec![(last, End::Done)],
    };
    if before == last {
        return vec![(last, End::Done)]; // done beats cancelled
    }
    let of_group = case.kind == Kind::Service && !by_handle;
    match (by_group || by_handle, of_group) {
        (true, false) => vec![(before, End::Cut)],
        // Services are cut when the group gets that far: until then they run.
        (true, true) => {
            let mut ends: Vec<_> = (before..last.min(3))
                .map(|polls| (polls, End::Cut))
                .collect();
            if last != usize::MAX {
                ends.push((last, End::Done));
            }
            ends
        }
        (false, _) if last == usize::MAX => (before..3).map(|polls| (polls, End::Cut)).collect(),
        (false, _) => vec![(last, End::Done)],
    }
}

/// What the child itself tells the group, and what it leaves for the handle.
fn child_side(case: Case, end: End) -> (Vec<Fault>, Slot) {
    let mut faults = Vec::new();
    let watched = case.kind == Kind::Supervise;
    if end == End::Cut {
        if case.drop_panics {
            faults.push(Fault::panic("future"));
        }
        return (faults, Slot::Empty);
    }
    let mut slot = match (case.gives, watched) {
        (Gives::Value, _) => Slot::Value,
        (Gives::Error, true) => Slot::Failure(Fault::error("child")),
        (Gives::Panic, true) => Slot::Failure(Fault::panic("child")),
        (Gives::Error, false) => {
            faults.push(Fault::error("child"));
            Slot::Empty
        }
        (Gives::Panic, false) => {
            faults.push(Fault::panic("child"));
            Slot::Empty
        }
    };
    if case.drop_panics {
        // A panic that came before it stays; a value or an error is outranked, and goes to the
        // group.
        let outranked = std::mem::replace(&mut slot, Slot::Empty);
        match outranked {
            Slot::Value if case.output_panics => faults.push(Fault::panic("output")),
            Slot::Failure(error) if !error.is_panic => faults.push(error),
            _ => {}
        }
        match outranked {
            Slot::Failure(first) if first.is_panic => {
                slot = Slot::Failure(first);
                faults.push(Fault::panic("future"));
            }
            _ if watched => slot = Slot::Failure(Fault::panic("future")),
            _ => faults.push(Fault::panic("future")),
        }
    }
    (faults, slot)
}

/// What may come of a combination. More than one only where two threads race, or a service with the
/// end of its group.
pub(crate) fn allowed(case: Case) -> Vec<Report> {
    let mut allowed: Vec<Report> = Vec::new();
    for (polls, end) in ends(case) {
        for reads in [false, true] {
            for resolves in [false, true] {
                for early in [false, true] {
                    let report = predict(case, polls, end, reads, resolves, early);
                    allowed.extend(report.filter(|report| !allowed.contains(report)));
                }
            }
        }
    }
    allowed
}

/// What must come of a combination, if the child ended like this; `reads`: the body got to read its
/// handle; `resolves`: the group answered before its future could be dropped or forgotten; `early`:
/// the cut by the handle came before the group's. `None`: not possible.
fn predict(
    case: Case,
    polls: usize,
    end: End,
    reads: bool,
    resolves: bool,
    early: bool,
) -> Option<Report> {
    let (mut faults, slot) = child_side(case, end);
    let alive = matches!(case.fate, Fate::Joined | Fate::Shielded);
    let after = case.when == When::After;
    let full = !matches!(slot, Slot::Empty);
    // Whether the handle is read: for certain, perhaps, or never.
    let may_read = match case.held {
        Held::Polled => full && after,
        Held::Awaited | Held::CancelJoined => {
            full && (after || !matches!(case.fate, Fate::Dropped | Fate::Forgotten))
        }
        _ => false,
    };
    let must_read = may_read && (after || (alive && faults.is_empty()));
    if reads && !may_read || !reads && must_read {
        return None;
    }
    let lost = case.fate == Fate::Forgotten
        && !reads
        && matches!(case.held, Held::Kept | Held::Awaited | Held::CancelJoined)
        && !resolves;
    let made = usize::from(end == End::Done && case.gives == Gives::Value);
    let mut outputs = made;
    let mut read = None;
    // The handle's drop panics in the body, which gets no further.
    let mut acted = true;
    match slot {
        // In a shield a poll of a dead handle unwinds to the shield's edge.
        Slot::Empty => acted = !(after && case.held == Held::Polled && case.fate == Fate::Shielded),
        Slot::Value => {
            if reads {
                read = Some("value".to_owned());
            }
            if lost {
                outputs = 0;
            } else if case.output_panics {
                faults.push(Fault::panic("output"));
                acted =
                    !(after && matches!(case.held, Held::Dropped | Held::Polled | Held::Cancelled));
            }
        }
        Slot::Failure(failure) if reads => read = Some(failure.said()),
        Slot::Failure(failure) if !lost => faults.push(failure),
        Slot::Failure(_) => {}
    }
    let failed = !faults.is_empty();
    if acted && case.fate == Fate::Cancelled {
        faults.push(Fault::error("cancel"));
    }
    let outer_cancelled =
        acted && matches!(case.fate, Fate::Nested | Fate::Shielded) || case.needs_outer_cancel();
    // A group that failed before its future was dropped may have answered.
    let dropped = matches!(case.fate, Fate::Dropped | Fate::Forgotten);
    let may_resolve =
        dropped && failed && (after || (case.when == When::Between && case.cut_by_handle()));
    let must_resolve = dropped && !acted;
    if resolves && !may_resolve || !resolves && must_resolve {
        return None;
    }
    let answers = !dropped || resolves;
    let mut unseen = Vec::new();
    let panic = faults.iter().position(|fault| fault.is_panic);
    let answer = if answers {
        match panic {
            Some(first) => {
                let rest = faults.iter().enumerate().filter(|(at, _)| *at != first);
                unseen.extend(rest.map(|(_, fault)| fault.said()));
                Answer::Panic(faults[first].text.to_owned())
            }
            None if !faults.is_empty() => {
                let mut errors: Vec<_> = faults.iter().map(|fault| fault.text).collect();
                errors.sort_unstable();
                Answer::Errors(errors)
            }
            None if case.fate == Fate::Nested => Answer::None,
            None => Answer::Value,
        }
    } else {
        let lost_with_it = |at: usize, fault: &Fault| {
            case.fate == Fate::Forgotten && (!fault.is_panic || Some(at) == panic)
        };
        let told = faults
            .iter()
            .enumerate()
            .filter(|(at, fault)| !lost_with_it(*at, fault));
        unseen.extend(told.map(|(_, fault)| fault.said()));
        Answer::None
    };
    unseen.sort();
    let by_group = match case.fate {
        Fate::Cancelled | Fate::Nested => Some(CancelKind::Cancelled),
        Fate::Dropped => Some(CancelKind::Dropped),
        Fate::Forgotten if case.needs_outer_cancel() => Some(CancelKind::Cancelled),
        _ => None,
    };
    let cut = match (end, by_group) {
        (End::Done, _) => None,
        (End::Cut, Some(kind)) if !(early && case.cut_by_handle()) => Some(kind),
        (End::Cut, _) => Some(CancelKind::TaskCancelled),
    };
    let outer = match outer_cancelled {
        true => Answer::Errors(vec!["outer"]),
        false => Answer::Value,
    };
    Some(Report {
        polls,
        made,
        outputs,
        cut,
        read,
        answer,
        outer,
        unseen,
    })
}
