//! `docs/conformance.md` tells the truth: its tests exist and cite their cases, no case is missing, the counts are right.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The cases that were kept; the numbers between them are missing on purpose.
const CASES: &str = "1-2 4-7 9-12 14-17 19-22 24-27 29-32 34-37 39-42 44-47 49-52 54-57 59-62 64-67 69-72 74-77 79-82 \
    84-87 89-92 94-97 99-102 104-107 109-112 114-117 119-122 124-127 129-132 134-137 139-142 144-147 149-152 154-157 \
    159-162 164-167 169-172 174-177 179-182 184-187 189-192 194-197 199-202 204-207 209-212 214-217 219";

const RULES: u32 = 40;

const VERDICTS: [&str; 3] = ["holds", "differs on purpose", "cannot occur"];

fn cases() -> BTreeSet<u32> {
    let ranges = CASES.split_whitespace().flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<u32>().unwrap()..=last.parse().unwrap()
    });
    ranges.collect()
}

/// A row of one of the tables.
struct Row<'a> {
    name: &'a str,
    text: &'a str,
    verdict: &'a str,
}

impl Row<'_> {
    /// The tests that it names, each with its file.
    fn tests(&self, complaints: &mut Vec<String>) -> Vec<String> {
        let mut file = "";
        let mut tests = Vec::new();
        for quoted in self.text.split('`').skip(1).step_by(2) {
            let is_path = quoted.starts_with("tests/") || quoted.starts_with("loom-tests/");
            if !is_path && !quoted.starts_with("::") {
                continue;
            }
            let Some((path, name)) = quoted.split_once("::") else {
                if !root().join(quoted).is_file() {
                    complaints.push(format!("{}: {quoted} does not exist", self.name));
                }
                continue;
            };
            if !path.is_empty() {
                file = path;
            }
            tests.push(format!("{file}::{name}"));
        }
        tests
    }
}

/// The rows of tables whose first cell is accepted. Cells hold no bars.
fn rows(page: &str, accepts: impl Fn(&str) -> bool) -> Vec<Row<'_>> {
    let cells = page.lines().filter_map(|line| {
        let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
        Some(line.split(" | ").collect::<Vec<_>>())
    });
    let rows = cells.filter(|cells| cells.len() > 2 && accepts(cells[0]));
    rows.map(|cells| Row {
        name: cells[0],
        text: cells[cells.len() - 2],
        verdict: cells[cells.len() - 1],
    })
    .collect()
}

fn is_case(cell: &str) -> bool {
    cell.parse::<u32>().is_ok()
}

fn is_rule(cell: &str) -> bool {
    cell.strip_prefix('R').is_some_and(is_case)
}

/// The tests of the repository by file and name, each with the cases that it cites.
type Tests = BTreeMap<String, BTreeSet<u32>>;

/// The numbers after each `Case` or `Cases` of a text: `Case 4.`, `Cases 1, 2 and 3:`.
fn cited(docs: &str) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for rest in docs.split("Case").skip(1) {
        let Some(mut rest) = rest.strip_prefix(' ').or_else(|| rest.strip_prefix("s ")) else {
            continue;
        };
        loop {
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            let Ok(number) = rest[..end].parse() else {
                break;
            };
            found.insert(number);
            rest = &rest[end..];
            let next = rest
                .strip_prefix(", ")
                .or_else(|| rest.strip_prefix(" and "));
            let Some(next) = next else { break };
            rest = next;
        }
    }
    found
}

/// Adds the tests of one file.
fn collect(file: &str, source: &str, tests: &mut Tests) {
    let mut docs = String::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            docs += doc;
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]";
        } else {
            let name = line
                .strip_prefix("fn ")
                .and_then(|rest| rest.split('(').next());
            if let (true, Some(name)) = (is_test, name) {
                tests.insert(format!("{file}::{name}"), cited(&docs));
            }
            docs.clear();
            is_test = false;
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn repository() -> Tests {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => walk(&path, found),
                Some(extension) if extension == "rs" => found.push(path),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("tests"), &mut found);
    walk(&root().join("loom-tests/tests"), &mut found);
    let mut tests = Tests::new();
    for path in found {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        collect(name, &fs::read_to_string(&path).unwrap(), &mut tests);
    }
    tests
}

