//! Tests of what no model reaches.

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
