//! Tables of Markdown: the targets and whether they are met, and all figures.

use crate::line::Line;
use crate::results::{Outcome, Results};
use crate::targets::{self, ROWS, Row, Table, Target};
use crate::workloads;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- tables: `cargo versus table --write` -->";
const END: &str = "<!-- end of tables -->";

/// What a table is made of, and where it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Tables {
    /// Files of results.
    #[arg(long, num_args = 1.., default_values = crate::FILES)]
    from: Vec<PathBuf>,
    /// Every figure of every side, in place of the targets.
    #[arg(long)]
    all: bool,
    /// The page between whose marks the tables are put; without it they are printed.
    #[arg(long)]
    write: Option<PathBuf>,
}

impl Tables {
    pub(crate) fn run(&self) -> io::Result<()> {
        targets::check()?;
        let lines = Line::read(&self.from)?;
        let mut text = String::new();
        for results in Results::split(&lines) {
            if self.all {
                text += &all(&results);
                continue;
            }
            for table in [Table::Latency, Table::Cost] {
                text += &reached(&results, table);
            }
        }
        match &self.write {
            Some(page) => write(page, &text),
            None => io::stdout().write_all(text.as_bytes()),
        }
    }
}

/// Puts the text between the marks of the page.
fn write(page: &Path, text: &str) -> io::Result<()> {
    let old = fs::read_to_string(page)?;
    let parts = old
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        let error = format!("{} lacks `{BEGIN}` or `{END}`", page.display());
        return Err(io::Error::other(error));
    };
    fs::write(page, format!("{before}{BEGIN}\n{text}\n{END}{after}"))
}

/// When and where, for a heading.
pub(crate) fn about(results: &Results<'_>) -> String {
    let days = results.lines().filter_map(|line| line.date.get(..10));
    let (first, last) = (days.clone().min(), days.max());
    let mut text = first.unwrap_or("never").to_owned();
    if let Some(last) = last.filter(|last| Some(*last) != first) {
        let _ = write!(text, " to {last}");
    }
    let mut commits: Vec<_> = results.lines().map(|line| line.commit.as_str()).collect();
    commits.dedup();
    let machine = results.lines().next().map_or("", |line| &line.machine);
    let rounds = results.rounds();
    let plural = if rounds == 1 { "" } else { "s" };
    let _ = write!(
        text,
        ", commit {}, {rounds} round{plural}; {machine}",
        commits.join(", ")
    );
    if results.lines().any(|line| line.quick) {
        text += "; **some of a quick run**";
    }
    text
}

fn reached(results: &Results<'_>, table: Table) -> String {
    let name = match table {
        Table::Latency => "Latency and fairness",
        Table::Cost => "Costs",
    };
    let mut text = format!("\n### {name}, {} allocator\n\n", results.allocator);
    if table == Table::Latency {
        let _ = writeln!(text, "{}.\n", about(results));
    }
    text += "| work | spinney | tokio | best peer | ours / theirs | target | |\n\
             |---|---|---|---|---|---|---|\n";
    let rows = ROWS.iter().filter(|row| row.table == table);
    let (mut met, mut count) = (0, 0);
    for row in rows {
        let Some(outcome) = results.outcome(row) else {
            let _ = writeln!(text, "| {} | | | | | | not measured |", row.work);
            continue;
        };
        let is_met = outcome.targets.iter().all(|(.., met)| *met);
        met += usize::from(is_met);
        count += 1;
        text += &line(row, &outcome, is_met);
    }
    let _ = writeln!(text, "\n{met} of {count} targets are met.");
    text
}

