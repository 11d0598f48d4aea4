//! `tests/scheduling/budget/leaves.rs` has a loop over each future of the interface: a new one that
//! takes nothing from the budget of a poll would never give way.

use crate::files::rust_files;
use std::collections::BTreeSet;

/// Files whose futures are not for users, or that are not for these tests.
const INSIDE: [&str; 2] = ["src/guide.rs", "src/driver/tests.rs"];

/// Files whose futures are a closure on a thread each, as `blocking` and `read`, which have rows.
/// Methods of an open file flush it before, which has a row as well.
const CLOSURES: [&str; 4] = [
    "src/fs/paths.rs",
    "src/fs/whole.rs",
    "src/fs/file.rs",
    "src/fs/options.rs",
];

/// The name of the type that an `impl` block is of.
fn implemented(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?;
    let rest = match rest.rsplit_once(" for ") {
        Some((_, of)) => of,
        None => rest.rsplit_once("> ").map_or(rest, |(before, after)| {
            // `impl<'s, T> Task<'s, T> {`: the last `>` ends the arguments of the type.
            if after.starts_with('{') {
                before.split("> ").last().unwrap_or(before)
            } else {
                after
            }
        }),
    };
    let name = rest.trim_start_matches([' ', '&']);
    name.split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
}

/// What a file has for users that is awaited, or read as a stream: types, methods and functions.
fn awaited(text: &str) -> BTreeSet<String> {
    let public = |name: &str| {
        let begins = [
            format!("pub struct {name}<"),
            format!("pub struct {name} "),
            format!("pub struct {name}("),
        ];
        text.lines().any(|line| {
            begins
                .iter()
                .any(|begin| line.trim_start().starts_with(begin))
        })
    };
    let mut found = BTreeSet::new();
    let mut of = None;
    for (at, line) in text.lines().enumerate() {
        if line.starts_with("impl") {
            of = implemented(line);
            let kind = ["Future for ", "Stream for "]
                .iter()
                .any(|kind| line.contains(kind));
            found.extend(of.filter(|name| kind && public(name)).map(str::to_owned));
        }
        if line == "}" {
            of = None;
        }
        let Some(rest) = line.trim_start().strip_prefix("pub ") else {
            continue;
        };
        let mut signature = text
            .lines()
            .skip(at)
            .take_while(|line| !line.trim_start().starts_with("where"));
        let signature: String = signature.by_ref().take(8).collect();
        let signature = signature.split('{').next().unwrap_or_default();
        let is_awaited = rest.starts_with("async fn ")
            || (rest.starts_with("fn ") && signature.contains("-> impl Future<"));
        let name = rest.trim_start_matches("async ").strip_prefix("fn ");
        let name = name.and_then(|name| name.split(['<', '(']).next());
        if let (true, Some(name)) = (is_awaited, name) {
            found.insert(match of {
                Some(of) => format!("{of}::{name}"),
                None => name.to_owned(),
            });
        }
    }
    found
}

/// The names in the table. What stands after a comma tells rows of one name apart.
fn rows() -> BTreeSet<String> {
    let files = rust_files("tests/scheduling/budget");
    let (_, text) = &files[0];
    let lines = text.lines().map(str::trim_start);
    let names = lines.filter_map(|line| {
        let rest = line
            .strip_prefix("name: ")
            .unwrap_or(line)
            .strip_prefix('"')?;
        rest.split('"').next()?.split(',').next()
    });
    names.map(str::to_owned).collect()
}

#[test]
fn every_future_of_the_interface_is_tried_in_a_loop() {
    let sample = "pub struct A<T>(T);\nimpl<T> Future for A<T> {\n}\nstruct B;\nimpl Future for B {\n}\n\
                  impl<'s, E: Send> C<'s, '_, E> {\n    pub async fn d<T>(&self) {}\n    pub fn e(\n        self,\n    ) \
                  -> impl Future<Output = ()> {}\n    pub fn no(&self) {}\n}\npub async fn f() {}";
    let awaited_there: Vec<_> = awaited(sample).into_iter().collect();
    assert_eq!(awaited_there, ["A", "C::d", "C::e", "f"]);
    let sources = rust_files("src").into_iter();
    let known = |file: &str| INSIDE.contains(&file) || CLOSURES.contains(&file);
    let sources = sources.filter(|(file, _)| !known(file));
    let all: BTreeSet<_> = sources.flat_map(|(_, text)| awaited(&text)).collect();
    assert!(all.contains("Sleep") && all.contains("Interval::tick"));
    let rows = rows();
    // Read through the future or the stream that they return, or are, which has a row.
    let by_type = |name: &String| {
        name.split_once("::")
            .is_some_and(|(of, method)| method == "next" && rows.contains(of))
    };
    let missing: Vec<_> = all
        .iter()
        .filter(|name| !rows.contains(*name) && !by_type(name))
        .collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}
