//! A histogram for a terminal.

use std::fmt::Write;
use std::time::Duration;

/// How long the longest bar is.
const WIDTH: u64 = 50;

/// A line for each bar: latencies up to so many nanoseconds, and how many there were. Empty ones at both ends are left
/// out, and one that is not empty has something to be seen.
pub fn lines(bars: &[(u64, u64)]) -> String {
    let most = bars
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or(0)
        .max(1);
    let is_empty = |bar: &(u64, u64)| bar.1 == 0;
    let bars = &bars[bars.iter().take_while(|bar| is_empty(bar)).count()..];
    let bars = &bars[..bars.len() - bars.iter().rev().take_while(|bar| is_empty(bar)).count()];
    let mut text = String::new();
    for (nanos, count) in bars {
        let bar = "#".repeat((count * WIDTH).div_ceil(most) as usize);
        let end = format!("{:.1?}", Duration::from_nanos(*nanos));
        let _ = writeln!(text, "{end:>9} |{bar:50}| {count}");
    }
    text
}