fn line(row: &Row, outcome: &Outcome, is_met: bool) -> String {
    let (mut ratios, mut bounds) = (Vec::new(), Vec::new());
    for (target, ratio, met) in &outcome.targets {
        let bold = if *met { "" } else { "**" };
        let sign = if row.more { ">=" } else { "<=" };
        match target {
            Target::Times(side, times) => {
                ratios.push(format!("{bold}{}{bold} {side}", short(*ratio)));
                bounds.push(format!("{sign} {times} {side}"));
            }
            Target::AtMost(most) => bounds.push(format!("{sign} {}", value(row.figure, *most))),
        }
    }
    // Where the target is absolute the ratio is only news.
    let theirs = outcome.tokio.filter(|(_, theirs)| *theirs > 0.0);
    if let Some((side, theirs)) = theirs.filter(|_| ratios.is_empty()) {
        ratios.push(format!("{} {side}", short(outcome.ours / theirs)));
    }
    let other = |other: Option<(&str, f64)>, named: bool| match other {
        Some((side, theirs)) if named => format!("{} {side}", value(row.figure, theirs)),
        Some((_, theirs)) => value(row.figure, theirs),
        None => "-".to_owned(),
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |\n",
        row.work,
        value(row.figure, outcome.ours),
        other(outcome.tokio, false),
        other(outcome.best, true),
        ratios.join("; "),
        bounds.join("; "),
        if is_met { "met" } else { "**not met**" },
    )
}

/// Figures that are published of every program that has them.
const PUBLISHED: [&str; 12] = [
    "cpu_ns",
    "wall_ns",
    "p50_ns",
    "p99_ns",
    "p999_ns",
    "hog_per_s",
    "trips_per_s",
    "max_by_min",
    "wakeups",
    "bytes",
    "instructions",
    "rss_bytes",
];

/// Every figure of every side, and in brackets the ratio to spinney's.
fn all(results: &Results<'_>) -> String {
    let mut text = format!(
        "\n## {} allocator\n\n{}.\n\n| program | figure | spinney | others |\n|---|---|---|---|\n",
        results.allocator,
        about(results)
    );
    for workload in workloads::all() {
        let mut name = format!("`{}`", workload.name);
        for figure in PUBLISHED {
            let Some(ours) = results.value(workload.name, "spinney", figure) else {
                continue;
            };
            let more = figure.ends_with("_per_s");
            let others = workload.sides.iter().filter(|side| side.name != "spinney");
            let others: Vec<_> = others
                .map(|side| {
                    let Some(theirs) = results.value(workload.name, side.name, figure) else {
                        return format!("{} -", side.name);
                    };
                    let sides = ("spinney", side.name);
                    let ratio = results.ratio(workload.name, sides, figure);
                    let ratio = ratio.unwrap_or(f64::NAN);
                    let behind = if more { ratio < 1.0 } else { ratio > 1.0 };
                    let bold = if behind { "**" } else { "" };
                    format!(
                        "{} {} ({bold}{}{bold})",
                        side.name,
                        value(figure, theirs),
                        short(ratio)
                    )
                })
                .collect();
            let _ = writeln!(
                text,
                "| {name} | {figure} | {} | {} |",
                value(figure, ours),
                others.join(", ")
            );
            name.clear();
        }
    }
    text
}

/// Two or three digits that say something.
pub(crate) fn short(ratio: f64) -> String {
    match ratio {
        _ if !ratio.is_finite() => "-".to_owned(),
        0.0 => "0".to_owned(),
        10.0.. => format!("{ratio:.0}"),
        0.095.. => format!("{ratio:.2}"),
        _ => format!("{ratio:.3}"),
    }
}

/// With its unit.
fn value(figure: &str, value: f64) -> String {
    if figure.ends_with("_ns") {
        return match value {
            1e7.. => format!("{:.1} ms", value / 1e6),
            1e4.. => format!("{:.1} us", value / 1e3),
            100.0.. => format!("{value:.0} ns"),
            _ => format!("{value:.1} ns"),
        };
    }
    if figure.ends_with("bytes") {
        return match value {
            1e5.. => format!("{:.1} MB", value / 1e6),
            _ => format!("{value:.0} bytes"),
        };
    }
    match value {
        100.0.. => format!("{value:.0}"),
        _ => format!("{}", (value * 100.0).round() / 100.0),
    }
}
