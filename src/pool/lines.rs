//! How many lines the default hook prints: a burst of failures of one kind must not drown the rest,
//! and each of them must be counted.
//!
//! A kind is the place where the task was spawned. Each has [`BURST`] lines at once, and gains one
//! more a second. The line after some that were left out says how many those were, and the end of
//! the runtime says it of the last ones.

use crate::sync::Mutex;
use std::collections::HashMap;
use std::panic::Location;
use std::time::{Duration, Instant};

/// Lines of one place that come at once.
const BURST: u32 = 10;
/// After this long a place has one line more.
const GAIN: Duration = Duration::from_secs(1);

/// What was printed of one place.
struct Place {
    /// Lines that it may have now.
    left: u32,
    /// Since when it gains the next one.
    since: Instant,
    /// Lines that were left out since the last one.
    omitted: u64,
}

/// The places of the failures so far, of which a program has as many as it has calls of `spawn`.
#[derive(Default)]
pub(super) struct Lines(Mutex<HashMap<&'static Location<'static>, Place>>);

impl Lines {
    /// Whether a failure from this place has a line, and how many were left out before it.
    pub(super) fn take(&self, from: &'static Location<'static>, now: Instant) -> Option<u64> {
        let mut places = self.0.lock();
        let place = places.entry(from).or_insert(Place {
            left: BURST,
            since: now,
            omitted: 0,
        });
        let gained = now.saturating_duration_since(place.since).as_nanos() / GAIN.as_nanos();
        if gained > 0 {
            let gained = u32::try_from(gained).unwrap_or(u32::MAX);
            place.left = place.left.saturating_add(gained).min(BURST);
            place.since = now;
        }
        let Some(left) = place.left.checked_sub(1) else {
            place.omitted += 1;
            return None;
        };
        place.left = left;
        Some(std::mem::take(&mut place.omitted))
    }

    /// The places of which lines were left out and not counted in another one, with their number.
    pub(super) fn omitted(&self) -> Vec<(&'static Location<'static>, u64)> {
        let mut places = self.0.lock();
        let mut omitted: Vec<_> = places
            .iter_mut()
            .map(|(from, place)| (*from, std::mem::take(&mut place.omitted)))
            .filter(|(_, omitted)| *omitted > 0)
            .collect();
        omitted.sort();
        omitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::clock::Clock;

    #[test]
    fn a_burst_is_cut_and_counted() {
        let lines = Lines::default();
        let from = Location::caller();
        let now = Clock::System.now();
        let told: Vec<_> = (0..1000).map(|_| lines.take(from, now)).collect();
        assert_eq!(told.iter().flatten().count(), BURST as usize);
        assert!(told[..BURST as usize].iter().all(|line| *line == Some(0)));
        // Another place is not concerned.
        assert_eq!(lines.take(elsewhere(), now), Some(0));
        let omitted = 1000 - u64::from(BURST);
        assert_eq!(lines.take(from, now + GAIN), Some(omitted));
        assert_eq!(lines.take(from, now + GAIN), None);
        assert_eq!(lines.omitted(), [(from, 1)]);
        assert_eq!(lines.omitted(), []);
        // After long it has a burst again, and no more.
        let told = (0..1000).filter_map(|_| lines.take(from, now + 1000 * GAIN));
        assert_eq!(told.count(), BURST as usize);
    }

    fn elsewhere() -> &'static Location<'static> {
        Location::caller()
    }
}
