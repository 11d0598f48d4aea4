//! `docs/interop.md` tells the truth: its tests exist, none is left out, and its versions are those
//! that were tested.

use super::files::{root, tests};
use std::collections::BTreeSet;
use std::fs;

/// The packages of a lock file, as `name version`.
fn locked(lock: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(lock)).unwrap();
    let mut lines = text.lines();
    let mut packages = BTreeSet::new();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("name = ") {
            let version = lines.next().unwrap().strip_prefix("version = ").unwrap();
            packages.insert(format!("{name} {version}").replace('"', ""));
        }
    }
    packages
}

/// The rows of the page's tables: the subject, its version, and the tests in the last cell.
fn rows(page: &str) -> Vec<(&str, &str, Vec<&str>)> {
    let rows = page.lines().filter_map(|line| {
        let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let cells: Vec<_> = row.split(" | ").collect();
        let tests = cells.last()?.split('`').skip(1).step_by(2).collect();
        let (subject, version) = (*cells.first()?, *cells.get(1)?);
        (version != "version").then_some((subject, version, tests))
    });
    rows.collect()
}

/// What is wrong with a page.
fn complaints(page: &str) -> Vec<String> {
    let tests = tests(&["interop/tests"]);
    let locked = locked("interop/Cargo.lock");
    let rows = rows(page);
    let mut wrong = Vec::new();
    for (subject, version, named) in &rows {
        if !locked.contains(&format!("{subject} {version}")) {
            wrong.push(format!("{subject} {version} is not what is tested"));
        }
        if named.is_empty() {
            wrong.push(format!("no test: {subject}"));
        }
        for test in named.iter().filter(|test| !tests.contains(**test)) {
            wrong.push(format!("{test} does not exist: {subject}"));
        }
    }
    let named: BTreeSet<_> = rows.iter().flat_map(|row| &row.2).copied().collect();
    for test in tests.iter().filter(|test| test.contains("::")) {
        if !named.contains(test.as_str()) {
            wrong.push(format!("{test} has no row"));
        }
    }
    wrong
}

fn page() -> String {
    fs::read_to_string(root().join("docs/interop.md")).unwrap()
}

#[test]
fn every_row_has_its_version_and_its_tests() {
    let wrong = complaints(&page());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(rows(&page()).len() > 10);
}

#[test]
fn a_wrong_page_is_noticed() {
    let page = page();
    let test = "interop/tests/libraries/moka.rs::moka";
    let lost = complaints(&page.replacen(test, "interop/tests/gone.rs::gone", 1)).join("\n");
    assert!(lost.contains("interop/tests/gone.rs::gone does not exist: moka"));
    assert!(lost.contains(&format!("{test} has no row")));
    let old = complaints(&page.replacen("| moka | 0.", "| moka | 99.", 1)).join("\n");
    assert!(old.contains("moka 99."), "{old}");
    let row = "| none | 1 | – |\n";
    let none = complaints(&format!("{page}{row}")).join("\n");
    assert!(none.contains("no test: none"), "{none}");
}
