//! Durations that read like words.

use std::time::Duration;

pub(crate) const NOW: Duration = Duration::ZERO;
pub(crate) const NEVER: Duration = Duration::MAX;
pub(crate) const SECOND: Duration = Duration::from_secs(1);
