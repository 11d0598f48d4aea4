//! Aligned tables for people.

use crate::measure::{Row, Verdict};
use crate::memory::Answer;
use figures::{Figure, Scale, Spread, Stamp};
use serde::Serialize;
use std::io::{self, Write};

/// A workload and what came out.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) workload: &'static str,
    pub(crate) about: &'static str,
    pub(crate) scales: [Scale; 2],
    pub(crate) rows: Vec<Row>,
}

impl Measured {
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "\n{}: {}", self.workload, self.about)?;
        let [one, two] = self.scales.map(Scale::name);
        writeln!(
            out,
            "  {:<20} {:>11} {:>11} {:>8} {:>8}  must",
            "",
            format!("{one} ns"),
            format!("{two} ns"),
            format!("x {one}"),
            format!("x {two}")
        )?;
        for row in &self.rows {
            let verdict = row.must.map_or(String::new(), words);
            let [one, two] = row.columns;
            let line = format!(
                "  {:<20} {:>11} {:>11} {:>8.2} {:>8.2}  {verdict}",
                row.peer,
                short(one.value),
                short(two.value),
                one.ratio.median,
                two.ratio.median
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        out.flush()
    }

    /// A figure for each peer and each column.
    pub(crate) fn figures(&self, stamp: &Stamp, rounds: usize) -> Vec<Figure> {
        let Some((ours, peers)) = self.rows.split_first() else {
            return Vec::new();
        };
        let of = |peer: &Row, at: usize| Figure {
            stamp: stamp.clone(),
            rounds,
            case: self.workload.to_owned(),
            about: self.about.to_owned(),
            peer: peer.peer.to_owned(),
            scale: self.scales[at],
            ours: ours.columns[at].value,
            theirs: peer.columns[at].value,
            ratio: peer.columns[at].ratio,
        };
        let peers = peers.iter();
        peers.flat_map(|peer| [of(peer, 0), of(peer, 1)]).collect()
    }
}

fn words(verdict: Verdict) -> String {
    let by = verdict.by.name();
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

/// A figure for each peer of spinney.
pub(crate) fn memory_figures(answers: &[Answer], stamp: &Stamp) -> Vec<Figure> {
    let of = |theirs: &Answer| {
        let mut sides = answers.iter().filter(|one| one.name == theirs.name);
        let ours = sides.find(|one| one.peer == "spinney")?.bytes;
        Some(Figure {
            stamp: stamp.clone(),
            rounds: 1,
            case: theirs.name.to_owned(),
            about: theirs.about.to_owned(),
            peer: theirs.peer.to_owned(),
            scale: Scale::Bytes,
            ours,
            theirs: theirs.bytes,
            ratio: Spread::exactly(theirs.bytes / ours),
        })
    };
    let peers = answers.iter().filter(|one| one.peer != "spinney");
    peers.filter_map(of).collect()
}
