//! Tests of what no model reaches.

use crate::pool::active::Active;
use crate::pool::seats::{OwnSeat, Seats};
use crate::sync::Arc;

/// A deque that grows may run foreign destructors, which find no seat meanwhile.
#[test]
fn a_seat_in_use_is_none_for_others_on_its_thread() {
    let seats = Arc::new(Seats::new(2));
    let own = OwnSeat::new(seats.claim(0));
    own.with(|seat| {
        assert!(seat.is_some());
        assert_eq!(own.index(), None);
        assert!(own.take().is_none());
        let Some(other) = seats.claim(1) else {
            panic!("it is free");
        };
        own.put(other);
    });
    assert_eq!(own.index(), Some(0));
    // What was put meanwhile was given back.
    assert!(seats.claim(1).is_some());
    assert!(own.take().is_some());
}

/// Wherever the walk begins, in whichever word: each seat that is active comes once, in a
/// circle.
#[test]
fn a_walk_is_a_circle() {
    let active = Active::new(150);
    let seats = [0, 1, 63, 64, 100, 149];
    seats.iter().for_each(|&seat| active.add(seat));
    active.add(70);
    active.remove(70);
    for start in 0..192 {
        let walked: Vec<_> = active.from(start).collect();
        let (before, from): (Vec<_>, Vec<_>) = seats.iter().partition(|&&seat| seat < start);
        let circle: Vec<usize> = from.into_iter().chain(before).collect();
        assert_eq!(walked, circle, "from {start}");
    }
    assert!(active.from(500).eq(active.from(500 % 192)));
}
