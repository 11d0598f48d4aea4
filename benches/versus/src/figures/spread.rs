//! A median, and how far the rounds lie apart.

use serde::Serialize;

/// Half of the rounds lie between `low` and `high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The first quartile.
    pub low: f64,
    /// The second one.
    pub median: f64,
    /// The third one.
    pub high: f64,
}

impl Spread {
    /// The quartiles of these values; of none, no numbers.
    #[must_use]
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self {
            low: at(&values, 0.25),
            median: at(&values, 0.5),
            high: at(&values, 0.75),
        }
    }

    /// Of one value that does not vary.
    #[must_use]
    pub fn exactly(value: f64) -> Self {
        Self {
            low: value,
            median: value,
            high: value,
        }
    }
}

/// The value that has this part of the others below it; between two, in proportion.
fn at(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = part * last as f64;
    let below = place as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}
