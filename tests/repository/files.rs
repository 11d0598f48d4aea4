//! The files of the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder, by their paths from the root, and their texts.
pub(crate) fn rust_files(folder: &str) -> Vec<(String, String)> {
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
    walk(&root().join(folder), &mut found);
    let files = found.into_iter().map(|path| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name, fs::read_to_string(path).unwrap())
    });
    files.collect()
}

/// The tests in some folders, as `file::function`, and all their files.
pub(crate) fn tests(folders: &[&str]) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for (file, text) in folders.iter().flat_map(|folder| rust_files(folder)) {
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[") {
                is_test |= line == "#[test]";
            } else if !line.starts_with("//") {
                let name = line
                    .strip_prefix("fn ")
                    .and_then(|rest| rest.split('(').next());
                if let (true, Some(name)) = (is_test, name) {
                    tests.insert(format!("{file}::{name}"));
                }
                is_test = false;
            }
        }
        tests.insert(file);
    }
    tests
}