/// What is wrong with a page, given the tests that there are.
fn complaints(page: &str, tests: &Tests) -> Vec<String> {
    let mut wrong = Vec::new();
    let (of_cases, of_rules) = (rows(page, is_case), rows(page, is_rule));
    let expected = cases().into_iter().map(|case| case.to_string());
    let expected = expected.chain((1..=RULES).map(|rule| format!("R{rule}")));
    let mut left: BTreeSet<_> = expected.collect();
    let mut cites = BTreeMap::new();
    for row in of_cases.iter().chain(&of_rules) {
        if !left.remove(row.name) {
            wrong.push(format!("{}: unknown, or there twice", row.name));
        }
        if !VERDICTS.contains(&row.verdict) {
            wrong.push(format!("{}: `{}` is no verdict", row.name, row.verdict));
        }
        let named = row.tests(&mut wrong);
        for test in named.iter().filter(|test| !tests.contains_key(*test)) {
            wrong.push(format!("{}: {test} does not exist", row.name));
        }
        if row.text.trim().is_empty() || (row.verdict == "holds" && named.is_empty()) {
            wrong.push(format!("{}: neither a test nor a reason", row.name));
        }
        if let Ok(case) = row.name.parse::<u32>() {
            let says_so =
                |test: &String| tests.get(test).is_some_and(|cited| cited.contains(&case));
            if row.verdict == "holds" && !named.iter().any(says_so) {
                wrong.push(format!("{case}: none of its tests cites it"));
            }
            cites.insert(case, named);
        }
    }
    wrong.extend(left.iter().map(|name| format!("{name}: missing")));
    for (test, cited) in tests {
        for case in cited {
            if !cites.get(case).is_some_and(|named| named.contains(test)) {
                wrong.push(format!("{case}: {test} cites it, and is not named"));
            }
        }
    }
    let counts = rows(page, |cell| VERDICTS.contains(&cell));
    if counts.len() != VERDICTS.len() {
        wrong.push("counts: one line for each verdict".to_owned());
    }
    for line in page.lines().filter_map(|line| line.strip_prefix("| ")) {
        let cells: Vec<_> = line.split(" | ").collect();
        if !VERDICTS.contains(&cells[0]) {
            continue;
        }
        let is = |row: &&Row<'_>| row.verdict == cells[0];
        let real = [&of_cases, &of_rules].map(|rows| rows.iter().filter(is).count().to_string());
        if cells.get(1..3) != Some(&real.each_ref().map(String::as_str)[..]) {
            wrong.push(format!("counts: {} is {real:?}", cells[0]));
        }
    }
    wrong
}

fn page() -> String {
    fs::read_to_string(root().join("docs/conformance.md")).unwrap()
}

#[test]
fn every_case_and_rule_has_its_verdict_and_its_tests() {
    assert_eq!((cases().len(), cases().last()), (175, Some(&219)));
    let wrong = complaints(&page(), &repository());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The complaints about a page with one change.
fn after(old: &str, new: &str) -> String {
    let page = page();
    assert!(page.contains(old), "{old}");
    complaints(&page.replacen(old, new, 1), &repository()).join("\n")
}

#[test]
fn a_wrong_page_is_noticed() {
    let short = "::a_timeout_is_a_value`";
    assert!(
        after(short, "::a_timeout_is_no_value`")
            .contains("111: tests/deadlines.rs::a_timeout_is_no_value does not")
    );
    assert!(after("\n| 9 | ", "\n| 8 | ").contains("8: unknown"));
    assert!(after("\n| 9 | ", "\n| 8 | ").contains("9: missing"));
    assert!(after("\n| 9 | ", "\n| 7 | ").contains("7: unknown, or there twice"));
    assert!(after("\n| R9 | ", "\n| R41 | ").contains("R9: missing"));
    assert!(after(" | holds |", " | perhaps |").contains("`perhaps` is no verdict"));
    assert!(after("| holds | ", "| holds | 1").contains("counts: holds"));
    assert!(after("| cannot occur | ", "| impossible | ").contains("counts: one line"));
    let only = "`tests/no_orphans.rs::a_hydra_is_stopped_and_joined`";
    assert!(after(only, "see above").contains("6: neither a test nor a reason"));
    assert!(
        after(only, "see above")
            .contains("6: tests/no_orphans.rs::a_hydra_is_stopped_and_joined cites it")
    );
    let other = "`tests/no_orphans.rs::counters_return_to_zero`";
    assert!(after(only, other).contains("6: none of its tests cites it"));
    let reject = "`tests/ui/reject/escape_handle_return.rs`";
    assert!(
        after(reject, "`tests/ui/reject/none.rs`")
            .contains("7: tests/ui/reject/none.rs does not exist")
    );
}

#[test]
fn tests_and_their_cases_are_found() {
    let mut tests = Tests::new();
    let source = "/// Cases 4, 5 and 60: so.\n/// Case 7.\n#[test]\n#[expect(x)]\nfn one() {\n}\n/// Case 8.\nfn two() {}\n\n    \
        #[test]\n    fn three() {}\n/// In any Case, 9.\n#[test]\nfn four() {}\n";
    collect("f", source, &mut tests);
    let numbers = |name: &str| {
        tests
            .get(name)
            .map(|cited| cited.iter().copied().collect::<Vec<_>>())
    };
    assert_eq!(numbers("f::one"), Some(vec![4, 5, 7, 60]));
    assert_eq!(numbers("f::two"), None);
    assert_eq!(numbers("f::three"), Some(vec![]));
    assert_eq!(numbers("f::four"), Some(vec![]));
}
