//! The shape of the source: floors, homes of unsafe, heads of files, labelled orderings.

use crate::files::{root, rust_files};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

fn sources() -> Vec<(String, String)> {
    rust_files("src")
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
    let first = |path: &String| path.split("::").next().unwrap_or_default().to_owned();
    paths(text).iter().map(first).collect()
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
            assert!(
                other <= floor,
                "{file} (floor {floor}) imports `{import}` (floor {other})"
            );
        }
    }
}

/// The paths of a tree of imports, without spaces: `a::{b,c::d}` is `a::b` and `a::c::d`.
fn expand(tree: &str) -> Vec<String> {
    let Some((before, rest)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let (mut depth, mut parts) = (1, vec![String::new()]);
    for c in rest.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match c {
            _ if depth == 0 => break,
            ',' if depth == 1 => parts.push(String::new()),
            _ => parts.last_mut().unwrap().push(c),
        }
    }
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts
        .flat_map(|part| expand(&format!("{before}{part}")))
        .collect()
}

/// Every path below `crate::` that a file names, outside comments.
fn paths(text: &str) -> Vec<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.flat_map(|line| [line, "\n"]).collect();
    let trees = code.split("crate::").skip(1).map(|rest| {
        let end = rest.find([';', '(', '<', ')']).unwrap_or(rest.len());
        rest[..end].split_whitespace().collect::<String>()
    });
    trees.flat_map(|tree| expand(&tree)).collect()
}

/// Folder -> file or drawer in it -> how far up, from the list in ARCHITECTURE.md. Those of a knot share a number.
fn orders() -> BTreeMap<String, BTreeMap<String, usize>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("## Order inside folders").nth(1).unwrap();
    let list = section.split("\n\n").nth(2).unwrap();
    let lines = list.split("- `").skip(1).map(|line| {
        let (folder, files) = line.split_once("`:").unwrap();
        let mut order = BTreeMap::new();
        let mut in_knot = false;
        for (at, file) in files.split(',').map(str::trim).enumerate() {
            let below = order.values().max().copied().unwrap_or(0);
            let same = in_knot && at > 0;
            in_knot = (in_knot || file.starts_with('(')) && !file.ends_with(')');
            let name = file.trim_matches(['(', ')']);
            order.insert(name.to_owned(), if same { below } else { below + 1 });
        }
        (folder.to_owned(), order)
    });
    lines.collect()
}

#[test]
fn imports_inside_a_folder_go_down_only() {
    assert_eq!(expand("a::{b,c::{d,e}}"), ["a::b", "a::c::d", "a::c::e"]);
    assert_eq!(
        paths("use crate::a::{\n    b,\n};\n// crate::c\ncrate::d::e(1)"),
        ["a::b", "d::e"]
    );
    let orders = orders();
    let knot = &orders["task"];
    assert_eq!(knot["awaiter"], knot["waker"]);
    assert!(knot["state"] < knot["awaiter"] && knot["waker"] < knot["cell"]);
    let mut seen = BTreeMap::<&str, usize>::new();
    for (file, text) in sources() {
        let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
        for (folder, order) in &orders {
            let Some(name) = inside.strip_prefix(&format!("{folder}/")) else {
                continue;
            };
            let name = name.split('/').next().unwrap();
            if ["mod", "tests"].contains(&name) {
                continue;
            }
            let at = order
                .get(name)
                .unwrap_or_else(|| panic!("{file}: in no order"));
            *seen.entry(folder).or_default() += 1;
            let here = format!("{}::", folder.replace('/', "::"));
            for path in paths(&text) {
                let Some(rest) = path.strip_prefix(&here) else {
                    continue;
                };
                let other = rest.split("::").next().unwrap();
                let below = order.get(other).is_none_or(|other| other <= at);
                assert!(below, "{file} imports `{path}`, which is above it");
            }
        }
    }
    for (folder, order) in &orders {
        assert!(
            seen.get(&**folder) >= Some(&order.len()),
            "{folder}: a file of its order is gone"
        );
    }
}

/// Whether several files share that number.
fn is_knot(order: &BTreeMap<String, usize>, at: usize) -> bool {
    order.values().filter(|other| **other == at).count() > 1
}

