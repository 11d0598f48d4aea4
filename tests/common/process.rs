//! What belongs to the whole process, and processes of their own.

use std::process::{Command, Output, Stdio};

/// How many entries a folder of the system has.
pub(crate) fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Runs the test of that name alone, in a process that knows so, through a shell command.
pub(crate) fn in_a_child(test: &str, shell: &str) -> Output {
    let program = std::env::current_exe().unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(shell)
        .arg(&program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("SPINNEY_TEST_CHILD", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

pub(crate) fn is_child() -> bool {
    std::env::var_os("SPINNEY_TEST_CHILD").is_some()
}
