//! Random programs: the same 2,000 in each run, and the programs that once failed. Only the
//! schedule differs from run to run, so a gate refuses no change for a program that was wrong
//! before it and that chance has found now. Who looks for programs that fail runs fresh ones:
//! `SPINNEY_PROGRAM_BASE=fresh SPINNEY_PROGRAMS=50000 cargo test -p random-programs`.

use random_programs::harness::{HANGS, judge, report, try_seed};
use random_programs::known;
use std::env;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The base seed, where nobody asks for another one: the seeds are this number and those after it.
const BASE: u64 = 0;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("`{name}` is not a number: {text}")))
}

fn base() -> u64 {
    if env::var("SPINNEY_PROGRAM_BASE").is_ok_and(|base| base == "fresh") {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        return since.as_nanos() as u64;
    }
    number("SPINNEY_PROGRAM_BASE").unwrap_or(BASE)
}

fn limit() -> Duration {
    number("SPINNEY_PROGRAM_LIMIT").map_or(HANGS, Duration::from_secs)
}

/// `SPINNEY_PROGRAM_SEED` runs the program of that seed, 200 times unless told otherwise: failures
/// depend on the scheduler. `SPINNEY_PROGRAM_BASE` runs those of another base seed, which is the
/// time if it is `fresh`; `SPINNEY_PROGRAMS` says how many, `SPINNEY_PROGRAM_WORKERS` on how many
/// workers, and `SPINNEY_PROGRAM_LIMIT` after how many seconds one hangs.
#[test]
fn random_programs_do_what_the_model_allows() {
    let replay = number("SPINNEY_PROGRAM_SEED");
    let times = number("SPINNEY_PROGRAMS").unwrap_or(if replay.is_some() { 200 } else { 2000 });
    let workers = number("SPINNEY_PROGRAM_WORKERS").map(|workers| workers as usize);
    let base = replay.unwrap_or_else(base);
    // Not captured: it is there also if the process dies.
    let _ = writeln!(io::stderr(), "random programs: base seed {base:#x}");
    for index in 0..times {
        let seed = match replay {
            Some(seed) => seed,
            None => base.wrapping_add(index),
        };
        if let Err(report) = try_seed(&format!("program {index}"), seed, workers, limit()) {
            panic!("base seed {base:#x}, after {index} programs: {report}");
        }
    }
}

#[test]
fn programs_that_once_failed_do_what_the_model_allows() {
    let failed: Vec<_> = known::programs()
        .into_iter()
        .filter_map(|(story, program)| {
            let failure = (0..20).find_map(|_| judge(story, &program, limit()).err())?;
            Some(format!("{story}:\n{}", report(&program, &failure)))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