#[test]
fn there_are_two_knots_at_most() {
    let knots = orders().into_values().map(|order| {
        let numbers: BTreeSet<_> = order.values().collect();
        let knots = numbers.iter().filter(|at| is_knot(&order, ***at)).count();
        (knots, order.len() - numbers.len())
    });
    let (knots, more) = knots.fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    assert!(
        knots <= 2 && more <= 4,
        "{knots} knots of {} files",
        more + knots
    );
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

/// Files with orderings, and the model in which each ordering is weakened in turn.
const MODELLED: [(&str, &str); 15] = [
    ("src/eventcount.rs", "eventcount"),
    ("src/latch.rs", "latch"),
    ("src/parker.rs", "parker"),
    ("src/sleep.rs", "sleep"),
    ("src/group/word.rs", "word"),
    ("src/group/node.rs", "node"),
    ("src/group/host.rs", "hosts"),
    ("src/tree/hosts.rs", "hosts"),
    ("src/poll/running.rs", "running"),
    ("src/poll/live.rs", "live"),
    ("src/task/state.rs", "state"),
    ("src/task/awaiter.rs", "awaiter"),
    ("src/pool/seats.rs", "seats"),
    ("src/pool/active.rs", "seats"),
    ("src/driver/source.rs", "source"),
];

/// Files with orderings and without a model of their own, and why.
const NOT_MODELLED: [(&str, &str); 4] = [
    (
        "src/pool/caretaker.rs",
        "one fence, whose partner is in sleep.rs: `model_a_push_against_the_end` there",
    ),
    (
        "src/pool/dispatch.rs",
        "reads the flag of a shutdown, which is set once and carries nothing",
    ),
    (
        "src/pool/shutdown.rs",
        "sets two flags once; `model_the_end` in sleep.rs shows that sleepers need no ordering of theirs",
    ),
    ("src/pool/worker.rs", "reads the flag of the end, as above"),
];

/// Models of protocols that are made of locks, or of words with a model: they hold no orderings to
/// weaken.
const WITHOUT_ORDERINGS: [&str; 9] = [
    "blocking", "ending", "lent", "machine", "role", "sentinel", "shutdown", "task", "waiters",
];

/// Models over a stub that has the words which the real file reads.
const WITH_STUBS: [&str; 1] = ["shutdown"];

/// Models of the twin itself.
const OF_THE_TWIN: &str = "twin";

/// Whether code names an ordering that is not `Relaxed`.
fn has_orderings(text: &str) -> bool {
    let code = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let orders = ["Acquire", "Release", "AcqRel", "SeqCst"];
    code.into_iter().any(|line| {
        orders
            .iter()
            .any(|order| line.contains(&format!("Ordering::{order}")))
    })
}

#[test]
fn every_ordering_has_a_model() {
    assert!(has_orderings("x.load(Ordering::Acquire);"));
    assert!(!has_orderings(
        "// Ordering::Acquire\nx.load(Ordering::Relaxed);"
    ));
    for (file, text) in sources() {
        let modelled = MODELLED.iter().any(|(known, _)| *known == file);
        let excused = NOT_MODELLED.iter().any(|(known, _)| *known == file);
        assert_eq!(
            has_orderings(&text),
            modelled || excused,
            "{file}: orderings have a model, or a reason why not; nothing else is listed"
        );
        assert!(!(modelled && excused), "{file} is listed twice");
    }
    for (file, _) in MODELLED.iter().chain(&NOT_MODELLED) {
        assert!(root().join(file).exists(), "{file} is gone");
    }
}

/// What the model checker cannot have in a file that it runs.
fn out_of_reach(line: &str) -> bool {
    let line = line.split("//").next().unwrap_or_default();
    let kept = ["Atomic", "Mutex", "OnceLock", "Condvar"];
    let is_static = line.contains("static ") && kept.iter().any(|name| line.contains(name));
    let is_local = line.contains("thread_local!") && !line.contains("crate::sync::thread_local!");
    is_static || is_local || line.contains("Weak<") || line.contains("_timeout(")
}

#[test]
fn modelled_files_hold_nothing_that_a_model_cannot_have() {
    assert!(out_of_reach("static NEXT: AtomicU64 = AtomicU64::new(1);"));
    assert!(out_of_reach("thread_local! {"));
    assert!(!out_of_reach("crate::sync::thread_local! {"));
    for (file, text) in sources() {
        let folders = [
            "src/report/",
            "src/group/",
            "src/poll/",
            "src/tree/",
            "src/task/",
        ];
        let whole_folders = folders.iter().any(|folder| file.starts_with(folder));
        if whole_folders || MODELLED.iter().any(|(known, _)| *known == file) {
            let line = text.lines().find(|line| out_of_reach(line));
            assert_eq!(line, None, "{file}");
        }
    }
}

#[test]
fn models_include_the_real_sources_and_hold_no_copy() {
    let folder = root().join("loom-tests/tests");
    let model = |name: &str| {
        let path = folder.join(name).with_extension("rs");
        fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()))
    };
    for (file, name) in MODELLED {
        let calls = model(name);
        let mutants = calls.split("mutants(&[").nth(1).unwrap_or_default();
        let mutants = mutants.split(']').next().unwrap_or_default();
        assert!(
            mutants.contains(&format!("\"{file}\"")),
            "{file}: its mutants are not run in {name}"
        );
    }
    let mut names = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == OF_THE_TWIN {
            continue;
        }
        let known = MODELLED.iter().any(|(_, model)| *model == name)
            || WITHOUT_ORDERINGS.contains(&name.as_str());
        assert!(known, "{name}: each model belongs to a file");
        let includes = ["#[path = \"../../src", "loom_tests::groups!();"];
        assert!(
            includes
                .iter()
                .any(|include| model(&name).contains(include)),
            "{name}: includes no real source"
        );
        names += 1;
    }
    let modelled: BTreeSet<_> = MODELLED.iter().map(|(_, model)| model).collect();
    assert_eq!(names, modelled.len() + WITHOUT_ORDERINGS.len());
    for name in ["support/mod", "support/children"]
        .into_iter()
        .chain(WITHOUT_ORDERINGS)
        .chain(MODELLED.map(|(_, model)| model))
        .filter(|name| !WITH_STUBS.contains(name))
    {
        assert!(
            !model(name).contains("Atomic"),
            "{name}: a model holds no protocol"
        );
    }
}

