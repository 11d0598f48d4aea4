//! Aligned tables for people.

use crate::measure::{Row, Verdict};
use crate::memory::Answer;
use crate::workloads::Scale;
use serde::Serialize;
use std::io::{self, Write};

/// A workload and what came out.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) workload: &'static str,
    pub(crate) about: &'static str,
    pub(crate) rows: Vec<Row>,
}

impl Measured {
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "\n{}: {}", self.workload, self.about)?;
        writeln!(
            out,
            "  {:<20} {:>11} {:>11} {:>8} {:>8}  must",
            "", "wall ns", "cpu ns", "x wall", "x cpu"
        )?;
        for row in &self.rows {
            let verdict = row.must.map_or(String::new(), words);
            let line = format!(
                "  {:<20} {:>11} {:>11} {:>8.2} {:>8.2}  {verdict}",
                row.peer,
                short(row.wall),
                short(row.cpu),
                row.wall_ratio,
                row.cpu_ratio
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        out.flush()
    }
}

fn words(verdict: Verdict) -> String {
    let by = match verdict.by {
        Scale::Wall => "wall",
        Scale::Cpu => "cpu",
    };
    let met = if verdict.met { "ok" } else { "MISS" };
    format!("{met} ({by} >= {})", verdict.least)
}

fn short(nanoseconds: f64) -> String {
    if nanoseconds < 100.0 {
        format!("{nanoseconds:.1}")
    } else {
        format!("{nanoseconds:.0}")
    }
}

/// Bytes for each side, and how many times as much as spinney.
pub(crate) fn print_memory(answers: &[Answer], out: &mut impl Write) -> io::Result<()> {
    let mut ours = None;
    for answer in answers {
        if answer.peer == "spinney" {
            writeln!(
                out,
                "\n{}\n  {:<20} {:>11} {:>8}",
                answer.name, "", "bytes", "x"
            )?;
            ours = Some(answer.bytes);
        }
        let ratio = ours.map_or(f64::NAN, |ours| answer.bytes / ours);
        writeln!(
            out,
            "  {:<20} {:>11.0} {ratio:>8.2}",
            answer.peer, answer.bytes
        )?;
    }
    Ok(())
}
