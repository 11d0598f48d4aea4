//! Instructions of one operation of ours, which `benches/counts/run` has valgrind count: in a plain release build, and with
//! link-time optimization.

use crate::line::{Line, rounded};
use crate::measure::Figures;
use crate::rounds::{commit, machine, now};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Command;

/// Where the results go.
#[derive(Debug, clap::Args)]
pub(crate) struct Counts {
    /// A line of JSON for each operation is added to this file.
    #[arg(long, default_value = crate::FILES[0])]
    out: PathBuf,
}

/// The names of our programs, and those of the operations there.
const OPERATIONS: [(&str, &str); 4] = [
    ("group_of_none", "empty"),
    ("group_of_one", "group"),
    ("spawn_await", "await"),
    ("yields", "yield"),
];

/// Whether a program is counted here.
pub(crate) fn has(workload: &str) -> bool {
    OPERATIONS.iter().any(|(name, _)| *name == workload)
}

impl Counts {
    pub(crate) fn run(&self) -> io::Result<()> {
        let plain = counted("release")?;
        let lto = counted("bench")?;
        for (workload, operation) in OPERATIONS {
            let found = |counts: &BTreeMap<String, f64>| counts.get(operation).copied();
            let (Some(plain), Some(lto)) = (found(&plain), found(&lto)) else {
                return Err(io::Error::other(format!("{operation} was not counted")));
            };
            let figures = [
                ("instructions", lto),
                ("instructions_plain", plain),
                ("plain_by_lto", plain / lto),
            ];
            let figures = figures.map(|(name, value)| (name.to_owned(), rounded(value)));
            let line = Line {
                workload: workload.to_owned(),
                side: "spinney".to_owned(),
                round: 0,
                figures: Figures::from(figures),
                date: now(),
                commit: commit(),
                // That of the tool, whatever this program has.
                allocator: "system".to_owned(),
                machine: machine(),
                quick: false,
                failed: None,
            };
            line.append(&self.out)?;
        }
        Ok(())
    }
}

/// Instructions by operation.
fn counted(profile: &str) -> io::Result<BTreeMap<String, f64>> {
    let output = Command::new("benches/counts/run")
        .args(["--profile", profile])
        .args(OPERATIONS.map(|(_, operation)| operation))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("benches/counts/run: {error}")));
    }
    let rows = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    });
    Ok(rows.collect())
}