/// The names that a file exports to users, from its `pub use` and, in files that are public
/// modules, its items.
fn exported(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for item in text.split("pub use ").skip(1) {
        let path = item.split(';').next().unwrap();
        let names = path.rsplit("::").next().unwrap();
        let names = names.split(|c: char| !c.is_alphanumeric() && c != '_');
        found.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    found
}

/// The public items and methods of a file.
fn declared(text: &str) -> Vec<String> {
    let code = text.lines().map(str::trim);
    let public = code.filter_map(|line| line.strip_prefix("pub "));
    let names = public.filter_map(|rest| {
        let mut words = rest.split(|c: char| !c.is_alphanumeric() && c != '_');
        let is_kind = |word: &&str| ["fn", "struct", "enum", "trait", "type"].contains(word);
        words.by_ref().find(is_kind)?;
        words.next().map(str::to_owned)
    });
    names.collect()
}

#[test]
fn the_page_of_the_interface_names_everything() {
    assert_eq!(
        exported("pub use crate::a::{B, c};\npub use d::E;"),
        ["B", "c", "E"]
    );
    assert_eq!(
        declared("    pub const fn new() {}\npub(crate) fn no() {}"),
        ["new"]
    );
    let page = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let words: Vec<_> = page
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect();
    let public = |file: &str| {
        let folders = [
            "src/api/",
            "src/net/",
            "src/process/",
            "src/signal/",
            "src/compat/",
            "src/pool/",
            "src/report/",
            "src/time/",
        ];
        let alone = ["src/io.rs", "src/block_on.rs", "src/driver/clock.rs"];
        folders.iter().any(|folder| file.starts_with(folder)) || alone.contains(&file)
    };
    for (file, text) in sources() {
        let mut names = match file.as_str() {
            "src/lib.rs" | "src/net/mod.rs" | "src/time/mod.rs" => exported(&text),
            _ => Vec::new(),
        };
        // Inside a sealed module nothing is public.
        let sealed = [
            "src/api/child/outcome.rs",
            "src/net/address.rs",
            "src/net/duplex.rs",
        ];
        if public(&file) && !sealed.contains(&file.as_str()) {
            names.extend(declared(&text));
        }
        for name in names {
            assert!(
                words.contains(&name.as_str()),
                "{file}: docs/api.md does not name {name}"
            );
        }
    }
}

/// The comments of a file, without their slashes.
fn comments(text: &str) -> impl Iterator<Item = &str> {
    let comments = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("//"));
    comments.map(|line| line.trim_start_matches(['/', '!']))
}

/// How many of these there are in comments, for each thousand words.
fn share(texts: &[String], names: &[&str]) -> f64 {
    let words: Vec<_> = texts
        .iter()
        .flat_map(|text| comments(text))
        .flat_map(str::split_whitespace)
        .map(str::to_lowercase)
        .map(|word| word.trim_matches(|c: char| !c.is_alphabetic()).to_owned())
        .collect();
    let names: Vec<Vec<_>> = names.iter().map(|name| name.split(' ').collect()).collect();
    let is_one = |at: &usize| {
        names.iter().any(|name| {
            words[*at..]
                .iter()
                .zip(name)
                .filter(|(a, b)| a == b)
                .count()
                == name.len()
        })
    };
    let found = (0..words.len()).filter(is_one);
    1000.0 * found.count() as f64 / words.len() as f64
}

/// A comment says which thread, task or caller acts, as a protocol is told by its actors.
#[test]
fn comments_name_their_actors() {
    let one = ["// Who does it? Nobody knows what is\n//! done here now.".to_owned()];
    assert_eq!(share(&one, &["who", "nobody", "what is"]), 300.0);
    let texts: Vec<_> = sources().into_iter().map(|(_, text)| text).collect();
    let nameless = [
        "whoever",
        "who",
        "whom",
        "whomever",
        "somebody",
        "someone",
        "nobody",
        "anybody",
        "anyone",
        "everybody",
        "everyone",
    ];
    let persons = share(&texts, &nameless);
    assert!(
        persons < 0.3,
        "{persons} actors without a name in 1,000 words"
    );
    let things = share(&texts, &["what is", "what was", "what it", "what they"]);
    assert!(
        things < 2.0,
        "{things} things without a name in 1,000 words"
    );
}

#[test]
fn comments_fit_into_a_hundred_columns() {
    for (file, text) in sources() {
        for line in text.lines() {
            let is_comment = line.trim_start().starts_with("//");
            let is_row = line.starts_with("//! |");
            let fits = !is_comment || is_row || line.chars().count() <= 100;
            assert!(fits, "{file}: {line}");
        }
    }
}
