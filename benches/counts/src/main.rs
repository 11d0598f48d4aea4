//! One operation, so many times: for a tool that counts instructions. `benches/counts/run` runs it
//! under callgrind twice and divides the difference, so that what comes before and after does not
//! count.
//!
//! One worker, a clock that stands still, and a caller that takes no part: so no job moves between
//! threads, and two runs differ by what the sentinel does each millisecond only.

mod operations;

use operations::OPERATIONS;
use spinney::Runtime;
use spinney::time::ManualClock;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &str| OPERATIONS.iter().find(|operation| operation.name == name);
    let asked = match args.as_slice() {
        [name, times] => known(name).zip(times.parse().ok()),
        _ => None,
    };
    let Some((operation, times)) = asked else {
        usage();
        return ExitCode::FAILURE;
    };
    let builder = Runtime::builder().workers(1).callers_take_part(false);
    let runtime = builder.clock(&ManualClock::new()).build();
    let runtime = runtime.expect("one thread can be started");
    (operation.run)(&runtime, times);
    ExitCode::SUCCESS
}

fn usage() {
    let mut text = String::from("usage: counts OPERATION TIMES\n");
    for operation in OPERATIONS {
        text += &format!("  {:<14}{}\n", operation.name, operation.what);
    }
    // Nothing can be done about a stderr that is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
