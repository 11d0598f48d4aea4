//! A bug of the runtime itself: a worker that panics outside of every task says what there was.

#![expect(unsafe_code, reason = "a descriptor is taken from the driver")]

use crate::common::hangs::without_hanging;
use crate::common::polls::until;
use crate::common::process::{is_alone, make_alone, test_of};
use spinney::{GroupBuilder, Runtime};
use std::fs::{self, File};
use std::future::pending;
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

/// Puts another file in the place of each selector of this process: to wait in it fails, for which
/// the driver has no answer.
fn break_selectors() {
    let other = File::open("/dev/null").unwrap();
    for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        if target.to_string_lossy().contains("eventpoll") {
            let number = entry.file_name().to_string_lossy().parse().unwrap();
            // SAFETY: no memory depends on what a descriptor leads to.
            let copied = unsafe { libc::dup2(other.as_raw_fd(), number) };
            assert_eq!(copied, number);
        }
    }
}

/// The worker panics, and its caller waits for ever.
fn goes_wrong() {
    let builder = Runtime::builder().workers(1).callers_take_part(false);
    let runtime = builder.thread_name("forest").build().unwrap();
    let server = GroupBuilder::<()>::new().name("server").run(async |g| {
        let client = g.spawn_named("client", pending::<()>());
        until(|| runtime.dump().to_string().contains("client #")).await;
        break_selectors();
        g.spawn(async {}).await; // the worker wakes up, and goes to sleep in something else
        client.await;
        Ok(())
    });
    let _ = runtime.block_on(server);
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_panics_outside_of_every_task_says_what_there_was() {
    let inside = || goes_wrong();
    if is_alone() {
        return inside();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    make_alone(&mut command, test_of(&inside));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let told = without_hanging(move || {
        let mut lines = stderr.lines().map(Result::unwrap);
        let bug = lines.find(|line| line.starts_with("spinney: "));
        (bug, lines.next(), lines.next())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let (Some(bug), Some(group), Some(task)) = told else {
        panic!("{told:?}");
    };
    let begins = "spinney: a worker of `forest` panicked (";
    assert!(
        bug.starts_with(begins) && bug.ends_with("which is a bug of spinney"),
        "{bug}"
    );
    assert!(group.starts_with("group server at "), "{group}");
    assert!(task.starts_with("  client #"), "{task}");
}
