//! The lines of the tree: folded, filtered, sorted.

use crate::snapshot::{Group, Snapshot, Task};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// In which order tasks are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Below their groups.
    #[default]
    Tree,
    /// The oldest first, without groups.
    Age,
    /// The most polled first, without groups.
    Polls,
}

impl Sort {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Tree => Self::Age,
            Self::Age => Self::Polls,
            Self::Polls => Self::Tree,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Age => "age",
            Self::Polls => "polls",
        }
    }
}

/// Groups that were opened in one place under one name: they are folded together, as the thousand
/// connections of a server are one idea.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind(Option<String>, String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) text: String,
    /// Of a group; a task has none.
    pub(crate) kind: Option<Kind>,
}

pub(crate) fn rows(
    snapshot: &Snapshot,
    sort: Sort,
    filter: &str,
    folded: &BTreeSet<Kind>,
) -> Vec<Row> {
    let rows = match sort {
        Sort::Tree => tree(snapshot, folded),
        Sort::Age => flat(snapshot, |task| task.age_ms),
        Sort::Polls => flat(snapshot, |task| task.polls),
    };
    let filter = filter.to_lowercase();
    let matches = |row: &Row| row.text.to_lowercase().contains(&filter);
    rows.into_iter().filter(matches).collect()
}

fn tree(snapshot: &Snapshot, folded: &BTreeSet<Kind>) -> Vec<Row> {
    let mut rows = Vec::new();
    // The depth of the folded group that hides what comes now.
    let mut hidden = None;
    for group in &snapshot.groups {
        if hidden.is_some_and(|depth| group.depth > depth) {
            continue;
        }
        let kind = kind(group);
        let is_folded = folded.contains(&kind);
        hidden = is_folded.then_some(group.depth);
        let indent = "  ".repeat(group.depth);
        let mark = if is_folded { '+' } else { '-' };
        rows.push(Row {
            text: format!("{indent}{mark} {}", group.text),
            kind: Some(kind),
        });
        if !is_folded {
            rows.extend(group.tasks.iter().map(|task| Row {
                text: format!("{indent}    {}", task.text),
                kind: None,
            }));
        }
    }
    rows
}

fn flat(snapshot: &Snapshot, key: impl Fn(&Task) -> u64) -> Vec<Row> {
    let mut tasks: Vec<_> = snapshot.groups.iter().flat_map(|g| &g.tasks).collect();
    tasks.sort_by_key(|task| Reverse(key(task)));
    tasks
        .into_iter()
        .map(|task| Row {
            text: task.text.clone(),
            kind: None,
        })
        .collect()
}

fn kind(group: &Group) -> Kind {
    Kind(group.name.clone(), group.place.clone())
}

#[cfg(test)]
mod tests {
    use super::{Sort, rows};
    use crate::snapshot::{Group, Snapshot, Task};
    use std::collections::BTreeSet;

    fn task(text: &str, age_ms: u64, polls: u64) -> Task {
        Task {
            age_ms,
            polls,
            text: text.to_owned(),
        }
    }

    fn group(depth: usize, name: &str, tasks: Vec<Task>) -> Group {
        Group {
            depth,
            name: Some(name.to_owned()),
            place: "src/a.rs:1:1".to_owned(),
            text: format!("group {name}"),
            tasks,
        }
    }

    fn server() -> Snapshot {
        Snapshot {
            groups: vec![
                group(0, "server", vec![task("accepts", 30, 1)]),
                group(1, "conn", vec![task("reads", 10, 7)]),
                group(2, "request", vec![task("works", 20, 3)]),
                group(1, "conn", vec![]),
                group(0, "other", vec![]),
            ],
            ..Snapshot::default()
        }
    }

    fn texts(sort: Sort, filter: &str, folded: &[usize]) -> Vec<String> {
        let snapshot = server();
        let all = rows(&snapshot, Sort::Tree, "", &BTreeSet::new());
        let kinds: BTreeSet<_> = folded
            .iter()
            .filter_map(|at| all[*at].kind.clone())
            .collect();
        let rows = rows(&snapshot, sort, filter, &kinds);
        rows.into_iter().map(|row| row.text).collect()
    }

    #[test]
    fn tasks_stand_below_their_groups() {
        let expected = [
            "- group server",
            "    accepts",
            "  - group conn",
            "      reads",
            "    - group request",
            "        works",
            "  - group conn",
            "- group other",
        ];
        assert_eq!(texts(Sort::Tree, "", &[]), expected);
    }

    #[test]
    fn groups_of_a_kind_are_folded_together_with_all_below() {
        let expected = [
            "- group server",
            "    accepts",
            "  + group conn",
            "  + group conn",
            "- group other",
        ];
        assert_eq!(texts(Sort::Tree, "", &[2]), expected);
        assert_eq!(
            texts(Sort::Tree, "", &[0]),
            ["+ group server", "- group other"]
        );
    }

    #[test]
    fn a_filter_keeps_what_has_its_text_in_either_case() {
        assert_eq!(texts(Sort::Tree, "REQ", &[]), ["    - group request"]);
        assert!(texts(Sort::Tree, "nothing has this", &[]).is_empty());
    }

    #[test]
    fn sorted_tasks_have_no_groups() {
        assert_eq!(texts(Sort::Age, "", &[]), ["accepts", "works", "reads"]);
        assert_eq!(texts(Sort::Polls, "", &[0]), ["reads", "works", "accepts"]);
    }
}
