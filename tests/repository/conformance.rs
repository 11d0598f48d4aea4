//! `docs/conformance.md` tells the truth: each row has a known state, its tests exist, and the
//! counts are right.

use crate::files::{root, rust_files, tests};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const STATES: [&str; 3] = ["holds", "differs", "cannot occur"];

/// The tests and models of the repository, and the refused and accepted programs.
fn repository() -> BTreeSet<String> {
    tests(&["tests", "loom-tests/tests"])
}

/// The cells of a row of a table, of which there are so many.
fn cells(line: &str, count: usize) -> Option<Vec<&str>> {
    let cells: Vec<_> = line
        .strip_prefix("| ")?
        .strip_suffix(" |")?
        .split(" | ")
        .collect();
    (cells.len() == count && cells[0] != "behaviour").then_some(cells)
}

/// The state of a row, without its reason.
fn state(cell: &str) -> &str {
    cell.split(':').next().unwrap_or(cell)
}

/// What is wrong with a page, given the tests that there are.
fn complaints(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for row in page.lines().filter_map(|line| cells(line, 4)) {
        let [behaviour, anchor, named, verdict] = row[..] else {
            continue;
        };
        if !seen.insert(behaviour) {
            wrong.push(format!("there twice: {behaviour}"));
        }
        let state = state(verdict);
        *counts.entry(state).or_insert(0) += 1;
        if !STATES.contains(&state) || (state != "holds" && verdict.len() < state.len() + 3) {
            wrong.push(format!(
                "`{verdict}` is no state, or has no reason: {behaviour}"
            ));
        }
        if anchor.trim().is_empty() {
            wrong.push(format!("no anchor: {behaviour}"));
        }
        let named: Vec<_> = named.split('`').skip(1).step_by(2).collect();
        if named.is_empty() && state == "holds" {
            wrong.push(format!("no test: {behaviour}"));
        }
        for test in named.into_iter().filter(|test| !tests.contains(*test)) {
            wrong.push(format!("{test} does not exist: {behaviour}"));
        }
    }
    let stated = page.lines().filter_map(|line| cells(line, 3));
    let stated: BTreeMap<_, _> = stated
        .filter(|row| STATES.contains(&row[0]))
        .map(|row| (row[0], row[1].parse().unwrap_or(0)))
        .collect();
    if stated != counts {
        wrong.push(format!("counts: {stated:?} should be {counts:?}"));
    }
    wrong
}

fn page() -> String {
    fs::read_to_string(root().join("docs/conformance.md")).unwrap()
}

#[test]
fn every_behaviour_has_its_state_and_its_tests() {
    let wrong = complaints(&page(), &repository());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(page().lines().filter_map(|line| cells(line, 4)).count() > 200);
}

/// The complaints about a page with one change.
fn after(old: &str, new: &str) -> String {
    let page = page();
    assert!(page.contains(old), "{old}");
    complaints(&page.replacen(old, new, 1), &repository()).join("\n")
}

#[test]
fn a_wrong_page_is_noticed() {
    let lost = after(
        "tests/structure/no_orphans.rs::every_child_runs_once_and_is_joined",
        "tests/structure/no_orphans.rs::gone",
    );
    assert!(lost.contains("tests/structure/no_orphans.rs::gone does not exist"));
    assert!(after(" | holds |\n", " | perhaps |\n").contains("`perhaps` is no state"));
    assert!(after(" | holds |\n", " | differs |\n").contains("has no reason"));
    assert!(after("| holds | 1", "| holds | 2").contains("counts"));
    let row = "| Something. | – | – | holds |\n";
    assert!(after("| behaviour |", &format!("{row}| behaviour |")).contains("no test: Something."));
}

/// The table of what proves that a socket is drained, or full, and the table of its tests.
#[test]
fn what_proves_that_a_socket_is_drained_is_tested_row_by_row() {
    let file = fs::read_to_string(root().join("src/net/registered.rs")).unwrap();
    let rows = |count| {
        let lines = file.lines().filter_map(|line| line.strip_prefix("//! "));
        let rows = lines.filter_map(move |line| cells(line, count));
        rows.skip(1)
    };
    let behaviours: Vec<_> = rows(3).map(|row| row[0]).collect();
    let tested: Vec<_> = rows(2).map(|row| row[0]).collect();
    assert_eq!(behaviours, tested);
    assert!(behaviours.len() > 10);
    let texts = ["src/net", "tests/network", "tests/other_crates/net"];
    let texts: Vec<_> = texts.iter().flat_map(|dir| rust_files(dir)).collect();
    for row in rows(2) {
        let test = format!("fn {}(", row[1].trim_matches('`'));
        assert!(
            texts.iter().any(|(_, text)| text.contains(&test)),
            "{row:?}"
        );
    }
}
