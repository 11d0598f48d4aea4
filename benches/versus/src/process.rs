//! What the system says of this process.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::fs;

/// The CPU time of all threads so far, in nanoseconds.
pub(crate) fn cpu() -> f64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ProcessCPUTime);
    tv_sec as f64 * 1e9 + tv_nsec as f64
}

/// Resident memory now, in bytes.
pub(crate) fn resident() -> f64 {
    status("VmRSS")
}

/// The most memory that was ever resident, in bytes.
pub(crate) fn peak() -> f64 {
    status("VmHWM")
}

fn status(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    number(&status, field) * 1024.0
}

/// How often threads of this process, but for the calling one, were given a processor. A thread that was not runs
/// nothing, and so makes no system call either.
pub(crate) fn runs_of_others() -> f64 {
    let me = fs::read_link("/proc/thread-self").expect("Linux");
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let others = tasks
        .flatten()
        .filter(|task| Some(&*task.file_name()) != me.file_name());
    let runs = others.map(|task| {
        // A thread that ends meanwhile has no status any more.
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        number(&status, "voluntary_ctxt_switches") + number(&status, "nonvoluntary_ctxt_switches")
    });
    runs.sum()
}

/// The number in the line that begins with this field.
fn number(status: &str, field: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let word = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0.0)
}
