//! The shape of the source: floors, homes of unsafe, heads of files, labelled orderings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Top-level module -> floor, from the table in ARCHITECTURE.md.
fn floors() -> BTreeMap<String, u32> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let floor = cells.next()?.parse().ok()?;
        Some((cells.next()?.to_owned(), floor))
    });
    rows.collect()
}

fn module_of(file: &str) -> &str {
    let rest = file.strip_prefix("src/").unwrap();
    rest.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Modules that a file names by `crate::..`, outside comments.
fn imports(text: &str) -> Vec<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| {
        line.split("crate::")
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    })
    .map(|rest| {
        rest.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    })
    .collect()
}

#[test]
fn imports_go_down_only() {
    let floors = floors();
    assert_eq!(imports("use crate::pool::x;\n// crate::group"), ["pool"]);
    for (file, text) in sources() {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let floor = floors
            .get(module)
            .unwrap_or_else(|| panic!("{file}: `{module}` is in no floor"));
        for import in imports(&text) {
            let Some(other) = floors.get(&import) else {
                continue;
            };
            let exempt =
                ["surface", "block_on"].contains(&import.as_str()) && file == "src/pool/runtime.rs";
            assert!(
                other <= floor || exempt,
                "{file} (floor {floor}) imports `{import}` (floor {other})"
            );
        }
    }
}

#[test]
fn every_file_says_what_it_owns() {
    for (file, text) in sources() {
        assert!(text.starts_with("//!"), "{file} has no `//!` head");
    }
}

#[test]
fn only_sync_names_the_outside_world() {
    for (file, text) in sources() {
        if file == "src/sync/mod.rs" {
            continue;
        }
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for name in ["std::sync", "std::thread", "parking_lot", "crossbeam"] {
                assert!(!line.contains(name), "{file} names {name}: {line}");
            }
            if file != "src/driver/clock.rs" {
                assert!(
                    !line.contains("Instant::now"),
                    "{file} reads the clock: {line}"
                );
            }
        }
    }
}

/// The files in ARCHITECTURE.md's list, with braces expanded.
fn homes() -> Vec<String> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("## Homes of unsafe").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let quoted = section.split('`').skip(1).step_by(2);
    quoted
        .flat_map(|item| match item.split_once('{') {
            Some((before, rest)) => {
                let (names, after) = rest.split_once('}').unwrap();
                names
                    .split(',')
                    .map(|name| format!("{before}{name}{after}"))
                    .collect()
            }
            None => vec![item.to_owned()],
        })
        .collect()
}

#[test]
fn unsafe_has_named_homes() {
    let homes = homes();
    for (file, text) in sources() {
        let opens =
            text.contains("#![expect(unsafe_code") || text.contains("#![expect(\n    unsafe_code");
        assert_eq!(
            opens,
            homes.contains(&file),
            "{file}: home of unsafe in one place only"
        );
    }
}

/// Lines with an atomic ordering that has no labelled comment above it.
fn unlabelled(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let labels = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
    let labelled = |line: &str| {
        labels
            .iter()
            .any(|label| line.trim_start().starts_with(&format!("// {label}")))
    };
    let is_use =
        |line: &str| line.trim_start().starts_with("use ") || line.trim_start().starts_with("//");
    (0..lines.len())
        .filter(|&at| lines[at].contains("Ordering::") && !is_use(lines[at]))
        .filter(|&at| {
            !lines[at.saturating_sub(14)..at]
                .iter()
                .any(|line| labelled(line))
        })
        .map(|at| at + 1)
        .collect()
}

#[test]
fn every_ordering_says_why() {
    assert_eq!(unlabelled("x.load(Ordering::Acquire);"), [1]);
    assert!(unlabelled("// Acquire: y.\nx.load(Ordering::Acquire);").is_empty());
    for (file, text) in sources() {
        assert_eq!(
            unlabelled(&text),
            [0; 0],
            "{file}: orderings without a reason"
        );
    }
}

#[test]
fn nothing_is_left_to_do() {
    for (file, text) in sources() {
        for mark in ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!("] {
            assert!(!text.contains(mark), "{file} contains {mark}");
        }
        assert!(
            text.lines().count() <= 700,
            "{file} is longer than one idea"
        );
    }
}

/// Files whose protocol has a model of the same name.
const MODELLED: [&str; 4] = [
    "src/parker.rs",
    "src/sleep.rs",
    "src/group/word.rs",
    "src/task/state.rs",
];

#[test]
fn models_include_the_real_sources_and_hold_no_copy() {
    for file in MODELLED {
        let name = Path::new(file).file_name().unwrap();
        let model = root().join("loom-tests/tests").join(name);
        let text = fs::read_to_string(&model).unwrap_or_else(|_| panic!("{file} has no model"));
        assert!(
            text.contains(&format!("mutants(&[\"{file}\"]")),
            "{file}: its mutants are not run"
        );
        assert!(
            !text.contains("Atomic"),
            "{}: a model holds no protocol",
            model.display()
        );
    }
    let models = fs::read_dir(root().join("loom-tests/tests"))
        .unwrap()
        .count();
    assert_eq!(models, MODELLED.len(), "each model belongs to a file");
}
