//! Every example runs as it stands and exits with 0, and the README names it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo test` builds the examples beside the test binaries.
fn examples() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples")
}

macro_rules! run {
    ($($name:ident)*) => {
        const RUN: &[&str] = &[$(stringify!($name)),*];
        $(
        #[test]
        fn $name() {
            let program = examples().join(stringify!($name));
            let output = Command::new(&program).output().unwrap_or_else(|error| {
                panic!("{} does not start: {error}", program.display())
            });
            assert!(output.status.success(), "{output:?}");
        }
        )*
    };
}

run!(
    borrow cleanup cut_unpolled deadline fan_out happy_eyeballs late_defer map_reduce migrated_group nested pipeline runtime
    server service start
    supervisor task_set
    fork_join join_sort sync_calls_async sync_errors
    bounded generator process_pipeline restart run_in task_locals udp_echo why
    files proxy
);

/// `web_server` has a test of its own.
#[test]
fn every_example_is_run_and_is_in_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(root.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            readme.contains(&format!("`{name}`")),
            "the README does not name {name}"
        );
        found.insert(name);
    }
    let run = RUN
        .iter()
        .chain(&["web_server"])
        .map(|&name| name.to_owned());
    assert_eq!(run.collect::<BTreeSet<_>>(), found);
}
