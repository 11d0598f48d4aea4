//! What belongs to the whole process, and tests that need one of their own.

use super::hangs::without_hanging;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::any::type_name;
use std::process::{Command, Output, Stdio, abort};
use std::thread;
use std::time::Duration;

/// Set in a process in which one test is alone.
const ALONE: &str = "SPINNEY_TEST_CHILD";

/// How many entries a folder of the system has.
pub(crate) fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Bytes of memory that this process has.
pub(crate) fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Allows descriptors below this number alone.
pub(crate) fn limit_descriptors(below: u64) {
    let limit = getrlimit(Resource::Nofile);
    let current = Some(below);
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
}

/// Whether this is a process in which one test is alone.
pub(crate) fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// Makes a process alone with one test: the arguments come first.
pub(crate) fn make_alone(command: &mut Command, test: &str) {
    let arguments = ["--exact", test, "--nocapture", "--test-threads=1"];
    // Also one that only runs when it is asked for, as it was.
    let arguments = arguments.into_iter().chain(["--include-ignored"]);
    command.args(arguments).env(ALONE, "1");
}

/// A process that was alone with its test has run it, and the test has passed.
pub(crate) fn assert_passed(output: &Output) {
    let (said, text) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(said);
    // A name that no test has would be no failure.
    let ran = said.contains("test result: ok. 1 passed");
    assert!(output.status.success() && ran, "{said}{text}");
}

/// The test in which a closure stands, by the name that its program has for it.
pub(crate) fn test_of<F: FnOnce()>(_: &F) -> &'static str {
    let (_, path) = type_name::<F>().split_once("::").unwrap();
    path.strip_suffix("::{{closure}}").unwrap()
}

/// Runs `f`, all of a test, in a process in which nothing else happens.
pub(crate) fn alone<F: FnOnce()>(f: F) {
    alone_by("exec \"$0\" \"$@\"", f);
}

/// The same in a process that a shell command makes of `$0` and `$@`. Outside of it there is its
/// output.
pub(crate) fn alone_by<F: FnOnce()>(shell: &str, f: F) -> Option<Output> {
    if is_alone() {
        // Sooner than `without_hanging`, which would leave this process behind.
        thread::spawn(|| {
            thread::sleep(Duration::from_secs(90));
            abort();
        });
        f();
        return None;
    }
    let mut command = Command::new("sh");
    let program = std::env::current_exe().unwrap();
    command.arg("-c").arg(shell).arg(program);
    make_alone(&mut command, test_of(&f));
    command.stdin(Stdio::null());
    let output = without_hanging(move || command.output().unwrap());
    assert_passed(&output);
    Some(output)
}
