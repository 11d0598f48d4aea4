//! Files of results: a line of JSON for each run of a program on a side.

use crate::measure::Figures;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) workload: String,
    pub(crate) side: String,
    pub(crate) round: usize,
    /// Of one operation; nothing, if the side did not come to an end.
    pub(crate) figures: Figures,
    /// When, in UTC.
    pub(crate) date: String,
    /// What was built.
    pub(crate) commit: String,
    pub(crate) allocator: String,
    /// Processors, kernel, compiler.
    pub(crate) machine: String,
    /// It was measured for a shorter time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) quick: bool,
    /// Why there are no figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<String>,
}

impl Line {
    /// Adds this one to a file.
    pub(crate) fn append(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut text = serde_json::to_string(self)?;
        text.push('\n');
        file.write_all(text.as_bytes())
    }

    /// All lines of these files.
    pub(crate) fn read(paths: &[impl AsRef<Path>]) -> io::Result<Vec<Self>> {
        let mut lines = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let wrong = |error: &dyn std::fmt::Display| {
                io::Error::other(format!("{}: {error}", path.display()))
            };
            let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
            for line in text.lines() {
                lines.push(serde_json::from_str(line).map_err(|error| wrong(&error))?);
            }
        }
        Ok(lines)
    }
}

/// Four digits that say something.
pub(crate) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let unit = 10_f64.powf(value.abs().log10().floor() - 3.0);
    let rounded = (value / unit).round() * unit;
    // Without the dust of the multiplication.
    format!("{rounded:.6}").parse().unwrap_or(rounded)
}
