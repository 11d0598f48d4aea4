//! What the rounds came to: medians, and medians of the ratios within a round.

use crate::line::Line;
use crate::measure::median;
use crate::targets::{Row, Target};
use crate::workloads;

/// Bounds that are no runtime.
const FLOORS: [&str; 2] = ["calls", "epoll"];

/// The lines of one allocator.
#[derive(Debug)]
pub(crate) struct Results<'l> {
    pub(crate) allocator: &'l str,
    lines: Vec<&'l Line>,
}

/// A row of a table as it came out.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ours: f64,
    /// tokio's, if it has the program; in the way that the target names.
    pub(crate) tokio: Option<(&'static str, f64)>,
    /// The best of all others.
    pub(crate) best: Option<(&'static str, f64)>,
    /// Of each target: ours / theirs, and whether it was met.
    pub(crate) targets: Vec<(Target, f64, bool)>,
}

impl<'l> Results<'l> {
    /// Those of each allocator.
    pub(crate) fn split(lines: &'l [Line]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for line in lines {
            let known = all.iter().position(|one| one.allocator == line.allocator);
            let at = known.unwrap_or_else(|| {
                all.push(Self {
                    allocator: &line.allocator,
                    lines: Vec::new(),
                });
                all.len() - 1
            });
            all[at].lines.push(line);
        }
        all
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &'l Line> + Clone {
        self.lines.iter().copied()
    }

    /// How many rounds there were.
    pub(crate) fn rounds(&self) -> usize {
        self.lines()
            .map(|line| line.round + 1)
            .max()
            .unwrap_or_default()
    }

    /// The figure of each round, with its number.
    fn values(&self, workload: &str, side: &str, figure: &str) -> Vec<(usize, f64)> {
        let lines = self.lines();
        lines
            .filter(|line| line.workload == workload && line.side == side)
            .filter_map(|line| Some((line.round, *line.figures.get(figure)?)))
            .collect()
    }

    pub(crate) fn value(&self, workload: &str, side: &str, figure: &str) -> Option<f64> {
        let values = self.values(workload, side, figure);
        let values: Vec<_> = values.into_iter().map(|(_, value)| value).collect();
        (!values.is_empty()).then(|| median(values))
    }

    /// Ours / theirs, in the rounds that have both.
    pub(crate) fn ratio(
        &self,
        workload: &str,
        (ours, theirs): (&str, &str),
        figure: &str,
    ) -> Option<f64> {
        let theirs = self.values(workload, theirs, figure);
        let ours = self.values(workload, ours, figure).into_iter();
        let ratios: Vec<_> = ours
            .filter_map(|(round, ours)| {
                let (_, theirs) = theirs.iter().find(|(other, _)| *other == round)?;
                Some(ours / theirs)
            })
            .collect();
        (!ratios.is_empty()).then(|| median(ratios))
    }

    /// Nothing, if it was not measured.
    pub(crate) fn outcome(&self, row: &Row) -> Option<Outcome> {
        let value = |side: &str| self.value(row.workload, side, row.figure);
        let ours = value(row.ours)?;
        let sides = workloads::find(row.workload).map_or(&[][..], |workload| workload.sides);
        let others = sides
            .iter()
            .map(|side| side.name)
            .filter(|name| workloads::library(name) != "spinney" && !FLOORS.contains(name));
        let mut best: Option<(&'static str, f64)> = None;
        for side in others.clone() {
            let Some(theirs) = value(side) else { continue };
            let better = |other: f64| {
                if row.more {
                    theirs > other
                } else {
                    theirs < other
                }
            };
            if best.is_none_or(|(_, other)| better(other)) {
                best = Some((side, theirs));
            }
        }
        let named = row.targets.iter().find_map(|target| match target {
            Target::Times(side, _) if workloads::library(side) == "tokio" => Some(*side),
            _ => None,
        });
        let first = others
            .clone()
            .find(|side| workloads::library(side) == "tokio");
        let tokio = named.or(first).and_then(|side| Some((side, value(side)?)));
        let targets = row.targets.iter().map(|target| match *target {
            Target::AtMost(most) => (*target, ours, ours <= most),
            Target::Times(side, times) => {
                let ratio = self.ratio(row.workload, (row.ours, side), row.figure);
                let ratio = ratio.unwrap_or(f64::NAN);
                let met = if row.more {
                    ratio >= times
                } else {
                    ratio <= times
                };
                (*target, ratio, met)
            }
        });
        Some(Outcome {
            ours,
            tokio,
            best,
            targets: targets.collect(),
        })
    }
}
